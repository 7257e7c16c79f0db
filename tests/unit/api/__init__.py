"""Parts of the edge that need no server."""
