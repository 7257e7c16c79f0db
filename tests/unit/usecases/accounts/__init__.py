"""Use cases about accounts and sessions."""
