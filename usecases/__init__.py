"""The verbs of Storyloom: a use case a file, a frozen dataclass whose fields are its ports."""
