"""Secrets that development draws for itself, once, and keeps beside its data."""

import hmac
import json
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

KEY_BYTES = 32
"""Length of each secret, before it is written in base64url."""

NAMES = ("TOKEN_SIGNING_KEY", "CODE_PEPPER", "FACTOR_KEY")


def development_secrets(home: Path) -> Mapping[str, str]:
    """Return the secrets kept in `home`, by the names of their variables; draw them if need be.

    Processes that start together get the same ones: whoever is first to link the file wins.
    """
    kept = home / "secrets.json"
    if not kept.exists():
        _draw(kept)
    values: dict[str, str] = json.loads(kept.read_text())
    return {name: values.get(name) or _derived(name, values) for name in NAMES}


def key_bytes(secret: SecretStr) -> bytes:
    """Return the bytes that a setting holds in base64url."""
    text = secret.get_secret_value()
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def listed(secret: SecretStr) -> list[str]:
    """Return the values that a setting holds, parted by commas."""
    return [part.strip() for part in secret.get_secret_value().split(",") if part.strip()]


def _derived(name: str, kept: Mapping[str, str]) -> str:
    """Return a secret that was not there yet when the others were drawn.

    It follows from them, so that processes that start together have the same one.
    """
    known = "".join(kept[other] for other in NAMES if other in kept)
    return urlsafe_b64encode(hmac.digest(known.encode(), name.encode(), "sha256")).decode()


def _draw(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({name: secrets.token_urlsafe(KEY_BYTES) for name in NAMES}, file, indent=2)
    try:
        kept.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
