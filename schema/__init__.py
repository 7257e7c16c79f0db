"""The GraphQL schema: every field a thin edge that translates and calls one use case."""
