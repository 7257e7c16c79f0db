"""On a real Redis too: who follows a story ends with exactly the stored text."""

import asyncio
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from adapters.event_log.log import RedisEventLog
from domain.stories import joined
from tests.fakes.storyteller import FakeStoryteller
from tests.turmoil import (
    COME_BACK_LATE,
    DIE,
    RECONNECT,
    Storm,
    StormyStoryteller,
    read_to_the_end,
)
from tests.unit.usecases.stories.conftest import House
from usecases.deliveries.owe import OweMail
from usecases.ports.jobs import Retry
from usecases.stories.follow_story import FollowStory
from usecases.stories.write_story import WriteStory

CALM, FLUSH, TRIM, CUT = "calm", "flush", "trim", "cut"

PLANS = st.lists(
    st.sampled_from([CALM, CALM, DIE, RECONNECT, COME_BACK_LATE, FLUSH, TRIM, CUT]), max_size=25
)


@given(PLANS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # flushed at each example
)
async def test_the_reader_ends_with_the_stored_text(redis: Redis, plan: list[str]) -> None:
    await redis.flushdb()
    house = House()
    await house.settle(house.account)
    story = await house.queued()
    stream = f"events:{{{story.account_id}}}:story:{story.id}"
    log = RedisEventLog(redis, house.clock, silence=timedelta(seconds=0.05))

    async def trim() -> None:
        await redis.xtrim(stream, maxlen=2, approximate=False)

    async def cut() -> None:
        await redis.client_kill_filter(_type="pubsub")

    storm = Storm(plan, {FLUSH: redis.flushdb, TRIM: trim, CUT: cut})
    follow = FollowStory(house.reads, log, house.clock)
    reading = asyncio.create_task(read_to_the_end(follow, house.account.id, story.id, storm))
    owe = OweMail(house.clock, "example.org")
    write = WriteStory(
        house.database,
        StormyStoryteller(storm),
        house.slots,
        log,
        owe,
        house.clock,
        pause=60,
        breath=0,
    )
    while not house.story(story.id).status.is_end:
        try:
            await write(story.id, await house.leased(story.id))
        except Retry:
            continue
    async with asyncio.timeout(10):
        reader = await reading

    assert reader.text == joined(house.chapters(story.id))
    await log.aclose()


async def test_two_processes_see_one_story(redis: Redis) -> None:
    """A worker writes; an API process that shares nothing with it tells."""
    house = House()
    await house.settle(house.account)
    story = await house.queued()
    api, worker = RedisEventLog(redis, house.clock), RedisEventLog(redis, house.clock)
    follow = FollowStory(house.reads, api, house.clock)
    reading = asyncio.create_task(
        read_to_the_end(follow, house.account.id, story.id, Storm([], {}))
    )
    owe = OweMail(house.clock, "example.org")
    write = WriteStory(house.database, FakeStoryteller(), house.slots, worker, owe, house.clock)
    await write(story.id, await house.leased(story.id))
    async with asyncio.timeout(5):
        reader = await reading
    assert reader.text == joined(house.chapters(story.id))
    assert reader.kinds[-1] == "story_ready"
    await api.aclose()
    await worker.aclose()
