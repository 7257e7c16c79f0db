"""What Redis keeps of an account, found and removed."""

from collections.abc import Sequence
from uuid import UUID

from redis.asyncio import Redis

from adapters.outages import failing_closed
from adapters.pseudonyms import address_pseudonym

HOLDERS = (b"codes:challenge:", b"log_in:ticket:", b"passkeys:challenge:")
"""Keys with random names, whose values say whom they belong to."""

PAGE = 1000
"""Keys that are looked at in one step."""


class RedisTraces:
    """Implements `Traces` by looking at every key: erasure is rare, and must miss nothing.

    A key goes if its name has the account's id, or the pseudonym of one of its addresses, or if it
    is one of HOLDERS and its value has. What stays is that its sessions have ended
    (`session:ended:<random id>`), for as long as an access token lives: without it a token of the
    account would count as good again.
    """

    def __init__(self, redis: Redis, *, pepper: bytes) -> None:
        """`redis` answers bytes; `pepper` is the one that `RedisCodes` and `RedisLockout` have."""
        self._redis, self._pepper = redis, pepper

    async def erase(self, account_id: UUID, contacts: Sequence[str]) -> int:
        """Remove them, and return how many there were. Raises UpstreamUnavailable."""
        names = [
            str(account_id).encode(),
            account_id.hex.encode(),
            *(address_pseudonym(self._pepper, contact).encode() for contact in contacts),
        ]
        values = [*names, account_id.bytes, *(contact.encode() for contact in contacts)]
        removed = 0
        with failing_closed():
            cursor = -1
            while cursor:
                cursor, keys = await self._redis.scan(max(cursor, 0), count=PAGE)
                doomed = [key for key in keys if _has(key, names)]
                holders = [key for key in keys if key.startswith(HOLDERS)]
                doomed += [
                    key
                    for key in holders
                    if key not in doomed and _has(await self._of(key), values)
                ]
                if doomed:
                    removed += await self._redis.delete(*doomed)
        return removed

    async def _of(self, key: bytes) -> bytes:
        """Return all that a key holds, in one piece."""
        if await self._redis.type(key) == b"hash":
            # redis-py's annotations unite its two clients, with and without asyncio.
            return b"\n".join(await self._redis.hvals(key.decode("latin-1")))  # type: ignore[misc]
        return await self._redis.get(key) or b""


def _has(text: bytes, needles: Sequence[bytes]) -> bool:
    return any(needle in text for needle in needles)
