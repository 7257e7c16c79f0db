"""Log-ins that still owe their second factor, and the tries they have for it, in Redis."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import ceil
from uuid import UUID

from redis.asyncio import Redis

from adapters.outages import failing_closed
from domain.refusals import LogInTicketRejected, SecondFactorLocked
from domain.second_factors import FactorPolicy, LogInTicket
from usecases.ports.time_and_chance import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PREFIX = "slt_"
"""Secret scanners find tokens by their prefix."""

ISSUE = """
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""

SHOW = """
-- A try is used up before its code is looked at. With the last one the ticket is kept until its
-- code has been looked at too: `redeem` may still come, another `show` finds no try.
local ticket = redis.call('HMGET', KEYS[1], 'account', 'password', 'tries', 'expires_at')
if not ticket[1] or tonumber(ticket[3]) <= 0 or tonumber(ticket[4]) <= tonumber(ARGV[1]) then
  return {}
end
return {ticket[1], ticket[2], redis.call('HINCRBY', KEYS[1], 'tries', -1)}
"""

TAKE = """
-- Counts first: no more codes than allowed are ever looked at, however many come at once.
local count = tonumber(redis.call('GET', KEYS[1]) or 0)
if count >= tonumber(ARGV[1]) then return {-1, redis.call('PTTL', KEYS[1])} end
count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {tonumber(ARGV[1]) - count, 0}
"""


class RedisLogInTickets:
    """Implements `LogInTickets`: 256 random bits for the client, their SHA-256 for Redis.

    Whoever can read Redis can complete no log-in.
    """

    def __init__(self, redis: Redis, *, policy: FactorPolicy, clock: Clock) -> None:
        """`redis` answers bytes."""
        self._redis, self._policy, self._clock = redis, policy, clock
        self._issue = redis.register_script(ISSUE)
        self._show = redis.register_script(SHOW)

    async def issue(self, ticket: LogInTicket) -> tuple[str, datetime]:
        """Return the text that stands for the ticket, and when it is void."""
        text = PREFIX + secrets.token_urlsafe(32)
        expires_at = self._clock.now() + self._policy.ticket_life
        with failing_closed():
            await self._issue(
                keys=[_ticket(text)],
                args=[
                    _milliseconds(self._policy.ticket_life),
                    *("account", ticket.account_id.bytes),
                    *("password", ticket.password_version),
                    *("tries", self._policy.ticket_tries),
                    *("expires_at", _milliseconds(expires_at - EPOCH)),
                ],
            )
        return text, expires_at

    async def show(self, text: str) -> tuple[LogInTicket, int]:
        """Use up a try; return the ticket and the tries left. Raises LogInTicketRejected."""
        with failing_closed():
            now = _milliseconds(self._clock.now() - EPOCH)
            found = await self._show(keys=[_ticket(text)], args=[now])
        if not found:
            raise LogInTicketRejected
        account_id, password_version, tries_left = found
        ticket = LogInTicket(account_id=UUID(bytes=account_id), password_version=password_version)
        return ticket, tries_left

    async def redeem(self, text: str) -> None:
        """Use the ticket up: one caller can. Raises LogInTicketRejected for all others."""
        with failing_closed():
            if not await self._redis.delete(_ticket(text)):
                raise LogInTicketRejected


class RedisFactorTries:
    """Implements `FactorTries`: a count by account that ends with its window.

    It belongs to the account, not to the ticket: whoever has the password gets no more tries by
    logging in again. It is not asked for recovery codes, which nobody guesses, so that nobody who
    has the password can keep the owner out by using the tries up.
    """

    def __init__(self, redis: Redis, *, policy: FactorPolicy) -> None:
        """`redis` answers bytes."""
        self._redis, self._policy = redis, policy
        self._take = redis.register_script(TAKE)

    async def take(self, account_id: UUID) -> int:
        """Count a try and return how many are left. Raises SecondFactorLocked."""
        limits = [self._policy.tries, _milliseconds(self._policy.tries_window)]
        with failing_closed():
            left, wait = await self._take(keys=[_tries(account_id)], args=limits)
        if left < 0:
            raise SecondFactorLocked(retry_after=ceil(wait / 1000))
        return int(left)

    async def forget(self, account_id: UUID) -> None:
        """Begin anew, after a right code."""
        with failing_closed():
            await self._redis.delete(_tries(account_id))


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _ticket(text: str) -> str:
    return f"log_in:ticket:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _tries(account_id: UUID) -> str:
    return f"factors:tries:{account_id}"
