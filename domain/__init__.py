"""The nouns of Storyloom and their rules. Imports nothing of the other rings."""
