"""Signing up, logging in and staying signed in."""
