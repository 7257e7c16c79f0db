"""What addresses are called where they must not be readable."""

import hmac


def address_pseudonym(pepper: bytes, address: str) -> str:
    """Return what stands for an e-mail address or a phone number in names of Redis keys.

    A keyed hash: without `pepper`, which Redis never sees, nobody can try addresses against it.
    """
    return hmac.digest(pepper, f"address|{address}".encode(), "sha256").hex()
