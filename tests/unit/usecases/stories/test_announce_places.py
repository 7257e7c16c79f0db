"""Announcing places in line."""

from domain.events import StoryQueued
from domain.stories import Story
from tests.unit.usecases.stories.conftest import House
from usecases.stories.announce_places import AnnouncePlaces


def places(house: House, story: Story) -> list[int]:
    told = (one.event for one in house.recorded(story))
    return [event.place for event in told if isinstance(event, StoryQueued)]


async def test_a_place_that_the_log_did_not_take_is_announced_again(house: House) -> None:
    first, second = await house.queued(), await house.queued()
    announce = AnnouncePlaces(house.reads, house.events)
    await announce()
    await house.leased(first.id)
    house.events.down = True
    await announce()
    house.events.down = False
    await announce()
    await announce()
    assert places(house, second) == [2, 2, 1]


async def test_only_places_that_changed_are_announced(house: House) -> None:
    first, second = await house.queued(), await house.queued()
    announce = AnnouncePlaces(house.reads, house.events)
    await announce()
    await announce()
    assert (places(house, first), places(house, second)) == ([1, 1], [2, 2])

    await house.leased(first.id)
    await announce()
    await announce()
    assert (places(house, first), places(house, second)) == ([1, 1], [2, 2, 1])
