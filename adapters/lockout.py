"""How often somebody may guess, counted in Redis by one script."""

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from math import ceil

from redis.asyncio import Redis

from adapters.outages import failing_closed
from adapters.pseudonyms import address_pseudonym
from domain.lockouts import Guess, LockoutPolicy
from domain.refusals import AccountLocked
from usecases.ports.time_and_chance import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ADMIT = """
-- Counts a guess, before it is checked. Returns how many more the place has, or -1 and the
-- milliseconds to wait; then nothing was counted. An entry is "<place>|<number>" with its time.
local now, window, failures = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local strangers, pace = tonumber(ARGV[4]), tonumber(ARGV[5])
local place, number = ARGV[6], ARGV[7]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local here, unknown, newest = {}, 0, 0
for i = 1, #entries, 2 do
  local from = string.match(entries[i], '^[^|]*')
  if from == place then here[#here + 1] = tonumber(entries[i + 1]) end
  if string.sub(from, 1, 8) == 'network:' then
    unknown, newest = unknown + 1, tonumber(entries[i + 1])
  end
end
if #here >= failures then
  return {-1, here[#here - failures + 1] + window - now}
end
if string.sub(place, 1, 8) == 'network:' and unknown >= strangers and newest + pace > now then
  return {-1, newest + pace - now}
end
redis.call('ZADD', KEYS[1], now, place .. '|' .. number)
redis.call('PEXPIRE', KEYS[1], window)
return {failures - #here - 1, 0}
"""
"""An account has one key, and few entries in it: strangers are slowed before there are many."""

LIFT = """
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.match(entry, '^[^|]*') == ARGV[1] then redis.call('ZREM', KEYS[1], entry) end
end
"""


class RedisLockout:
    """Implements `Lockout`. Without Redis nobody is admitted: every call fails closed.

    Addresses and networks are known to Redis as MACs alone.
    """

    def __init__(self, redis: Redis, *, pepper: bytes, policy: LockoutPolicy, clock: Clock) -> None:
        """`redis` answers bytes; `pepper` is a secret of 32 bytes that Redis never sees."""
        self._pepper, self._policy, self._clock = pepper, policy, clock
        self._redis = redis
        self._admit = redis.register_script(ADMIT)
        self._lift = redis.register_script(LIFT)

    async def admit(self, guess: Guess) -> int:
        """Count a guess, before it is checked. Raises AccountLocked or UpstreamUnavailable."""
        with failing_closed():
            left, wait = await self._admit(
                keys=[self._key(guess.email)],
                args=[
                    _milliseconds(self._clock.now() - EPOCH),
                    _milliseconds(self._policy.window),
                    self._policy.failures,
                    self._policy.strangers,
                    _milliseconds(self._policy.pace),
                    self._place(guess),
                    secrets.token_hex(8),
                ],
            )
        if left < 0:
            raise AccountLocked(retry_after=ceil(wait / 1000))
        return int(left)

    async def lift(self, guess: Guess) -> None:
        """Forget the guesses from this place. Raises UpstreamUnavailable."""
        with failing_closed():
            await self._lift(keys=[self._key(guess.email)], args=[self._place(guess)])

    async def lift_all(self, email: str) -> None:
        """Forget all guesses at an account. Raises UpstreamUnavailable."""
        with failing_closed():
            await self._redis.delete(self._key(email))

    def _key(self, email: str) -> str:
        return f"lockout:{address_pseudonym(self._pepper, email)}"

    def _place(self, guess: Guess) -> str:
        if guess.device is not None:
            return f"device:{guess.device}"
        network = hmac.digest(self._pepper, f"network|{guess.network}".encode(), "sha256")
        return f"network:{network.hex()}"


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
