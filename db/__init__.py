"""What PostgreSQL must know, and the only place that commits."""
