"""Giving a story up."""

import pytest

from domain.events import StoryFailed
from domain.stories import StoryStatus
from tests.fakes.storyteller import FakeStoryteller
from tests.unit.usecases.stories.conftest import House
from usecases.ports.jobs import Retry
from usecases.ports.storytelling import StorytellerFault
from usecases.stories.abandon_story import CODE, MESSAGE, AbandonStory


async def test_it_fails_with_an_honest_message_and_keeps_its_chapters(house: House) -> None:
    story = await house.queued()
    fault = StorytellerFault("UNAVAILABLE", "Away.", detail="503")
    storyteller = FakeStoryteller([["One."], ["Two."]], faults={(2, 0): fault})
    lease = await house.leased(story.id)
    with pytest.raises(Retry):
        await house.write_story(storyteller)(story.id, lease)
    await AbandonStory(house.database, house.events, house.clock)(story.id, lease, "503")

    ended = house.story(story.id)
    assert (ended.status, ended.failure_code) == (StoryStatus.FAILED, CODE)
    assert ended.failed_at == house.clock.now()
    assert [chapter.text for chapter in house.chapters(story.id)] == ["One."]
    assert house.recorded(story)[-1].event == StoryFailed(
        code=CODE, message=MESSAGE, blocked=False, chapters=1
    )


async def test_a_story_that_has_ended_stays_as_it_is(house: House) -> None:
    story = await house.queued()
    lease = await house.leased(story.id)
    await house.write_story(FakeStoryteller())(story.id, lease)
    told = house.recorded(story)
    await AbandonStory(house.database, house.events, house.clock)(story.id, lease, "late")
    assert house.story(story.id).status is StoryStatus.READY
    assert house.recorded(story) == told
