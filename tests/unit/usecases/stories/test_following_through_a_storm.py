"""Whatever fails, and whenever: who follows a story ends with exactly the stored text."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from domain.stories import joined
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

CALM, FORGET, TRIM, DOWN, UP, SILENCE = "calm", "forget", "trim", "down", "up", "silence"

PLANS = st.lists(
    st.sampled_from(
        [CALM, CALM, CALM, DIE, RECONNECT, COME_BACK_LATE, FORGET, TRIM, DOWN, UP, SILENCE]
    ),
    max_size=40,
)


@given(PLANS)
async def test_the_reader_ends_with_the_stored_text(plan: list[str]) -> None:
    house = House()
    await house.settle(house.account)
    story = await house.queued()
    events, topic = house.events, house.topic(story)

    async def forget() -> None:
        events.forget()

    async def trim() -> None:
        events.trim(topic, 2)

    async def fall() -> None:
        events.down = True

    async def rise() -> None:
        events.down = False

    async def be_silent() -> None:
        events.be_silent()

    makers = {FORGET: forget, TRIM: trim, DOWN: fall, UP: rise, SILENCE: be_silent}
    storm = Storm(plan, makers)
    follow = FollowStory(house.reads, events, house.clock)
    reading = asyncio.create_task(read_to_the_end(follow, house.account.id, story.id, storm))
    write = WriteStory(
        house.database,
        StormyStoryteller(storm),
        house.slots,
        events,
        OweMail(house.clock, "example.org"),
        house.clock,
        pause=60,
        breath=0,
    )
    while not house.story(story.id).status.is_end:
        try:
            await write(story.id, await house.leased(story.id))
        except Retry:
            continue
    events.down = False
    async with asyncio.timeout(5):
        while not reading.done():
            events.be_silent()
            await asyncio.sleep(0)
    reader = reading.result()

    assert reader.text == joined(house.chapters(story.id))
    assert events.followers == 0
