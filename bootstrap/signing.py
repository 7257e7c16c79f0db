"""The wiring of access tokens: their keys, and the format that an operator chose."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from adapters.keyring import Keyring, Keys
from adapters.locksmith import Ed25519Locksmith
from adapters.tokens import JwtAccessTokens
from bootstrap.secrets import key_bytes
from bootstrap.settings import Settings
from db.database import SqlDatabase, close_engine, create_engine
from domain.signing_keys import KeyPolicy
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.ports.jobs import JobQueue
from usecases.ports.secrets import AccessTokens
from usecases.ports.time_and_chance import Clock


@asynccontextmanager
async def open_keyring(
    settings: Settings, queue: JobQueue, clock: Clock, *, part: str
) -> AsyncIterator[Keyring]:
    """Open a process's keyring; what it holds is closed at the end of the block.

    It has a connection of its own. Keys are needed within transactions: if all connections of the
    pool were held by such, each would wait for another to end.
    """
    engine = create_engine(
        settings.database_url, pool_size=1, application_name=f"storyloom {part} keys"
    )
    locksmith = locksmith_of(settings)
    load = LoadSigningKeys(SqlDatabase(engine, queue), locksmith, clock)
    try:
        yield Keyring(load, locksmith, clock)
    finally:
        await close_engine(engine)


def locksmith_of(settings: Settings) -> Ed25519Locksmith:
    """Return who seals and opens signing keys, under TOKEN_SIGNING_KEY."""
    return Ed25519Locksmith(key_bytes(settings.token_signing_key))


def key_policy(settings: Settings) -> KeyPolicy:
    """Return how a new key comes into use."""
    return KeyPolicy(propagation=timedelta(seconds=settings.key_propagation_seconds))


def access_tokens(settings: Settings, keys: Keys, clock: Clock) -> AccessTokens:
    """Return the chosen format; the library of the other is not even imported."""
    match settings.token_format:
        case "jwt":
            kind: Callable[..., AccessTokens] = JwtAccessTokens
        case "paseto":
            from adapters.paseto_tokens import PasetoAccessTokens as kind  # noqa: PLC0415, N813
    return kind(
        keys=keys, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock
    )
