"""A keyring of one key that stays."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.keyring import Signer
from adapters.locksmith import thumbprint


class FakeKeys:
    """Implements `Keys`: the key of a seed of 32 bytes."""

    def __init__(self, seed: bytes = bytes(32)) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.kid = thumbprint(self.private.public_key().public_bytes_raw())

    async def signer(self) -> Signer:
        return Signer(self.kid, self.private)

    async def public(self, kid: str) -> Ed25519PublicKey | None:
        return self.private.public_key() if kid == self.kid else None
