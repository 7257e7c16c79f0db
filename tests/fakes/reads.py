"""Queries on the database in memory."""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from uuid import UUID

from domain.accounts import Account
from domain.audit import AuditRecord
from domain.jobs import Job, JobState, Queue
from domain.passkeys import Passkey
from domain.second_factors import SecondFactor
from domain.sessions import Session
from domain.stories import Chapter, Story, StoryStatus
from tests.fakes.database import FakeDatabase, claim_order
from usecases.ports.reads import AuditPage, JobsPage, PlaceInLine, QueueLoad, StoriesPage


class FakeReads:
    """Implements `Reads` on what a FakeDatabase has committed; returns copies."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    async def accounts(self, account_ids: Sequence[UUID]) -> dict[UUID, Account]:
        accounts = self._database.tables.accounts
        return {key: accounts[key].model_copy(deep=True) for key in account_ids if key in accounts}

    async def session(self, session_id: UUID) -> Session | None:
        session = self._database.tables.sessions.get(session_id)
        return session and session.model_copy(deep=True)

    async def sessions_of(self, account_id: UUID) -> list[Session]:
        found = [
            session.model_copy(deep=True)
            for session in self._database.tables.sessions.values()
            if session.account_id == account_id and session.ended_at is None
        ]
        return sorted(found, key=lambda one: (one.last_used_at, one.id), reverse=True)

    async def second_factor(self, account_id: UUID) -> SecondFactor | None:
        tables = self._database.tables
        for factor in tables.factors.values():
            if factor.account_id == account_id and factor.confirmed_at is not None:
                mine = (c for c in tables.recovery_codes.values() if c.account_id == account_id)
                return SecondFactor(
                    enabled_at=factor.confirmed_at,
                    recovery_codes_left=sum(code.used_at is None for code in mine),
                )
        return None

    async def passkeys(self, passkey_ids: Sequence[UUID]) -> dict[UUID, Passkey]:
        passkeys = self._database.tables.passkeys
        return {key: passkeys[key].model_copy(deep=True) for key in passkey_ids if key in passkeys}

    async def passkeys_of(self, account_id: UUID) -> list[Passkey]:
        passkeys = self._database.tables.passkeys.values()
        mine = (key.model_copy(deep=True) for key in passkeys if key.account_id == account_id)
        return sorted(mine, key=lambda passkey: passkey.id)

    async def story(self, account_id: UUID, story_id: UUID) -> Story | None:
        story = self._database.tables.stories.get(story_id)
        if story is None or story.account_id != account_id:
            return None
        return story.model_copy(deep=True)

    async def stories(self, story_ids: Sequence[UUID]) -> dict[UUID, Story]:
        stories = self._database.tables.stories
        return {key: stories[key].model_copy(deep=True) for key in story_ids if key in stories}

    async def stories_of(self, page: StoriesPage) -> list[Story]:
        found = [
            story.model_copy(deep=True)
            for story in self._database.tables.stories.values()
            if story.account_id == page.account_id
            and (not page.statuses or story.status in page.statuses)
        ]
        found.sort(key=_place, reverse=not page.oldest_first)
        if page.after is not None:
            last = page.after
            found = [
                story
                for story in found
                if (_place(story) > last if page.oldest_first else _place(story) < last)
            ]
        return found[: page.limit]

    async def count_stories_of(self, page: StoriesPage) -> int:
        return sum(
            story.account_id == page.account_id
            and (not page.statuses or story.status in page.statuses)
            for story in self._database.tables.stories.values()
        )

    async def chapters(self, story_ids: Sequence[UUID]) -> dict[UUID, list[Chapter]]:
        told: dict[UUID, list[Chapter]] = {story_id: [] for story_id in story_ids}
        chapters = self._database.tables.chapters.values()
        for chapter in sorted(chapters, key=lambda chapter: chapter.number):
            if chapter.story_id in told:
                told[chapter.story_id].append(chapter.model_copy(deep=True))
        return told

    async def places(self, story_ids: Sequence[UUID]) -> dict[UUID, int]:
        return {at.story_id: at.place for at in await self.line() if at.story_id in story_ids}

    async def line(self) -> list[PlaceInLine]:
        tables = self._database.tables
        jobs = tables.jobs.values()
        waiting = sorted(
            (job for job in jobs if job.kind == "write_story" and job.state is JobState.QUEUED),
            key=claim_order,
        )
        places = []
        for place, job in enumerate(waiting, start=1):
            story = tables.stories.get(UUID(job.task["story_id"]))
            if story is not None and story.status is StoryStatus.QUEUED:
                places.append(PlaceInLine(story.id, story.account_id, story.attempt, place))
        return places

    async def jobs(self, page: JobsPage) -> list[Job]:
        def place(job: Job) -> tuple[datetime, UUID]:
            ended = job.finished_at if page.state is JobState.DEAD else None
            return ended or job.created_at, job.id

        found = [
            job.model_copy(deep=True)
            for job in self._database.tables.jobs.values()
            if job.state is page.state
            and page.queue in {None, job.queue}
            and page.kind in {None, job.kind}
            and (page.after is None or place(job) < page.after)
        ]
        return sorted(found, key=place, reverse=True)[: page.limit]

    async def queues(self) -> list[QueueLoad]:
        jobs, now = self._database.tables.jobs.values(), self._database.clock.now()
        loads = []
        for queue in Queue:
            there = [job for job in jobs if job.queue is queue]
            states = Counter(job.state for job in there)
            since = [now - job.run_at for job in there if job.state is JobState.QUEUED]
            loads.append(
                QueueLoad(
                    queue,
                    scheduled=states[JobState.SCHEDULED],
                    queued=states[JobState.QUEUED],
                    running=states[JobState.RUNNING],
                    dead=states[JobState.DEAD],
                    oldest=max(since, default=None),
                )
            )
        return loads

    async def audit_of(self, page: AuditPage) -> list[AuditRecord]:
        found = [
            record
            for record in self._database.audited
            if record.entry.account_id == page.account_id
            and (page.after is None or _moment(record) < page.after)
        ]
        return deepcopy(sorted(found, key=_moment, reverse=True)[: page.limit])

    async def audit_trail(self, after: int, limit: int) -> list[AuditRecord]:
        found = [record for record in self._database.audited if record.entry.sequence > after]
        return deepcopy(found[:limit])


def _moment(record: AuditRecord) -> tuple[datetime, UUID]:
    return record.entry.occurred_at, record.entry.id


def _place(story: Story) -> tuple[datetime, UUID]:
    return story.requested_at, story.id
