"""Stories and their live events, as the schema shows them."""
