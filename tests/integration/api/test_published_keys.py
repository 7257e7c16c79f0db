"""Other services verify our tokens: the keys that we publish, and the example of the guide."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from pyseto import Key, decode

from adapters.clock import SystemClock
from adapters.keyring import Keyring
from adapters.locksmith import Ed25519Locksmith
from adapters.paseto_tokens import PURPOSE, PasetoAccessTokens
from adapters.tokens import JwtAccessTokens
from bootstrap.household import ROOT
from db.database import SqlDatabase, create_engine
from domain.refusals import UpstreamUnavailable
from domain.sessions import AccessClaims
from domain.signing_keys import KeyPolicy
from tests.fakes.database import FakeJobQueue
from tests.integration.api.service import Service, service
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.administration.rotate_signing_keys import RotateSigningKeys

LOCKSMITH = Ed25519Locksmith(bytes(32))
PATH = "/.well-known/jwks.json"
WHO: dict[str, Any] = {"issuer": "storyloom", "audience": "storyloom-api", "clock": SystemClock()}


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[SqlDatabase]:
    """Return the database."""
    engine = create_engine(postgres_url)
    yield SqlDatabase(engine, FakeJobQueue())
    await engine.dispose()


@pytest.fixture
def keyring(database: SqlDatabase) -> Keyring:
    """Return the keyring of a process."""
    return Keyring(LoadSigningKeys(database, LOCKSMITH, SystemClock()), LOCKSMITH, SystemClock())


@pytest.fixture
async def edge(keyring: Keyring) -> AsyncIterator[Service]:
    """Serve the keys of that process."""
    async with service(public_keys=keyring.jwks) as running:
        yield running


def claims() -> AccessClaims:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=15)
    return AccessClaims(account_id=uuid4(), session_id=uuid4(), expires_at=expires_at)


def account_of(url: str) -> Callable[[str], str]:
    """Return the function of the guide's example, as it stands there, for our address."""
    guide = (ROOT / "docs" / "signing-keys.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example.replace("http://127.0.0.1:8000", url), names)  # noqa: S102 - our own guide
    found: Callable[[str], str] = names["account_of"]
    return found


async def test_the_example_of_the_guide_verifies_our_tokens(
    edge: Service, keyring: Keyring, database: SqlDatabase
) -> None:
    known, tokens = (
        account_of(f"http://127.0.0.1:{edge.port}"),
        JwtAccessTokens(keys=keyring, **WHO),
    )
    first = claims()
    assert await asyncio.to_thread(known, await tokens.sign(first)) == str(first.account_id)

    await RotateSigningKeys(
        database, LOCKSMITH, SystemClock(), KeyPolicy(propagation=timedelta(0))
    )()
    new_process = Keyring(
        LoadSigningKeys(database, LOCKSMITH, SystemClock()), LOCKSMITH, SystemClock()
    )
    assert len((await new_process.jwks())["keys"]) == 2
    assert await asyncio.to_thread(known, await tokens.sign(first)) == str(first.account_id)


async def test_the_example_refuses_what_is_none_of_ours(edge: Service, keyring: Keyring) -> None:
    known = account_of(f"http://127.0.0.1:{edge.port}")
    stranger = Ed25519Locksmith(bytes(range(32)))
    key = stranger.make(created_at=datetime.now(UTC), signs_from=datetime.now(UTC))

    async def theirs() -> list[Any]:
        return [key]

    forged = JwtAccessTokens(keys=Keyring(theirs, stranger, SystemClock()), **WHO)
    for_others = JwtAccessTokens(keys=keyring, **{**WHO, "audience": "another"})
    for tokens in (forged, for_others):
        with pytest.raises(jwt.PyJWTError):
            await asyncio.to_thread(known, await tokens.sign(claims()))


async def test_a_paseto_is_verified_by_the_same_keys(edge: Service, keyring: Keyring) -> None:
    token = await PasetoAccessTokens(keys=keyring, **WHO).sign(claims())
    [published] = (await edge.http.get(f"http://127.0.0.1:{edge.port}{PATH}")).json()["keys"]
    public = jwt.PyJWK(published).key.public_bytes_raw()
    key = Key.from_asymmetric_key_params(4, x=public)
    assert decode(key, token, implicit_assertion=PURPOSE).payload


async def test_they_are_for_everybody_and_kept_for_a_minute(edge: Service) -> None:
    answer = await edge.http.get(f"http://127.0.0.1:{edge.port}{PATH}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk-set+json; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert "set-cookie" not in answer.headers
    head = await edge.http.head(f"http://127.0.0.1:{edge.port}{PATH}")
    assert (head.status_code, head.content) == (200, b"")


async def test_they_are_only_to_be_read(edge: Service) -> None:
    answer = await edge.http.post(f"http://127.0.0.1:{edge.port}{PATH}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_where_no_key_is_known_nobody_keeps_that() -> None:
    async def nothing() -> dict[str, object]:
        raise UpstreamUnavailable(retry_after=5)

    async with service(public_keys=nothing) as running:
        answer = await running.http.get(f"http://127.0.0.1:{running.port}{PATH}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
