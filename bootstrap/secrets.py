"""Secrets that development draws for itself, once, and keeps beside its data."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

KEY_BYTES = 32
"""Length of each secret, before it is written in base64url."""

NAMES = ("TOKEN_SIGNING_KEY", "CODE_PEPPER")


def development_secrets(home: Path) -> Mapping[str, str]:
    """Return the secrets kept in `home`, by the names of their variables; draw them if need be.

    Processes that start together get the same ones: whoever is first to link the file wins.
    """
    kept = home / "secrets.json"
    if not kept.exists():
        _draw(kept)
    values = json.loads(kept.read_text())
    return {name: str(values[name]) for name in NAMES}


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
