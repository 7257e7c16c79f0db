"""Rules of the database that need none."""
