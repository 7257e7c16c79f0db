"""The story use cases on a database, real or fake: what must hold when requests cross."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from domain.accounts import Account, AccountStatus
from domain.jobs import Lease, Queue
from domain.refusals import QuotaExceeded
from domain.stories import Story, StoryStatus, joined
from tests.contracts.conftest import Truth
from tests.factories import a_story, an_account
from tests.fakes.clock import START, FakeClock
from tests.fakes.event_log import FakeEventLog
from tests.fakes.provider_slots import FakeProviderSlots
from tests.fakes.storyteller import FakeStoryteller
from tests.jobs import claimed
from usecases.deliveries.owe import OweMail
from usecases.ports.reads import StoriesPage
from usecases.ports.transactions import LeaseLost
from usecases.stories.cancel_story import CancelStory
from usecases.stories.request_story import RequestStory, StoryOrder, StoryQuota
from usecases.stories.write_story import WriteStory


class Seven:
    """A seed of no surprise."""

    def seed(self) -> int:
        return 7


@dataclass
class Desk:
    """The story use cases for one account."""

    truth: Truth
    account: Account
    clock: FakeClock
    events: FakeEventLog
    quota: StoryQuota = StoryQuota(per_month=50, per_day=50, at_once=50)  # noqa: RUF009 - frozen

    async def request(self, key: str | None = None) -> Story:
        request_story = RequestStory(
            self.truth.database, self.truth.reads, self.events, self.clock, Seven(), self.quota
        )
        return await request_story(StoryOrder(self.account.id, {}, idempotency_key=key))

    async def cancel(self, story_id: UUID) -> Story:
        cancel_story = CancelStory(self.truth.database, self.events, self.clock)
        return await cancel_story(self.account.id, story_id)

    async def write(self, story_id: UUID, lease: Lease) -> None:
        write_story = WriteStory(
            self.truth.database,
            FakeStoryteller([["One."], ["Two."]]),
            FakeProviderSlots(),
            self.events,
            OweMail(self.clock, "example.org"),
            self.clock,
        )
        await write_story(story_id, lease)

    async def lease(self) -> Lease:
        return (await claimed(self.truth.desk, Queue.STORIES))[1]

    async def stored(self, story_id: UUID) -> Story:
        return (await self.truth.reads.stories([story_id]))[story_id]


@pytest.fixture
async def desk(truth: Truth) -> Desk:
    clock = FakeClock()
    async with truth.database.begin() as work:
        account = await work.accounts.add(an_account(status=AccountStatus.ACTIVE))
    return Desk(truth, account, clock, FakeEventLog(clock))


async def test_requests_that_failed_do_not_count(desk: Desk) -> None:
    async with desk.truth.database.begin() as work:
        for hours, status in ((30, "ready"), (2, "canceled"), (1, "failed"), (3, "queued")):
            moment = START - timedelta(hours=hours)
            await work.stories.add(
                a_story(desk.account.id, requested_at=moment, status=StoryStatus(status))
            )
    async with desk.truth.database.begin() as work:
        since = START - timedelta(hours=24)
        assert await work.stories.requests_since(desk.account.id, since) == [
            START - timedelta(hours=3),
            START - timedelta(hours=2),
        ]


async def test_the_library_is_counted_and_sorted_both_ways(desk: Desk) -> None:
    stories = [
        a_story(desk.account.id, requested_at=START + timedelta(seconds=number))
        for number in range(3)
    ]
    async with desk.truth.database.begin() as work:
        for story in stories:
            await work.stories.add(story)
    reads, keys = desk.truth.reads, [story.id for story in stories]
    page = StoriesPage(desk.account.id, 2, oldest_first=True)
    assert [story.id for story in await reads.stories_of(page)] == keys[:2]
    rest = StoriesPage(
        desk.account.id, 2, after=(stories[1].requested_at, stories[1].id), oldest_first=True
    )
    assert [story.id for story in await reads.stories_of(rest)] == keys[2:]
    assert await reads.count_stories_of(rest) == 3
    none = StoriesPage(desk.account.id, 2, statuses=(StoryStatus.READY,))
    assert await reads.count_stories_of(none) == 0


async def test_parallel_requests_cannot_pass_the_quota_together(desk: Desk) -> None:
    desk.quota = StoryQuota(per_month=9, per_day=2, at_once=9)
    answers = await asyncio.gather(*(desk.request() for _ in range(6)), return_exceptions=True)
    assert [type(answer) for answer in answers].count(QuotaExceeded) == 4
    page = StoriesPage(desk.account.id, 9)
    assert await desk.truth.reads.count_stories_of(page) == 2


async def test_parallel_requests_with_one_key_make_one_story(desk: Desk) -> None:
    stories = await asyncio.gather(*(desk.request("k1") for _ in range(5)))
    assert len({story.id for story in stories}) == 1
    assert len(desk.truth.queue.woken) == 1


async def test_a_key_whose_day_is_over_can_be_used_again(desk: Desk) -> None:
    first = await desk.request("k1")
    desk.clock.advance(timedelta(hours=24))
    second = await desk.request("k1")
    assert (await desk.stored(first.id)).idempotency_key is None
    assert (await desk.stored(second.id)).idempotency_key == "k1"


async def test_a_story_is_written(desk: Desk) -> None:
    story = await desk.request()
    await desk.write(story.id, await desk.lease())
    stored = await desk.stored(story.id)
    chapters = (await desk.truth.reads.chapters([story.id]))[story.id]
    assert (stored.status, joined(chapters)) == (StoryStatus.READY, "One.\n\nTwo.")
    assert (stored.input_tokens, stored.output_tokens, stored.words) == (50, 17, 2)


async def test_cancelling_and_writing_at_once_never_block_each_other(desk: Desk) -> None:
    for _ in range(10):
        story = await desk.request()
        async with asyncio.timeout(10):
            _, written = await asyncio.gather(
                desk.cancel(story.id),
                desk.write(story.id, await desk.lease()),
                return_exceptions=True,
            )
        stored = await desk.stored(story.id)
        assert stored.status in {StoryStatus.CANCELED, StoryStatus.READY}
        assert written is None or isinstance(written, LeaseLost)
        assert (written is None) == (stored.status is StoryStatus.READY)
