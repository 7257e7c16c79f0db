"""Recovery codes, in an alphabet that survives being written down."""

import secrets
from hashlib import sha256
from uuid import UUID

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O or U, and those that look like others are read as them."""

ALIKE = str.maketrans("ILO", "110", " -\u2010\u2011\u2012\u2013\u2014\u00a0\t\n\r")
"""What people write instead of a character, and what they part the groups with."""

GROUPS, GROUP = 6, 4
"""24 characters of 5 bits: 120 bits."""


class PaperRecoveryCodes:
    """Implements `RecoveryCodes`: `7K3M-9QXA-…`, six groups of four.

    They are stored as SHA-256. A slow hash protects what can be guessed: from 112 bits on, a fast
    one will do (OWASP ASVS 5.0, 6.5.2; NIST SP 800-63B-4, 3.1.2.2), since 2**120 guesses are out of
    reach however fast each is. The account's id goes in with the code, so that whoever has the
    table cannot try one guess on every code in it.
    """

    def draw(self) -> str:
        """Return a new code, as it is shown."""
        return "-".join(
            "".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS)
        )

    def digest(self, account_id: UUID, code: str) -> bytes:
        """Return what is stored of it; the same however people write it down."""
        plain = code.upper().translate(ALIKE)
        return sha256(account_id.bytes + plain.encode("utf-8", "surrogatepass")).digest()
