"""Use cases of stories."""
