"""A software authenticator: real keys, real CBOR and real signatures, and it lies when asked to."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
"""Flags of the authenticator data (WebAuthn Level 3, 6.1)."""

AAGUID = bytes(range(16))

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
Json = dict[str, Any]


def es256() -> PrivateKey:
    """Return a key for ECDSA on P-256."""
    return generate_private_key(SECP256R1())


def eddsa() -> PrivateKey:
    """Return a key for Ed25519."""
    return Ed25519PrivateKey.generate()


@dataclass
class Authenticator:
    """Holds one discoverable credential, and answers for a browser on a page of `origin`.

    `flags` are those of every answer; `count` is the signature counter, or None for one that does
    not count.
    """

    origin: str
    key: PrivateKey = field(default_factory=es256)
    flags: int = PRESENT | VERIFIED
    count: int | None = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""

    def create(self, options: Mapping[str, Any], **lies: Any) -> Json:  # noqa: ANN401
        """Return the RegistrationResponseJSON of `navigator.credentials.create()`.

        `lies` replace `origin`, `challenge`, `type`, `rp_id`, `flags`, `cross_origin` or `fmt`.
        """
        self.user_handle = decoded(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options["challenge"], lies)
        attested = (
            AAGUID
            + len(self.credential_id).to_bytes(2, "big")
            + self.credential_id
            + cbor2.dumps(self._public_key())
        )
        data = self._data(lies.get("rp_id", options["rp"]["id"]), lies, extra=ATTESTED) + attested
        attestation = {"fmt": lies.get("fmt", "none"), "attStmt": {}, "authData": data}
        return self._answer(
            client_data, attestationObject=cbor2.dumps(attestation), transports=["internal"]
        )

    def get(self, options: Mapping[str, Any], **lies: Any) -> Json:  # noqa: ANN401
        """Return the AuthenticationResponseJSON of `navigator.credentials.get()`.

        `lies` replace what they do at `create`, and `user_handle`.
        """
        if self.count is not None:
            self.count += 1
        client_data = self._client_data("webauthn.get", options["challenge"], lies)
        data = self._data(lies.get("rp_id", options["rpId"]), lies)
        return self._answer(
            client_data,
            authenticatorData=data,
            signature=self._sign(data + sha256(client_data).digest()),
            userHandle=lies.get("user_handle", self.user_handle),
        )

    def _client_data(self, kind: str, challenge: str, lies: Mapping[str, Any]) -> bytes:
        return json.dumps(
            {
                "type": lies.get("type", kind),
                "challenge": lies.get("challenge", challenge),
                "origin": lies.get("origin", self.origin),
                "crossOrigin": lies.get("cross_origin", False),
            }
        ).encode()

    def _data(self, rp_id: str, lies: Mapping[str, Any], *, extra: int = 0) -> bytes:
        flags = lies.get("flags", self.flags) | extra
        return sha256(rp_id.encode()).digest() + bytes([flags]) + (self.count or 0).to_bytes(4)

    def _public_key(self) -> dict[int, Any]:
        """Return the key in COSE (RFC 9053)."""
        if isinstance(self.key, Ed25519PrivateKey):
            return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
        point = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ECDSA(SHA256()))

    def _answer(self, client_data: bytes, **response: bytes | list[str]) -> Json:
        return {
            "id": encoded(self.credential_id),
            "rawId": encoded(self.credential_id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encoded(client_data),
                **{
                    name: encoded(value) if isinstance(value, bytes) else value
                    for name, value in response.items()
                },
            },
        }


def encoded(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes behind base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
