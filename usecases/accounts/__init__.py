"""What people do to have an account and to be known by it."""
