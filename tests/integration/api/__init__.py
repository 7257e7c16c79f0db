"""The edge, spoken to over real HTTP and WebSocket."""
