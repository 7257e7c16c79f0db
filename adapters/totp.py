"""Codes of authenticator apps by pyotp, and the sealing of their secrets."""

import hmac
import secrets
from base64 import b32encode
from collections.abc import Callable, Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyotp import TOTP

from domain.accounts import Account
from domain.second_factors import TotpFactor, TotpSecret
from usecases.ports.factors import SecretUnreadable
from usecases.ports.time_and_chance import Clock

ISSUER = "Storyloom"
SECRET_BYTES = 20
"""As long as the output of SHA-1 (RFC 4226, 4), the one hash that every app knows.

What is known against SHA-1 are collisions, which an HMAC does not hang on.
"""

WINDOW = 1
"""Steps of 30 seconds before and after this one that are accepted, for clocks that differ."""

NONCE_BYTES = 12


class PyotpTotpCodes:
    """Implements `TotpCodes`.

    A secret must be there in clear to check a code, so it cannot be hashed. It is sealed with
    AES-256-GCM under a key that the database never sees, and bound to its account: a row that is
    copied to another account opens nothing. Earlier keys open what they sealed, and seal no more.
    """

    def __init__(
        self,
        *,
        key: bytes,
        previous: Sequence[bytes] = (),
        clock: Clock,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Each key is a secret of 32 bytes; `draw` gives so many that nobody can guess."""
        self._draw, self._clock = draw, clock
        self._cipher, *self._earlier = (_cipher(one) for one in (key, *previous))

    def draw(self, account: Account) -> TotpSecret:
        """Draw a secret for the account's app."""
        secret = b32encode(self._draw(SECRET_BYTES)).decode()
        return TotpSecret(
            secret=secret,
            uri=TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER),
            sealed=self._seal(secret, account.id),
        )

    def step(self, factor: TotpFactor, code: str) -> int | None:
        """Return the newest time step around now that the code is right for.

        Raises SecretUnreadable for a secret that was sealed under none of the keys.
        """
        totp = TOTP(self._unseal(factor))
        now = totp.timecode(self._clock.now())
        steps = range(now - WINDOW, now + WINDOW + 1)
        # All are compared, in constant time each: how long it takes tells nothing.
        right = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
        return max(right, default=None)

    def renewed(self, factor: TotpFactor) -> bytes:
        """Return the secret sealed under today's key. Raises SecretUnreadable."""
        if _opened(self._cipher, factor) is not None:
            return factor.sealed_secret
        return self._seal(self._unseal(factor), factor.account_id)

    def _seal(self, secret: str, account_id: UUID) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), account_id.bytes)

    def _unseal(self, factor: TotpFactor) -> str:
        for cipher in (self._cipher, *self._earlier):
            if (secret := _opened(cipher, factor)) is not None:
                return secret
        raise SecretUnreadable


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=b"storyloom totp secret").derive(key))


def _opened(cipher: AESGCM, factor: TotpFactor) -> str | None:
    """Return the secret, or None where it was sealed under another key or for another account."""
    nonce, text = factor.sealed_secret[:NONCE_BYTES], factor.sealed_secret[NONCE_BYTES:]
    try:
        return cipher.decrypt(nonce, text, factor.account_id.bytes).decode()
    except InvalidTag:
        return None
