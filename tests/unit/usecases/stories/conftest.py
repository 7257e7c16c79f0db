"""A house with one account in it, all of it fakes."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from domain.accounts import Account, AccountStatus
from domain.events import Recorded
from domain.jobs import Lease
from domain.stories import Chapter, Story
from tests.factories import an_account
from tests.fakes.clock import FakeClock
from tests.fakes.database import FakeDatabase, FakeJobDesk, FakeJobQueue
from tests.fakes.event_log import FakeEventLog
from tests.fakes.provider_slots import FakeProviderSlots
from tests.fakes.reads import FakeReads
from tests.fakes.storyteller import FakeStoryteller
from tests.jobs import KNOWN, claim_of
from usecases.deliveries.owe import OweMail
from usecases.ports.live import Topic
from usecases.stories.request_story import RequestStory, StoryOrder, StoryQuota
from usecases.stories.write_story import WriteStory

PLENTY = StoryQuota(per_month=10, per_day=10, at_once=10)


class CountedSeeds:
    """Seeds 1, 2, 3 ..."""

    def __init__(self) -> None:
        self._last = 0

    def seed(self) -> int:
        self._last += 1
        return self._last


@dataclass
class House:
    """The ports of all story use cases, and what tests ask again and again."""

    quota: StoryQuota = PLENTY
    clock: FakeClock = field(default_factory=FakeClock)
    queue: FakeJobQueue = field(default_factory=FakeJobQueue)
    randomness: CountedSeeds = field(default_factory=CountedSeeds)
    account: Account = field(default_factory=lambda: an_account(status=AccountStatus.ACTIVE))

    def __post_init__(self) -> None:
        self.database = FakeDatabase(self.clock, self.queue)
        self.reads = FakeReads(self.database)
        self.desk = FakeJobDesk(self.database)
        self.events = FakeEventLog(self.clock)
        self.slots = FakeProviderSlots()

    async def settle(self, account: Account) -> Account:
        async with self.database.begin() as work:
            return await work.accounts.add(account)

    @property
    def request_story(self) -> RequestStory:
        return RequestStory(
            self.database, self.reads, self.events, self.clock, self.randomness, self.quota
        )

    def order(self, key: str | None = None, **wishes: object) -> StoryOrder:
        return StoryOrder(self.account.id, wishes, idempotency_key=key)

    async def queued(self) -> Story:
        return await self.request_story(self.order())

    def write_story(self, storyteller: FakeStoryteller) -> WriteStory:
        owe = OweMail(self.clock, "example.org")
        return WriteStory(
            self.database,
            storyteller,
            self.slots,
            self.events,
            owe,
            self.clock,
            pause=60,
            breath=0,
        )

    async def leased(self, story_id: UUID) -> Lease:
        """Claim the story's job, as a worker does; an earlier worker's lease runs out first."""
        self.clock.advance(timedelta(minutes=1))
        (job,) = (
            job
            for job in self.database.tables.jobs.values()
            if job.task.get("story_id") == str(story_id)
        )
        await self.desk.due(100, KNOWN)
        claim = await claim_of(self.desk, job)
        assert claim is not None
        return claim[1]

    def story(self, story_id: UUID) -> Story:
        return self.database.tables.stories[story_id]

    def chapters(self, story_id: UUID) -> list[Chapter]:
        chapters = self.database.tables.chapters.values()
        mine = [chapter for chapter in chapters if chapter.story_id == story_id]
        return sorted(mine, key=lambda chapter: chapter.number)

    def topic(self, story: Story) -> Topic:
        return Topic(story.account_id, story.id)

    def recorded(self, story: Story) -> list[Recorded]:
        return self.events.recorded(self.topic(story))

    def kinds(self, story: Story) -> list[str]:
        return [f"{one.cursor} {one.event.kind}" for one in self.recorded(story)]


@pytest.fixture
async def house() -> House:
    house = House()
    await house.settle(house.account)
    return house
