"""Cancelling a story."""

import pytest

from domain.events import StoryCanceled
from domain.jobs import JobState
from domain.refusals import NotCancelable, NotFound
from domain.stories import StoryStatus
from tests.factories import an_account
from tests.fakes.storyteller import FakeStoryteller
from tests.unit.usecases.stories.conftest import House
from usecases.ports.transactions import LeaseLost
from usecases.stories.cancel_story import CancelStory


def cancel_story(house: House) -> CancelStory:
    return CancelStory(house.database, house.events, house.clock)


async def test_a_queued_story_is_canceled_with_its_job(house: House) -> None:
    story = await house.queued()
    canceled = await cancel_story(house)(house.account.id, story.id)

    assert canceled.status is StoryStatus.CANCELED
    assert house.story(story.id).canceled_at == house.clock.now()
    (job,) = house.database.tables.jobs.values()
    assert job.state is JobState.CANCELED
    assert house.queue.called_off == [job.id]
    assert house.kinds(story) == ["0-1 story_queued", "0-2 story_canceled"]


async def test_a_running_story_loses_its_lease_and_keeps_its_chapters(house: House) -> None:
    story = await house.queued()
    lease = await house.leased(story.id)
    async with house.database.begin(lease) as work:
        running = await work.stories.lock(story.id)
        assert running is not None
        running.begin(house.clock.now(), "fake", None)
    await cancel_story(house)(house.account.id, story.id)

    with pytest.raises(LeaseLost):
        await house.write_story(FakeStoryteller())(story.id, lease)
    end = house.recorded(story)[-1]
    assert (end.cursor.epoch, end.event) == (1, StoryCanceled(chapters=0))


async def test_somebody_elses_story_is_not_found_and_untouched(house: House) -> None:
    story = await house.queued()
    other = await house.settle(an_account())
    with pytest.raises(NotFound) as refusal:
        await cancel_story(house)(other.id, story.id)
    assert refusal.value.path == ("input", "storyId")
    assert house.story(story.id).status is StoryStatus.QUEUED
    assert house.queue.called_off == []
    assert house.kinds(story) == ["0-1 story_queued"]


async def test_a_story_that_has_ended_cannot_be_canceled(house: House) -> None:
    story = await house.queued()
    await house.write_story(FakeStoryteller())(story.id, await house.leased(story.id))
    with pytest.raises(NotCancelable):
        await cancel_story(house)(house.account.id, story.id)
    assert house.story(story.id).status is StoryStatus.READY
    assert house.queue.called_off == []
