"""Ask for a story."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from loguru import logger

from domain.accounts import Account
from domain.briefs import StoryRequest
from domain.events import StoryQueued
from domain.refusals import Conflict, InputIssue, QuotaExceeded, Unauthenticated
from domain.stories import Story, text_hash
from usecases.ports.live import EventLog, Topic
from usecases.ports.reads import Reads
from usecases.ports.time_and_chance import Clock, Randomness
from usecases.ports.transactions import Database, Work
from usecases.stories.write_story import WriteStoryTask
from usecases.validation import checked

MONTH, DAY = timedelta(days=30), timedelta(days=1)

KEY_LIFE = timedelta(hours=24)
"""For how long an idempotency key gives the same story again."""

LONGEST_KEY = 128


@dataclass(frozen=True, slots=True)
class StoryQuota:
    """How many stories an account may ask for in 30 days and in 24 hours, and have unfinished."""

    per_month: int
    per_day: int
    at_once: int


@dataclass(frozen=True, slots=True)
class StoryOrder:
    """A request as it came in: `wishes` are the fields of a `StoryRequest`, not yet checked."""

    account_id: UUID
    wishes: Mapping[str, Any]
    idempotency_key: str | None = None
    mail_when_ready: bool = True


@dataclass(frozen=True, slots=True)
class RequestStory:
    """Queues a story and returns it at once. What it will be shows in its events."""

    database: Database
    reads: Reads
    events: EventLog
    clock: Clock
    randomness: Randomness
    quota: StoryQuota

    async def __call__(self, order: StoryOrder) -> Story:
        """Queue the story, or return the one that was asked for under the same key.

        Raises InvalidInput, QuotaExceeded, Conflict, or Unauthenticated where the account is gone
        or not active.
        """
        request = checked(StoryRequest, order.wishes, also=_key_issues(order.idempotency_key))
        digest = text_hash(f"{order.mail_when_ready} {request.model_dump_json()}")
        now = self.clock.now()
        async with self.database.begin() as work:
            # The lock lets an account's requests pass one by one: two at once are counted as two.
            account = await work.accounts.lock(order.account_id)
            if account is None or not account.is_active:
                raise Unauthenticated
            if earlier := await _asked_before(work, order, now):
                if earlier.request_digest != digest:
                    raise Conflict(path=("input", "idempotencyKey"))
                return earlier
            await self._spend(work, account, now)
            story = await work.stories.add(
                Story(
                    account_id=account.id,
                    brief=request.brief(account.interests),
                    mail_when_ready=order.mail_when_ready,
                    idempotency_key=order.idempotency_key,
                    request_digest=digest,
                    seed=self.randomness.seed(),
                    requested_at=now,
                )
            )
            await work.jobs.add(WriteStoryTask(story_id=story.id), account_id=account.id)
        logger.bind(story_id=str(story.id)).info("A story was requested")
        await self._announce(story)
        return story

    async def _spend(self, work: Work, account: Account, now: datetime) -> None:
        unfinished = await work.stories.count_unfinished(account.id)
        if unfinished >= self.quota.at_once:
            raise QuotaExceeded(self.quota.at_once, "at once", retry_after=None)
        asked = await work.stories.requests_since(account.id, now - MONTH)
        for limit, period, name in (
            (self.quota.per_month, MONTH, "in 30 days"),
            (self.quota.per_day, DAY, "in 24 hours"),
        ):
            counted = [moment for moment in asked if moment > now - period]
            if len(counted) >= limit:
                again = counted[-limit] + period - now
                raise QuotaExceeded(limit, name, retry_after=ceil(again.total_seconds()))

    async def _announce(self, story: Story) -> None:
        places = await self.reads.places([story.id])
        if place := places.get(story.id):  # else a worker has it already
            log = self.events.writer(Topic(story.account_id, story.id), epoch=0)
            await log.append(StoryQueued(place=place))


async def _asked_before(work: Work, order: StoryOrder, now: datetime) -> Story | None:
    if order.idempotency_key is None:
        return None
    earlier = await work.stories.with_idempotency_key(order.account_id, order.idempotency_key)
    if earlier is not None and earlier.requested_at <= now - KEY_LIFE:
        earlier.idempotency_key = None  # its time is over: the key is free
        return None
    return earlier


def _key_issues(key: str | None) -> list[InputIssue]:
    if key is None or (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        return []
    return [
        InputIssue(
            path=("input", "idempotencyKey"),
            code="key_invalid",
            message=f"Must be 1 to {LONGEST_KEY} printable ASCII characters.",
        )
    ]
