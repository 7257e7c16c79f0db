"""GraphQL over HTTP, WebSocket and long HTTP responses: thin transports over one engine."""
