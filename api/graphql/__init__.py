"""GraphQL over HTTP and WebSocket: two thin transports over one engine."""
