"""What keeps the house clean."""
