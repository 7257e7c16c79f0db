"""The schema on fakes."""
