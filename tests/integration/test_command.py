"""The command `storyloom`, as an operator runs it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from bootstrap.administration import operator_settings
from bootstrap.cli import (
    app,
    dead,
    discard_dead_letter,
    grant,
    list_admins,
    list_keys,
    retry,
    revoke,
    rotate,
    show_queues,
    verify,
)
from bootstrap.household import ROOT
from bootstrap.settings_loading import SettingsInvalid
from db.database import SqlDatabase, create_engine
from db.job_desk import SqlJobDesk
from db.reads import SqlReads
from domain.audit import Act
from domain.jobs import Queue
from tests.factories import an_account
from tests.fakes.clock import START
from tests.fakes.database import FakeJobQueue
from tests.jobs import claim_of, claimed
from usecases.deliveries.send_delivery import SendDeliveryTask


@pytest.fixture(autouse=True)
def _environment(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("TOKEN_SIGNING_KEY", secrets.token_urlsafe(32))
    monkeypatch.setenv("STORYLOOM_HOME", str(tmp_path))


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[SqlDatabase]:
    """Return the database."""
    engine = create_engine(postgres_url)
    yield SqlDatabase(engine, FakeJobQueue())
    await engine.dispose()


async def test_keys_are_listed_and_rotated(capsys: pytest.CaptureFixture[str]) -> None:
    assert await list_keys() == 0
    [first] = capsys.readouterr().out.splitlines()
    assert first.endswith("  signs")
    assert await rotate() == 0
    [second] = capsys.readouterr().out.splitlines()
    assert "  signs from 20" in second
    assert await list_keys() == 0
    assert capsys.readouterr().out.splitlines() == [first, second]


async def test_compromised_keys_are_gone(capsys: pytest.CaptureFixture[str]) -> None:
    await list_keys()
    await rotate()
    capsys.readouterr()
    assert await rotate(compromised=True) == 0
    kid = capsys.readouterr().out.split()[0]
    await list_keys()
    assert capsys.readouterr().out == f"{kid}  signs\n"


async def test_a_whole_trail_yields_an_anchor_for_the_next_check(
    database: SqlDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await verify() == 0
    assert capsys.readouterr().out == "The trail is empty.\n"
    async with database.begin() as work:
        await work.audit.record(Act.SIGNED_UP, None)
    assert await verify() == 0
    said, anchor = capsys.readouterr().out.splitlines()
    assert said == "1 entries, whole; of 0 the details are erased."
    assert await verify(anchor=anchor) == 0
    assert await verify(anchor=anchor.replace("1:", "2:", 1)) == 1
    assert await verify(anchor="rubbish") == 2


async def test_the_script_says_where_a_trail_is_broken(
    database: SqlDatabase, postgres_url: str
) -> None:
    async with database.begin() as work:
        await work.audit.record(Act.SIGNED_UP, None)
        await work.audit.record(Act.LOGGED_IN, None)
    owner = await asyncpg.connect(postgres_url)
    await owner.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
    await owner.execute("UPDATE audit_entries SET act = 'logged_out' WHERE sequence = 2")
    await owner.close()
    process = await asyncio.create_subprocess_exec(
        *(str(ROOT / "storyloom"), "audit", "verify"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
    )
    out, errors = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert errors == b"Broken at 2: the entry was changed.\n"


async def test_admins_are_appointed_listed_and_dismissed(
    database: SqlDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    async with database.begin() as work:
        account = await work.accounts.add(an_account(email="ada@readers.example").activate(START))
    for command, said in (
        (grant, "ada@readers.example may administer.\n"),
        (grant, "ada@readers.example may administer, as before.\n"),
        (revoke, "ada@readers.example may not administer.\n"),
        (grant, "ada@readers.example may administer.\n"),
    ):
        assert await command("Ada@readers.example") == 0
        assert capsys.readouterr().out == said
    assert await list_admins() == 0
    assert capsys.readouterr().out == "ada@readers.example\n"
    for nobody in ("nobody@readers.example", "rubbish"):
        assert await grant(nobody) == 1
        assert capsys.readouterr().err == "No account has proven this address.\n"
    async with database.begin() as work:
        told = (await work.dossiers.of_account(account.id))["auditLog"]
    assert [entry["act"] for entry in told] == [
        Act.ROLE_GRANTED,
        Act.ROLE_REVOKED,
        Act.ROLE_GRANTED,
    ]
    assert {entry["details"]["detail"]["actor"] for entry in told} == {"operator"}


async def _dead_letter(database: SqlDatabase, postgres_url: str) -> str:
    """Return the id of a job that failed for good."""
    async with database.begin() as work:
        job = await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
    engine = create_engine(postgres_url)
    desk = SqlJobDesk(engine, timedelta(seconds=30))
    claim = await claim_of(desk, job)
    assert claim is not None
    await desk.bury(claim[1], "mail not taken: 451")
    await engine.dispose()
    return str(job.id)


async def test_dead_letters_are_shown_retried_and_discarded(
    database: SqlDatabase, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = [await _dead_letter(database, postgres_url) for _ in range(3)]
    assert await show_queues() == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["queue", "scheduled", "queued", "running", "dead", "oldest"]
    assert [*table[2].split()] == ["mail", "0", "0", "0", "3", "-"]
    assert await dead(queue=Queue.MAIL, kind="send_delivery", limit=2) == 0
    *shown, more = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == [third, second]
    assert shown[0].endswith("mail  send_delivery  1 tries  mail not taken: 451")
    assert more == "There are more: see --limit."

    assert await discard_dead_letter(first) == 0
    assert await retry(second) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{first}  send_delivery  discarded",
        f"{second}  send_delivery  waits for a worker",
    ]
    assert await retry(everything=True, queue=Queue.STORIES) == 0
    assert capsys.readouterr().out == ""
    assert await retry(everything=True) == 0
    assert capsys.readouterr().out == f"{third}  send_delivery  waits for a worker\n"
    for wrong in (first, second, "rubbish"):
        assert (await retry(wrong), await discard_dead_letter(wrong)) == (1, 1)
        assert capsys.readouterr().err.startswith(f"{wrong}  No dead letter has this id")
    assert (await retry(), await retry(second, everything=True)) == (2, 2)
    engine = create_engine(postgres_url)
    reader = SqlReads(engine)
    acts = [record.entry.act for record in await reader.audit_trail(0, 10)]
    await engine.dispose()
    assert acts == [Act.JOB_DISCARDED, Act.JOB_RETRIED, Act.JOB_RETRIED]


async def _waits(database: SqlDatabase, seconds: float) -> None:
    """Let a mail be due for that long."""
    due = datetime.now(UTC) - timedelta(seconds=seconds)
    async with database.begin() as work:
        await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), run_at=due)


@pytest.mark.parametrize(
    ("waits", "running", "remark"),
    [
        (90, 0, "nobody takes these: is a worker with this queue running?"),
        (30, 0, ""),
        (90, 1, ""),
    ],
)
async def test_a_queue_that_nobody_serves_is_marked(
    database: SqlDatabase,
    postgres_url: str,
    capsys: pytest.CaptureFixture[str],
    waits: float,
    running: int,
    remark: str,
) -> None:
    await _waits(database, waits)
    if running:
        await _waits(database, waits)
        engine = create_engine(postgres_url)
        await claimed(SqlJobDesk(engine), Queue.MAIL)
        await engine.dispose()
    assert await show_queues() == 0
    _, stories, mail, *_ = capsys.readouterr().out.splitlines()
    assert mail.split()[:5] == ["mail", "0", "1", str(running), "0"]
    assert mail.partition(" s")[2].strip() == remark
    assert stories.endswith(" -")


def test_the_command_reads_what_an_operator_types() -> None:
    for words, command, given in (
        ("jobs", show_queues, {}),
        ("jobs dead --queue mail --limit 5", dead, {"queue": Queue.MAIL, "limit": 5}),
        ("jobs retry --all --kind write_story", retry, {"everything": True, "kind": "write_story"}),
    ):
        found, bound, _ = app.parse_args(words.split())
        assert (found, bound.kwargs) == (command, given)


async def test_without_the_secret_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    for weak in ("", "c2hvcnQ", "é"):
        monkeypatch.setenv("TOKEN_SIGNING_KEY", weak)
        with pytest.raises(SettingsInvalid, match="TOKEN_SIGNING_KEY"):
            await rotate()


async def test_without_a_database_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(SettingsInvalid, match="make run"):
        await list_keys()


def test_in_development_it_finds_the_database_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("TOKEN_SIGNING_KEY")
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (tmp_path / "postgres" / "password").write_text("harmless")
    (data / "postmaster.pid").write_text(f"4242\n{data}\n1790000000\n55999\n\n127.0.0.1\n")
    settings = operator_settings()
    assert settings.database_url == "postgresql://storyloom:harmless@127.0.0.1:55999/storyloom"
    assert len(settings.token_signing_key.get_secret_value()) == 43
