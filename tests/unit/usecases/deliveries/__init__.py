"""Use cases about mails."""
