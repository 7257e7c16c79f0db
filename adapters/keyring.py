"""The keys that a process knows: learned from the database, kept for half a minute."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from loguru import logger

from adapters.locksmith import Ed25519Locksmith, jwk
from domain.refusals import UpstreamUnavailable
from domain.signing_keys import STALEST, SigningKey, signer
from usecases.ports.time_and_chance import Clock

FRESH = timedelta(seconds=30)
"""How long the keys are taken for what they are in the database."""

CALM = timedelta(seconds=1)
"""Shortest time between two looks at the database, however many strange keys are named."""

PATIENCE = 3.0
"""Seconds that a look may take while the keys of before will still do."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now."""

    kid: str
    private: Ed25519PrivateKey


class Keys(Protocol):
    """What a token format needs of the keys. Raises UpstreamUnavailable where none is known."""

    async def signer(self) -> Signer:
        """Return the key to sign with."""
        ...

    async def public(self, kid: str) -> Ed25519PublicKey | None:
        """Return the key of that name, if tokens of it may be good."""
        ...


class Keyring:
    """Implements `Keys` for one process, and tells the public ones to the world.

    Keys are public long before they sign, so half a minute of memory misses nothing. A name that is
    not known is looked up at once, for rotations in a hurry; at most once a second, for the
    database's sake. While the database is away, known keys verify on; nothing is signed by what is
    known for longer than a minute, as that key may have been replaced.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Sequence[SigningKey]]],
        locksmith: Ed25519Locksmith,
        clock: Clock,
    ) -> None:
        self._load, self._locksmith, self._clock = load, locksmith, clock
        self._keys: dict[str, tuple[SigningKey, Ed25519PrivateKey]] = {}
        self._learned_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._failed = False
        self._looking = asyncio.Lock()

    async def signer(self) -> Signer:
        """Return the key that signs now."""
        await self._keep_up()
        now = self._clock.now()
        chosen = signer((key for key, _ in self._keys.values()), now)
        if chosen is None or self._learned_at is None or now - self._learned_at > STALEST:
            raise UpstreamUnavailable(retry_after=5)
        return Signer(chosen.kid, self._keys[chosen.kid][1])

    async def public(self, kid: str) -> Ed25519PublicKey | None:
        """Return the key of that name while it verifies."""
        await self._keep_up()
        if kid not in self._keys:
            await self._look()
        if kid not in self._keys:
            if self._failed:
                raise UpstreamUnavailable(retry_after=5)
            return None
        key, private = self._keys[kid]
        return private.public_key() if key.verifies(self._clock.now()) else None

    async def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JWK set (RFC 7517): those to come and those that go too."""
        await self._keep_up()
        if not self._keys:
            raise UpstreamUnavailable(retry_after=5)
        now = self._clock.now()
        return {
            "keys": [jwk(key.public_key) for key, _ in self._keys.values() if key.verifies(now)]
        }

    async def _keep_up(self) -> None:
        is_being_done = self._keys and self._looking.locked()
        if self._is_older_than(FRESH, self._learned_at) and not is_being_done:
            await self._look()

    async def _look(self) -> None:
        """Learn the keys anew, unless it was done just now; who comes meanwhile waits for it."""
        async with self._looking:
            if not self._is_older_than(CALM, self._looked_at):
                return
            began_at = self._clock.now()
            try:
                async with asyncio.timeout(PATIENCE if self._keys else None):
                    keys = await self._load()
            except Exception as error:  # noqa: BLE001 - whatever it is, the keys are not learned
                self._failed = True
                logger.bind(error=type(error).__name__).warning("Signing keys cannot be learned")
            else:
                self._failed, self._learned_at = False, began_at
                opened = ((key, self._locksmith.open(key)) for key in keys)
                self._keys = {key.kid: (key, private) for key, private in opened if private}
            finally:
                self._looked_at = self._clock.now()

    def _is_older_than(self, span: timedelta, moment: datetime | None) -> bool:
        return moment is None or self._clock.now() - moment >= span
