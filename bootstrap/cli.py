"""The command `storyloom`: what operators do by hand.

cyclopts rather than typer: it runs coroutines and takes its help from docstrings.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from loguru import logger
from sqlalchemy.exc import DBAPIError

from bootstrap.administration import open_administration, operator_settings
from db.migrations import migrate as bring_forward
from domain.audit import Anchor
from domain.signing_keys import SigningKey, signer

app = App(name="storyloom", help="Operate a Storyloom installation.", version_flags=[])
keys = App(name="keys", help="The keys that sign access tokens.")
audit = App(name="audit", help="The audit trail.")
app.command(keys)
app.command(audit)


@app.command
async def migrate() -> int:
    """Bring the database to this version's tables; needs the rights of the tables' owner."""
    await bring_forward(operator_settings().database_url)
    _say("The database has this version's tables.")
    return 0


@keys.command(name="list")
async def list_keys() -> int:
    """Show the keys that are alive, oldest first."""
    async with open_administration(operator_settings()) as administration:
        known, now = await administration.load_signing_keys(), datetime.now(UTC)
    signing = signer(known, now)
    for key in known:
        _say(f"{key.kid}  {_state(key, signing, now)}")
    return 0


@keys.command
async def rotate(
    *,
    compromised: Annotated[
        bool,
        Parameter(
            negative="",
            help="The keys of before may be known to others: drop them at once. Within half a "
            "minute no token of theirs is good; clients get new ones by their refresh tokens.",
        ),
    ] = False,
) -> int:
    """Publish a new key, which signs a while later. No token that is good is refused meanwhile."""
    async with open_administration(operator_settings()) as administration:
        new = await administration.rotate_signing_keys(compromised=compromised)
    _say(f"{new.kid}  signs from {_time(new.signs_from)}")
    return 0


@audit.command
async def verify(
    *,
    anchor: Annotated[
        str | None,
        Parameter(
            help="The last line of an earlier check, as it was noted elsewhere: SEQUENCE:DIGEST. "
            "It alone tells when newest entries are missing or the whole trail was made anew."
        ),
    ] = None,
) -> int:
    """Check that the audit trail is whole; exit with 1 where it is not."""
    try:
        noted = _anchor(anchor) if anchor else None
    except ValueError:
        _say("The anchor is not of the form SEQUENCE:DIGEST.", to_errors=True)
        return 2
    async with open_administration(operator_settings()) as administration:
        verdict = await administration.verify_audit_trail(noted)
    if verdict.broken_at is not None:
        _say(f"Broken at {verdict.broken_at}: {verdict.fault}.", to_errors=True)
        return 1
    if verdict.head is None:
        _say("The trail is empty.")
        return 0
    _say(f"{verdict.head.sequence} entries, whole; of {verdict.erased} the details are erased.")
    _say(f"{verdict.head.sequence}:{verdict.head.digest.hex()}")
    return 0


def _anchor(text: str) -> Anchor:
    sequence, _, digest = text.partition(":")
    return Anchor(sequence=int(sequence), digest=bytes.fromhex(digest))


def _state(key: SigningKey, signing: SigningKey | None, now: datetime) -> str:
    if signing and key.id == signing.id:
        return "signs"
    if key.verifies_until is not None:
        return f"verifies until {_time(key.verifies_until)}"
    return f"signs from {_time(key.signs_from)}" if key.signs_from > now else "verifies"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _say(line: str, *, to_errors: bool = False) -> None:
    (sys.stderr if to_errors else sys.stdout).write(f"{line}\n")


def main() -> None:
    """Run a command, and exit with its code."""
    logger.remove()  # a person reads what a command says; what it did is in the audit trail
    try:
        sys.exit(app())
    except (OSError, DBAPIError) as error:
        # The statement and the address of the server are for nobody's scrollback.
        sys.exit(f"storyloom: PostgreSQL did not do it: {type(error).__name__}.")


if __name__ == "__main__":
    main()
