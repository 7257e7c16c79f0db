"""The command `storyloom`: what operators do by hand.

cyclopts rather than typer: it runs coroutines and takes its help from docstrings.
"""

import sys
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter
from loguru import logger
from sqlalchemy.exc import DBAPIError

from bootstrap.administration import open_administration, operator_settings
from db.migrations import migrate as bring_forward
from domain.accounts import Role
from domain.audit import Anchor
from domain.jobs import Job, Queue
from domain.refusals import AccountNotFound, DeadLetterNotFound, InvalidInput, Refusal
from domain.signing_keys import SigningKey, signer

app = App(name="storyloom", help="Operate a Storyloom installation.", version_flags=[])
keys = App(name="keys", help="The keys that sign access tokens.")
admins = App(name="admins", help="Who may administer.")
audit = App(name="audit", help="The audit trail.")
jobs = App(name="jobs", help="What waits, runs, and has failed for good.")
app.command(admins)
app.command(keys)
app.command(audit)
app.command(jobs)

DESERTED = "nobody takes these: is a worker with this queue running?"

OfQueue = Annotated[Queue | None, Parameter(help="Of this queue alone.")]
OfKind = Annotated[str | None, Parameter(help="Of this kind alone, like write_story.")]


@app.command
async def migrate() -> int:
    """Bring the database to this version's tables; needs the rights of the tables' owner."""
    await bring_forward(operator_settings().database_url)
    _say("The database has this version's tables.")
    return 0


@admins.command(name="list")
async def list_admins() -> int:
    """Show the addresses of the accounts that may administer, oldest account first."""
    async with open_administration(operator_settings()) as administration:
        for admin in await administration.list_admins():
            _say(f"{admin.email}{'  suspended' if admin.is_suspended else ''}")
    return 0


@admins.command
async def grant(email: str) -> int:
    """Let the account with this proven address administer."""
    return await _appoint(email, Role.ADMIN)


@admins.command
async def revoke(email: str) -> int:
    """Let it administer no more, from its next request on."""
    return await _appoint(email, Role.USER)


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


@jobs.default
async def show_queues() -> int:
    """Show what each queue holds, and for how long the oldest job in it has waited."""
    async with open_administration(operator_settings()) as administration:
        loads = await administration.show_queues()
    _say(f"{'queue':<12}{'scheduled':>10}{'queued':>10}{'running':>10}{'dead':>10}{'oldest':>10}")
    for load in loads:
        oldest = "-" if load.oldest is None else f"{load.oldest.total_seconds():.0f} s"
        counts = (load.scheduled, load.queued, load.running, load.dead, oldest)
        remark = f"  {DESERTED}" if load.is_deserted else ""
        _say(f"{load.queue:<12}" + "".join(f"{count:>10}" for count in counts) + remark)
    return 0


@jobs.command
async def dead(*, queue: OfQueue = None, kind: OfKind = None, limit: int = 50) -> int:
    """Show dead letters, those given up last first, each with its error."""
    shown = 0
    async with (
        open_administration(operator_settings()) as administration,
        aclosing(administration.dead_letters.found(queue, kind)) as found,
    ):
        async for job in found:
            if shown == limit:
                _say("There are more: see --limit.")
                break
            shown += 1
            _say(_dead(job))
    return 0


@jobs.command
async def retry(
    job_id: str | None = None,
    /,
    *,
    everything: Annotated[
        bool, Parameter(name="--all", negative="", help="All that there are, or all of --queue.")
    ] = False,
    queue: OfQueue = None,
    kind: OfKind = None,
) -> int:
    """Give a dead letter all its tries again, and bring back its story or mail; or do so for all.

    Workers take it within two seconds. Exits with 1 where one cannot be retried.
    """
    if (job_id is None) is not everything:
        _say("Name a dead letter, or all of them by --all.", to_errors=True)
        return 2
    refused = False
    async with open_administration(operator_settings()) as administration:
        letters = administration.dead_letters
        for chosen in [job_id] if job_id else [job.id async for job in letters.found(queue, kind)]:
            try:
                job = await letters.retry(_job(chosen))
            except Refusal as refusal:
                refused = True
                _say(f"{chosen}  {refusal}", to_errors=True)
            else:
                _say(f"{job.id}  {job.kind}  waits for a worker")
    return int(refused)


@jobs.command(name="discard")
async def discard_dead_letter(job_id: str, /) -> int:
    """Put a dead letter away; its story or mail stays failed."""
    async with open_administration(operator_settings()) as administration:
        try:
            job = await administration.dead_letters.discard(_job(job_id))
        except DeadLetterNotFound as refusal:
            _say(f"{job_id}  {refusal}", to_errors=True)
            return 1
    _say(f"{job.id}  {job.kind}  discarded")
    return 0


def _dead(job: Job) -> str:
    ended = _time(job.finished_at or job.created_at)
    return f"{job.id}  {ended}  {job.queue}  {job.kind}  {job.attempt} tries  {job.last_error}"


def _job(chosen: UUID | str) -> UUID:
    try:
        return UUID(str(chosen))
    except ValueError:
        raise DeadLetterNotFound from None


async def _appoint(email: str, role: Role) -> int:
    try:
        async with open_administration(operator_settings()) as administration:
            account, changed = await administration.appoint_admin(email, role)
    except (InvalidInput, AccountNotFound):
        _say("No account has proven this address.", to_errors=True)
        return 1
    may = "may administer" if role is Role.ADMIN else "may not administer"
    _say(f"{account.email} {may}{'' if changed else ', as before'}.")
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
