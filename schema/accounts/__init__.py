"""Accounts, as the schema shows them."""
