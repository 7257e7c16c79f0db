"""How the ports reach the world: each adapter is named after its technology."""
