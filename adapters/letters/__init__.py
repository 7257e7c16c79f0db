"""Mails from templates: HTML that looks like a page of a little book, and its plain text."""

from adapters.letters.jinja import JinjaLetters

__all__ = ["JinjaLetters"]
