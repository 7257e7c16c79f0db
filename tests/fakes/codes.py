"""One-time codes in memory."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from domain.codes import Challenge, CodePolicy, CodePurpose
from domain.refusals import CodeAttemptsExceeded, CodeExpired, CodeInvalid, RateLimited
from usecases.ports.time_and_chance import Clock

Subject = tuple[CodePurpose, UUID]


@dataclass
class Kept:
    """A challenge, whom its tries count for, and the code that answers it once there is one."""

    challenge: Challenge
    subject: Subject
    code: str | None = None


@dataclass
class FakeCodes:
    """Implements `Codes`. `drawn` are the codes that were issued: 000001, 000002 and so on."""

    clock: Clock
    policy: CodePolicy = field(default_factory=CodePolicy)
    reset_policy: CodePolicy = field(default_factory=lambda: CodePolicy(digits=8))
    in_all_per_hour: int = 1_000
    drawn: list[str] = field(default_factory=list)
    _kept: dict[UUID, Kept] = field(default_factory=dict)
    _current: dict[Subject, UUID] = field(default_factory=dict)
    _tries: dict[Subject, tuple[int, datetime]] = field(default_factory=dict)
    _sent: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    async def open(self, purpose: CodePurpose, email: str, account_id: UUID | None) -> Challenge:
        self._grant(email)
        now, policy = self.clock.now(), self._policy(purpose)
        challenge = Challenge(
            id=uuid7(),
            purpose=purpose,
            email=email,
            account_id=account_id,
            resend_at=now + policy.cooldown,
            expires_at=now + policy.lifetime,
            code_length=policy.digits,
        )
        self._keep(challenge, (purpose, account_id or uuid4()))
        return challenge

    async def reopen(self, challenge_id: UUID) -> Challenge:
        kept = self._find(challenge_id)
        self._check_tries(kept.subject)
        self._grant(kept.challenge.email)
        now = self.clock.now()
        times = {"resend_at": now + self.policy.cooldown, "expires_at": now + self.policy.lifetime}
        self._keep(kept.challenge.model_copy(update=times), kept.subject)
        return self._kept[challenge_id].challenge

    async def current(self, purpose: CodePurpose, account_id: UUID) -> Challenge | None:
        challenge_id = self._current.get((purpose, account_id))
        try:
            return self._find(challenge_id).challenge if challenge_id else None
        except CodeExpired:
            return None

    async def find(self, challenge_id: UUID, purpose: CodePurpose) -> Challenge:
        challenge = self._find(challenge_id).challenge
        if challenge.purpose is not purpose:
            raise CodeExpired
        return challenge

    async def issue(self, challenge: Challenge) -> str:
        if challenge.expires_at <= self.clock.now() or challenge.account_id is None:
            raise CodeExpired
        if challenge.id not in self._kept:
            self._keep(challenge, (challenge.purpose, challenge.account_id))
        self.drawn.append(f"{len(self.drawn) + 1:0{self._policy(challenge.purpose).digits}d}")
        self._kept[challenge.id].code = self.drawn[-1]
        return self.drawn[-1]

    async def redeem(self, challenge_id: UUID, purpose: CodePurpose, code: str) -> Challenge:
        kept = self._find(challenge_id)
        if kept.challenge.purpose is not purpose:
            raise CodeExpired
        self._check_tries(kept.subject)
        count, _ = self._tries.get(kept.subject, (0, None))
        until = self._tries[kept.subject][1] if count else self.clock.now() + self.policy.lifetime
        self._tries[kept.subject] = count + 1, until
        if kept.code == code:
            del self._kept[challenge_id], self._tries[kept.subject]
            self._current.pop(kept.subject, None)
            return kept.challenge
        if count + 1 >= self.policy.attempts:
            kept.code = None
        raise CodeInvalid(attempts_left=self.policy.attempts - count - 1)

    def forget(self) -> None:
        """Lose everything, as Redis does when it is flushed."""
        for memory in (self._kept, self._current, self._tries, self._sent):
            memory.clear()

    def _policy(self, purpose: CodePurpose) -> CodePolicy:
        return self.reset_policy if purpose is CodePurpose.PASSWORD_RESET else self.policy

    def _keep(self, challenge: Challenge, subject: Subject) -> None:
        self._kept[challenge.id] = Kept(challenge, subject)
        self._current[subject] = challenge.id

    def _find(self, challenge_id: UUID) -> Kept:
        kept = self._kept.get(challenge_id)
        if kept is None or kept.challenge.expires_at <= self.clock.now():
            raise CodeExpired
        return kept

    def _check_tries(self, subject: Subject) -> None:
        count, until = self._tries.get(subject, (0, self.clock.now()))
        if until <= self.clock.now():
            self._tries.pop(subject, None)
        elif count >= self.policy.attempts:
            raise CodeAttemptsExceeded(retry_after=_seconds(until - self.clock.now()))

    def _grant(self, email: str) -> None:
        now, sent = self.clock.now(), self._sent[email]
        waits = [
            sent[-nth] + period - now
            for nth, period in (
                (1, self.policy.cooldown),
                (self.policy.per_hour, timedelta(hours=1)),
                (self.policy.per_day, timedelta(days=1)),
            )
            if len(sent) >= nth
        ]
        longest = max(waits, default=timedelta())
        if longest > timedelta():
            raise RateLimited(retry_after=_seconds(longest))
        every = sorted(time for times in self._sent.values() for time in times)
        if len(every) >= self.in_all_per_hour:
            free_in = every[-self.in_all_per_hour] + timedelta(hours=1) - now
            if free_in > timedelta():
                raise RateLimited(retry_after=_seconds(free_in))
        sent.append(now)


def _seconds(time: timedelta) -> int:
    return ceil(time.total_seconds())
