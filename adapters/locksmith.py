"""Keys of access tokens: Ed25519 pairs, sealed for the database."""

import secrets
from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.signing_keys import SigningKey

ALGORITHM = "EdDSA"
NONCE_BYTES = 12


class Ed25519Locksmith:
    """Implements `Locksmith`: seals by AES-256-GCM, under a key derived from a master secret."""

    def __init__(self, master: bytes) -> None:
        """`master` is a secret of 32 bytes."""
        derive = HKDF(SHA256(), length=32, salt=None, info=b"storyloom signing keys")
        self._cipher = AESGCM(derive.derive(master))

    def make(self, *, created_at: datetime, signs_from: datetime) -> SigningKey:
        """Draw a new pair of keys."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        kid, nonce = thumbprint(public), secrets.token_bytes(NONCE_BYTES)
        return SigningKey(
            kid=kid,
            algorithm=ALGORITHM,
            public_key=public,
            sealed_private_key=nonce
            + self._cipher.encrypt(nonce, private.private_bytes_raw(), kid.encode()),
            created_at=created_at,
            signs_from=signs_from,
        )

    def opens(self, key: SigningKey) -> bool:
        """Whether it was sealed under our secret, and is whole."""
        return self.open(key) is not None

    def open(self, key: SigningKey) -> Ed25519PrivateKey | None:
        """Return the private key.

        None where it was sealed under another secret, or where its name or its public half is not
        its own: else whoever can write to the database could have us trust a key of theirs.
        """
        nonce, sealed = key.sealed_private_key[:NONCE_BYTES], key.sealed_private_key[NONCE_BYTES:]
        try:
            private = Ed25519PrivateKey.from_private_bytes(
                self._cipher.decrypt(nonce, sealed, key.kid.encode())
            )
        except (InvalidTag, ValueError):
            return None
        public = private.public_key().public_bytes_raw()
        is_its_own = key.public_key == public and key.kid == thumbprint(public)
        return private if is_its_own and key.algorithm == ALGORITHM else None


def jwk(public_key: bytes) -> dict[str, str]:
    """Return a public key as a JWK (RFC 8037), for those who verify our tokens."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": text(public_key),
        "kid": thumbprint(public_key),
        "alg": ALGORITHM,
        "use": "sig",
    }


def thumbprint(public_key: bytes) -> str:
    """Return the key's name: a hash of its JWK (RFC 7638, RFC 8037)."""
    essence = orjson.dumps(
        {"crv": "Ed25519", "kty": "OKP", "x": text(public_key)}, option=orjson.OPT_SORT_KEYS
    )
    return text(sha256(essence).digest())


def text(data: bytes) -> str:
    """Write bytes in base64url, without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
