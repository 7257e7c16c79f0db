"""One-time codes in Redis: their MACs, their tries, and how often an address gets one."""

import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from uuid import UUID, uuid4

from loguru import logger
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from adapters.outages import failing_closed
from domain.codes import Challenge, CodePolicy, CodePurpose
from domain.refusals import CodeAttemptsExceeded, CodeExpired, CodeInvalid, RateLimited
from usecases.ports.time_and_chance import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

IN_ALL = "codes:in_all"
"""The times of all codes of the last hour. Who they are for is not in it."""

GRANT = """
-- Whether the address may have a code now: 0, and it is counted, or the milliseconds to wait.
-- Sliding windows: the times of an address' codes in the last day, and of all in the last hour.
local function grant(sent, all, now, cooldown, per_hour, per_day, in_all, name)
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', now - 86400000)
  redis.call('ZREMRANGEBYSCORE', all, '-inf', now - 3600000)
  local function wait(key, nth, period)
    local entry = redis.call('ZREVRANGE', key, nth - 1, nth - 1, 'WITHSCORES')
    return entry[2] and math.max(0, tonumber(entry[2]) + period - now) or 0
  end
  local own = math.max(
    wait(sent, 1, cooldown), wait(sent, per_hour, 3600000), wait(sent, per_day, 86400000)
  )
  if own > 0 then return own, 0 end
  local longest = wait(all, in_all, 3600000)
  if longest > 0 then
    -- Once a minute, an operator is told of it.
    return longest, redis.call('SET', all .. ':told', 1, 'NX', 'PX', 60000) and 1 or 0
  end
  redis.call('ZADD', sent, now, name)
  redis.call('PEXPIRE', sent, 86400000)
  redis.call('ZADD', all, now, name)
  redis.call('PEXPIRE', all, 3600000)
  return 0, 0
end
"""

OPEN = (
    GRANT
    + """
local sent, all, challenge, current = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, in_all, life, id = tonumber(ARGV[1]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local wait, alarming = grant(
  sent, all, now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), in_all, id
)
if wait > 0 then return {'limited', wait, alarming} end
redis.call('HSET', challenge, unpack(ARGV, 8))
redis.call('PEXPIRE', challenge, life)
redis.call('SET', current, id, 'PX', life)
return {'open', 0, 0}
"""
)

REOPEN = (
    GRANT
    + """
local sent, all, challenge, current, tries = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, in_all, life, id = tonumber(ARGV[1]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
if redis.call('EXISTS', challenge) == 0 then return {'expired', 0, 0} end
if tonumber(redis.call('GET', tries) or 0) >= tonumber(ARGV[8]) then
  return {'exceeded', redis.call('PTTL', tries), 0}
end
local wait, alarming = grant(
  sent, all, now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), in_all, ARGV[9]
)
if wait > 0 then return {'limited', wait, alarming} end
redis.call('HDEL', challenge, 'mac')
redis.call('HSET', challenge, 'resend_at', ARGV[10], 'expires_at', ARGV[11])
redis.call('PEXPIRE', challenge, life)
redis.call('SET', current, id, 'PX', life)
return {'open', 0, 0}
"""
)

ISSUE = """
local challenge, current = KEYS[1], KEYS[2]
local life, id, mac = tonumber(ARGV[1]), ARGV[2], ARGV[3]
if redis.call('EXISTS', challenge) == 0 then
  redis.call('HSET', challenge, unpack(ARGV, 4))
  redis.call('PEXPIRE', challenge, life)
  redis.call('SET', current, id, 'PX', life)
end
redis.call('HSET', challenge, 'mac', mac)
"""

REDEEM = """
-- Counts first, then compares: no more tries than allowed are ever compared, however many come at
-- once. Lua's comparison of equally long strings may stop at the first difference, which tells
-- nothing here: both are MACs under a key that the caller has not, so how far they agree is chance
-- and cannot be steered towards the right one.
local challenge, current, tries = KEYS[1], KEYS[2], KEYS[3]
local now, allowed, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local expires_at = redis.call('HGET', challenge, 'expires_at')
if not expires_at or tonumber(expires_at) <= now then return {'expired', 0} end
if tonumber(redis.call('GET', tries) or 0) >= allowed then
  return {'exceeded', redis.call('PTTL', tries)}
end
local count = redis.call('INCR', tries)
if count == 1 then redis.call('PEXPIRE', tries, window) end
if redis.call('HGET', challenge, 'mac') == ARGV[4] then
  redis.call('DEL', challenge, current, tries)
  return {'right', 0}
end
if count >= allowed then redis.call('HDEL', challenge, 'mac') end
return {'wrong', allowed - count}
"""


class RedisCodes:
    """Implements `Codes`. Without Redis nothing is granted: every call fails closed.

    Kept for a challenge are its hash, with the MAC of the newest code; the account's current
    challenge; and the account's tries, which outlive code and challenge, so that asking for another
    code brings no more of them. How often an address gets a code is counted under a keyed hash of
    it, whether or not it has an account. A decoy is kept like any other, under an account's id that
    is made up, and never gets a code.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        pepper: bytes,
        policy: CodePolicy,
        clock: Clock,
        special: Mapping[CodePurpose, CodePolicy] | None = None,
        in_all_per_hour: int = 1_000,
    ) -> None:
        """`redis` answers bytes; `pepper` is a secret of 32 bytes that Redis never sees.

        `special` are the policies of purposes that `policy` is not for. All addresses together
        get at most `in_all_per_hour` codes in an hour.
        """
        self._in_all = in_all_per_hour
        self._redis, self._pepper, self._clock = redis, pepper, clock
        self._policies = dict.fromkeys(CodePurpose, policy) | dict(special or {})
        self._open = redis.register_script(OPEN)
        self._reopen = redis.register_script(REOPEN)
        self._issue = redis.register_script(ISSUE)
        self._redeem = redis.register_script(REDEEM)

    async def open(self, purpose: CodePurpose, email: str, account_id: UUID | None) -> Challenge:
        """Open a challenge. Raises RateLimited when the address, or all, had too many codes."""
        subject = account_id or uuid4()
        challenge = self._from_now(
            Challenge(
                id=uuid7(),
                purpose=purpose,
                email=email,
                account_id=account_id,
                resend_at=self._clock.now(),
                expires_at=self._clock.now(),
            )
        )
        with failing_closed():
            verdict, wait, alarming = await self._open(
                keys=[
                    self._sent(email),
                    IN_ALL,
                    _challenge(challenge.id),
                    _current(purpose, subject),
                ],
                args=[*self._limits(purpose), str(challenge.id), *_fields(challenge, subject)],
            )
        self._alarm(alarming)
        _refuse(verdict, wait)
        return challenge

    async def reopen(self, challenge_id: UUID) -> Challenge:
        """Ask for another code. Raises CodeExpired, RateLimited or CodeAttemptsExceeded."""
        with failing_closed():
            known, subject = await self._find(challenge_id)
            challenge = self._from_now(known)
            verdict, wait, alarming = await self._reopen(
                keys=[
                    self._sent(challenge.email),
                    IN_ALL,
                    _challenge(challenge.id),
                    _current(challenge.purpose, subject),
                    _tries(challenge.purpose, subject),
                ],
                args=[
                    *self._limits(challenge.purpose),
                    str(challenge.id),
                    self._policies[challenge.purpose].attempts,
                    str(uuid7()),
                    _milliseconds(challenge.resend_at),
                    _milliseconds(challenge.expires_at),
                ],
            )
        self._alarm(alarming)
        _refuse(verdict, wait)
        return challenge

    async def current(self, purpose: CodePurpose, account_id: UUID) -> Challenge | None:
        """Return the account's open challenge."""
        with failing_closed():
            challenge_id = await self._redis.get(_current(purpose, account_id))
            if challenge_id is None:
                return None
            try:
                challenge, _ = await self._find(UUID(challenge_id.decode()))
            except CodeExpired:
                return None
        return challenge

    async def find(self, challenge_id: UUID, purpose: CodePurpose) -> Challenge:
        """Return an open challenge for this purpose. Raises CodeExpired."""
        with failing_closed():
            challenge, _ = await self._find(challenge_id)
        if challenge.purpose is not purpose:
            raise CodeExpired
        return challenge

    async def issue(self, challenge: Challenge) -> str:
        """Draw the code that answers the challenge, in the place of any drawn before.

        A challenge that Redis has forgotten is kept again. Raises CodeExpired for one that is over.
        """
        life = _milliseconds(challenge.expires_at) - _milliseconds(self._clock.now())
        if life <= 0 or challenge.account_id is None:
            raise CodeExpired
        digits = self._policies[challenge.purpose].digits
        code = f"{secrets.randbelow(10**digits):0{digits}d}"
        subject = challenge.account_id
        with failing_closed():
            await self._issue(
                keys=[_challenge(challenge.id), _current(challenge.purpose, subject)],
                args=[
                    life,
                    str(challenge.id),
                    self._mac(challenge.purpose, subject, challenge.id, code),
                    *_fields(challenge, subject),
                ],
            )
        return code

    async def redeem(self, challenge_id: UUID, purpose: CodePurpose, code: str) -> Challenge:
        """Use up a code. Raises CodeInvalid, CodeExpired or CodeAttemptsExceeded."""
        with failing_closed():
            challenge, subject = await self._find(challenge_id)
            if challenge.purpose is not purpose:
                raise CodeExpired
            policy = self._policies[purpose]
            verdict, number = await self._redeem(
                keys=[
                    _challenge(challenge_id),
                    _current(purpose, subject),
                    _tries(purpose, subject),
                ],
                args=[
                    _milliseconds(self._clock.now()),
                    policy.attempts,
                    _milliseconds(policy.lifetime),
                    self._mac(purpose, subject, challenge_id, code),
                ],
            )
        _refuse(verdict, number)
        return challenge

    async def _find(self, challenge_id: UUID) -> tuple[Challenge, UUID]:
        """Return a challenge and the account it counts for. Raises CodeExpired."""
        # redis-py's annotations unite its two clients, with and without asyncio.
        kept = await self._redis.hgetall(_challenge(challenge_id))  # type: ignore[misc]
        if not kept:
            raise CodeExpired
        values = {name.decode(): value.decode() for name, value in kept.items() if name != b"mac"}
        subject = UUID(values["subject"])
        purpose = CodePurpose(values["purpose"])
        challenge = Challenge(
            id=challenge_id,
            purpose=purpose,
            email=values["email"],
            account_id=None if values["decoy"] == "1" else subject,
            resend_at=_moment(int(values["resend_at"])),
            expires_at=_moment(int(values["expires_at"])),
            code_length=self._policies[purpose].digits,
        )
        if challenge.expires_at <= self._clock.now():
            raise CodeExpired
        return challenge, subject

    def _from_now(self, challenge: Challenge) -> Challenge:
        """Give a challenge the times it has when it is opened now."""
        now = _moment(_milliseconds(self._clock.now()))
        policy = self._policies[challenge.purpose]
        return challenge.model_copy(
            update={
                "resend_at": now + policy.cooldown,
                "expires_at": now + policy.lifetime,
                "code_length": policy.digits,
            }
        )

    def _limits(self, purpose: CodePurpose) -> list[int]:
        policy = self._policies[purpose]
        return [
            _milliseconds(self._clock.now()),
            _milliseconds(policy.cooldown),
            policy.per_hour,
            policy.per_day,
            self._in_all,
            _milliseconds(policy.lifetime),
        ]

    def _alarm(self, alarming: int) -> None:
        if alarming:
            logger.bind(codes_in_all_per_hour=self._in_all).error(
                "Nobody gets a code for now: as many were asked for as an hour may have"
            )

    def _mac(self, purpose: CodePurpose, subject: UUID, challenge_id: UUID, code: str) -> bytes:
        message = f"{purpose}|{subject}|{challenge_id}|{code}"
        return hmac.digest(self._pepper, message.encode(), "sha256")

    def _sent(self, email: str) -> str:
        return (
            f"codes:sent:{hmac.digest(self._pepper, f'address|{email}'.encode(), 'sha256').hex()}"
        )


def _challenge(challenge_id: UUID) -> str:
    return f"codes:challenge:{challenge_id}"


def _current(purpose: CodePurpose, subject: UUID) -> str:
    return f"codes:current:{purpose}:{subject}"


def _tries(purpose: CodePurpose, subject: UUID) -> str:
    return f"codes:tries:{purpose}:{subject}"


def _fields(challenge: Challenge, subject: UUID) -> list[str | int]:
    """Return what is kept of a challenge: names and values in turn."""
    return [
        *("purpose", challenge.purpose.value),
        *("email", challenge.email),
        *("subject", str(subject)),
        *("decoy", int(challenge.account_id is None)),
        *("resend_at", _milliseconds(challenge.resend_at)),
        *("expires_at", _milliseconds(challenge.expires_at)),
    ]


def _refuse(verdict: bytes, number: int) -> None:
    """Raise what a script decided, unless it said yes."""
    match verdict:
        case b"expired":
            raise CodeExpired
        case b"exceeded":
            raise CodeAttemptsExceeded(retry_after=_seconds(number))
        case b"limited":
            raise RateLimited(retry_after=_seconds(number))
        case b"wrong":
            raise CodeInvalid(attempts_left=number)


def _milliseconds(time: datetime | timedelta) -> int:
    since = time - EPOCH if isinstance(time, datetime) else time
    return since // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def _seconds(milliseconds: int) -> int:
    return ceil(milliseconds / 1000)
