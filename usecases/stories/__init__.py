"""Asking for stories, writing them and watching them being written."""
