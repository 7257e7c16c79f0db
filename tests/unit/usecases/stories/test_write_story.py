"""Writing a story."""

import asyncio
from contextlib import nullcontext, suppress

import pytest

from domain.deliveries import DeliveryKind
from domain.events import ChapterCompleted, StoryFailed, StoryReady, TextAppended
from domain.stories import StoryStatus, joined, text_hash
from tests.fakes.storyteller import CHAPTER_USAGE, PLAN_USAGE, FakeStoryteller
from tests.story_reader import StoryReader
from tests.unit.usecases.stories.conftest import House
from usecases.ports.jobs import Retry
from usecases.ports.storytelling import StorytellerFault
from usecases.ports.transactions import LeaseLost
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_story import FollowStory

TWO = (("A fox\U0001f98a ran. ", "It saw", " the sea.\n\n\n\nIt stayed."), ("Then. ", "Home.  "))
TEXTS = ["A fox\U0001f98a ran. It saw the sea.\n\nIt stayed.", "Then. Home."]


async def test_a_story_is_written_stored_and_told(house: House) -> None:
    story = await house.queued()
    await house.write_story(FakeStoryteller(TWO))(story.id, await house.leased(story.id))

    written = house.story(story.id)
    assert [chapter.text for chapter in house.chapters(story.id)] == TEXTS
    assert written.status is StoryStatus.READY
    assert (written.title, written.storyteller, written.model) == ("The Tale", "fake", "fake-1")
    assert (written.attempt, written.ready_at, written.words) == (1, house.clock.now(), 11)
    assert written.sha256 == text_hash(joined(house.chapters(story.id)))
    assert written.input_tokens == PLAN_USAGE.input_tokens + 2 * CHAPTER_USAGE.input_tokens
    assert written.output_tokens == PLAN_USAGE.output_tokens + 2 * CHAPTER_USAGE.output_tokens
    assert house.kinds(story) == [
        "0-1 story_queued",
        "1-1 stage_changed",
        "1-2 stage_changed",
        "1-3 chapter_started",
        "1-4 text_appended",
        "1-5 text_appended",
        "1-6 text_appended",
        "1-7 chapter_completed",
        "1-8 chapter_started",
        "1-9 text_appended",
        "1-10 text_appended",
        "1-11 chapter_completed",
        "1-12 story_ready",
    ]


async def test_offsets_count_as_javascript_does(house: House) -> None:
    story = await house.queued()
    await house.write_story(FakeStoryteller(TWO))(story.id, await house.leased(story.id))
    texts = [one.event for one in house.recorded(story) if isinstance(one.event, TextAppended)]
    assert [(text.offset, text.text) for text in texts if text.chapter == 1] == [
        (0, "A fox\U0001f98a ran."),
        (12, " It saw the sea.\n\n"),
        (30, "It stayed."),
    ]


async def test_what_was_told_hashes_to_what_is_stored(house: House) -> None:
    story = await house.queued()
    await house.write_story(FakeStoryteller(TWO))(story.id, await house.leased(story.id))
    told = [one.event for one in house.recorded(story)]
    hashes = [event.sha256 for event in told if isinstance(event, ChapterCompleted)]
    assert hashes == [text_hash(text) for text in TEXTS]
    assert told[-1] == StoryReady(chapters=2, words=11, sha256=text_hash("\n\n".join(TEXTS)))


async def test_its_owner_is_owed_a_mail_once(house: House) -> None:
    story = await house.queued()
    lease = await house.leased(story.id)
    for _ in range(2):
        await house.write_story(FakeStoryteller())(story.id, lease)
    (delivery,) = house.database.tables.deliveries.values()
    assert (delivery.kind, delivery.subject_id) == (DeliveryKind.STORY_READY, story.id)
    assert house.story(story.id).attempt == 1


async def test_no_mail_is_owed_where_none_is_wanted(house: House) -> None:
    order = house.order()
    story = await house.request_story(
        type(order)(order.account_id, order.wishes, mail_when_ready=False)
    )
    await house.write_story(FakeStoryteller())(story.id, await house.leased(story.id))
    assert house.story(story.id).status is StoryStatus.READY
    assert house.database.tables.deliveries == {}


async def test_a_passing_fault_is_tried_again_from_the_first_missing_chapter(house: House) -> None:
    fault = StorytellerFault("RATE_LIMITED", "Busy.", retry_after=7.5)
    storyteller = FakeStoryteller(TWO, faults={(2, 1): fault})
    story = await house.queued()
    with pytest.raises(Retry) as retry:
        await house.write_story(storyteller)(story.id, await house.leased(story.id))
    assert retry.value.after == 7.5
    assert [chapter.text for chapter in house.chapters(story.id)] == TEXTS[:1]
    assert house.story(story.id).status is StoryStatus.WRITING

    await house.write_story(storyteller)(story.id, await house.leased(story.id))
    assert [chapter.text for chapter in house.chapters(story.id)] == TEXTS
    assert storyteller.planned == 1
    assert [assignment.number for assignment in storyteller.assignments] == [1, 2, 2]
    assert "2-1 story_restarted" in house.kinds(story)


async def test_its_job_says_how_many_chapters_of_it_are_done(house: House) -> None:
    fault = StorytellerFault("RATE_LIMITED", "Busy.")
    write_story = house.write_story(FakeStoryteller(TWO, faults={(1, 0): fault, (2, 0): fault}))
    story = await house.queued()
    (job,) = house.database.tables.jobs
    progress = []
    for expected in (pytest.raises(Retry), pytest.raises(Retry), nullcontext()):
        with expected:
            await write_story(story.id, await house.leased(story.id))
        stored = house.database.tables.jobs[job]
        progress.append((stored.progress, stored.progress_total))
    assert progress == [(0, 2), (1, 2), (2, 2)]


async def test_a_permanent_fault_ends_the_story_honestly(house: House) -> None:
    fault = StorytellerFault("CONTENT_BLOCKED", "Not this.", permanent=True, blocked=True)
    story = await house.queued()
    storyteller = FakeStoryteller(TWO, faults={(2, 0): fault})
    await house.write_story(storyteller)(story.id, await house.leased(story.id))

    ended = house.story(story.id)
    assert ended.status is StoryStatus.BLOCKED
    assert (ended.failure_code, ended.failure_message) == ("CONTENT_BLOCKED", "Not this.")
    assert house.recorded(story)[-1].event == StoryFailed(
        code="CONTENT_BLOCKED", message="Not this.", blocked=True, chapters=1
    )
    assert house.database.tables.deliveries == {}


async def test_a_chapter_without_words_is_tried_again(house: House) -> None:
    story = await house.queued()
    with pytest.raises(Retry):
        await house.write_story(FakeStoryteller([[" \n"]]))(story.id, await house.leased(story.id))
    assert house.chapters(story.id) == []


async def test_a_story_is_written_while_the_event_log_is_down(house: House) -> None:
    story = await house.queued()
    house.events.down = True
    await house.write_story(FakeStoryteller(TWO))(story.id, await house.leased(story.id))
    assert house.story(story.id).status is StoryStatus.READY
    assert [chapter.text for chapter in house.chapters(story.id)] == TEXTS


async def test_a_canceled_story_stops_at_once_and_ends_the_paid_request(house: House) -> None:
    story = await house.queued()
    storyteller = FakeStoryteller(TWO, waits=(1, 1))
    lease = await house.leased(story.id)
    writing = asyncio.create_task(house.write_story(storyteller)(story.id, lease))
    await storyteller.waiting.wait()
    await CancelStory(house.database, house.events, house.clock)(house.account.id, story.id)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    assert storyteller.closed_early == 1
    assert house.chapters(story.id) == []
    assert house.kinds(story)[-1].endswith(" story_canceled")


async def test_a_worker_that_lost_its_lease_stores_nothing(house: House) -> None:
    story = await house.queued()
    stale = await house.leased(story.id)
    storyteller = FakeStoryteller(TWO, waits=(1, 2))
    writing = asyncio.create_task(house.write_story(storyteller)(story.id, stale))
    await storyteller.waiting.wait()

    await house.write_story(FakeStoryteller(TWO))(story.id, await house.leased(story.id))
    told = house.recorded(story)
    with pytest.raises(LeaseLost):
        await house.write_story(FakeStoryteller(TWO))(story.id, stale)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    assert house.recorded(story) == told
    assert [chapter.text for chapter in house.chapters(story.id)] == TEXTS


POINTS = [(0, 0), *((1, index) for index in range(4)), *((2, index) for index in range(3))]


@pytest.mark.parametrize("point", POINTS, ids=str)
@pytest.mark.parametrize("log_is_lost", [False, True], ids=["log kept", "log lost"])
async def test_wherever_an_attempt_dies_the_reader_ends_with_the_stored_text(
    house: House, point: tuple[int, int], *, log_is_lost: bool
) -> None:
    """The second attempt tells other words: never a splice of the two."""
    story = await house.queued()
    reader, follow = StoryReader(), FollowStory(house.reads, house.events, house.clock)
    tale = await follow(house.account.id, story.id)

    async def read() -> None:
        async for told in tale:
            reader.read(told)

    reading = asyncio.create_task(read())
    killed = StorytellerFault("KILLED", "Gone.")
    first = house.write_story(FakeStoryteller(TWO, faults={point: killed}))
    with pytest.raises(Retry):
        await first(story.id, await house.leased(story.id))
    if log_is_lost:
        house.events.forget()
    other = FakeStoryteller([["Another one. "], ["Other", " words.", " Fin."]])
    await house.write_story(other)(story.id, await house.leased(story.id))
    async with asyncio.timeout(5):
        await reading

    assert reader.ended
    assert reader.text == joined(house.chapters(story.id))
    assert house.story(story.id).sha256 == text_hash(reader.text)
