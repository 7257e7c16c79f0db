"""The command `storyloom`, as an operator runs it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from bootstrap.administration import operator_settings
from bootstrap.cli import list_keys, rotate, verify
from bootstrap.household import ROOT
from bootstrap.settings import SettingsInvalid
from db.database import SqlDatabase, create_engine
from domain.audit import Act
from tests.fakes.database import FakeJobQueue


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
