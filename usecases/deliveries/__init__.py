"""Mails: owing, sending and giving them up."""
