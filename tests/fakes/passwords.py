"""Passwords without the work."""

import unicodedata


class FakePasswords:
    """Implements `Passwords`. `verified` are the digests it compared with: None for nobody's."""

    def __init__(self, strength: int = 1) -> None:
        self.strength = strength
        self.verified: list[str | None] = []

    async def hash(self, password: str) -> str:
        return f"{self.strength}:{unicodedata.normalize('NFC', password)}"

    async def verify(self, password: str, digest: str | None) -> bool:
        self.verified.append(digest)
        _, _, hashed = (digest or "").partition(":")
        return digest is not None and hashed == unicodedata.normalize("NFC", password)

    def is_outdated(self, digest: str) -> bool:
        return not digest.startswith(f"{self.strength}:")
