"""Live events in Redis: a capped stream a story and a stream an account, and their followers."""
