"""The tokens that devices are known by."""

import secrets
from hashlib import sha256


class OpaqueDeviceTokens:
    """Implements `DeviceTokens`: 256 random bits, with a prefix that secret scanners can find."""

    PREFIX = "sld_"

    def draw(self) -> str:
        """Return a new token."""
        return self.PREFIX + secrets.token_urlsafe(32)

    def digest(self, token: str) -> bytes:
        """Return what is stored of it. A fast hash will do: nobody guesses 256 bits."""
        return sha256(token.encode("utf-8", "surrogatepass")).digest()
