"""What authenticators are asked to sign, in Redis, each used once."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from redis.asyncio import Redis

from adapters.outages import failing_closed
from domain.passkeys import PasskeyInvitation
from usecases.ports.factors import CeremonyFailed
from usecases.ports.time_and_chance import Clock

LIFE = timedelta(minutes=5)
CHALLENGE_BYTES = 32
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STAMP_BYTES = 8
UUID_BYTES = 16


class RedisPasskeyChallenges:
    """Implements `PasskeyChallenges`: 256 random bits each, taken out of Redis by their first use.

    Kept with a challenge are its end and, for a registration, whom it invites: an answer to the
    question of one ceremony is no answer to that of the other.
    """

    def __init__(self, redis: Redis, *, clock: Clock) -> None:
        """`redis` answers bytes."""
        self._redis, self._clock = redis, clock

    async def open(self, invitation: PasskeyInvitation | None) -> bytes:
        """Draw a challenge to register a passkey by, or without an invitation to log in by."""
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        kept = self._now(LIFE).to_bytes(STAMP_BYTES, "big")
        if invitation is not None:
            kept += invitation.account_id.bytes + invitation.user_handle
        with failing_closed():
            await self._redis.set(_key(challenge), kept, px=LIFE)
        return challenge

    async def redeem(self, challenge: bytes) -> PasskeyInvitation | None:
        """Use a challenge up, and return the invitation it was for. Raises CeremonyFailed."""
        with failing_closed():
            kept = await self._redis.getdel(_key(challenge))
        if kept is None or int.from_bytes(kept[:STAMP_BYTES], "big") <= self._now():
            raise CeremonyFailed("the challenge is unknown, expired or used")
        invited = kept[STAMP_BYTES:]
        if not invited:
            return None
        return PasskeyInvitation(
            account_id=UUID(bytes=invited[:UUID_BYTES]), user_handle=invited[UUID_BYTES:]
        )

    def _now(self, plus: timedelta = timedelta()) -> int:
        return (self._clock.now() + plus - EPOCH) // timedelta(milliseconds=1)


def _key(challenge: bytes) -> str:
    return f"passkeys:challenge:{sha256(challenge).hexdigest()}"
