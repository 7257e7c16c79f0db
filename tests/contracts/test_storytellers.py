"""What every Storyteller does, the one with a model and the one without."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from adapters.gemini.storyteller import GeminiStoryteller
from adapters.offline.storyteller import OfflineStoryteller
from domain.briefs import Character, StoryBrief
from domain.stories import Chapter, StoryPlan, TokenUsage
from domain.text import scrub
from tests.gemini_server import GeminiServer
from usecases.ports.storytelling import Assignment, Storyteller

BRIEF = StoryBrief(characters=(Character(name="Mila", role="fox"),), words=450, chapters=3)
SEED = 2**62


@pytest.fixture(params=["gemini", "offline"])
async def storyteller(request: pytest.FixtureRequest) -> AsyncIterator[Storyteller]:
    if request.param == "offline":
        yield OfflineStoryteller(1_000_000)
        return
    async with GeminiServer() as server:
        gemini = GeminiStoryteller("test-key", "gemini-test", base_url=server.url)
        yield gemini
        await gemini.aclose()


async def chapter(
    storyteller: Storyteller, plan: StoryPlan, number: int, told: list[Chapter]
) -> list[str | TokenUsage]:
    assignment = Assignment(brief=BRIEF, plan=plan, seed=SEED, number=number, told=told)
    return [part async for part in storyteller.tell(assignment)]


async def test_it_says_who_it_is(storyteller: Storyteller) -> None:
    assert (storyteller.name, storyteller.model) in {
        ("gemini", "gemini-test"),
        ("offline", None),
    }


async def test_a_plan_has_the_asked_number_of_titled_chapters(storyteller: Storyteller) -> None:
    plan, usage = await storyteller.plan(BRIEF, SEED)
    assert len(plan.chapters) == BRIEF.chapters
    assert len({chapter.title for chapter in plan.chapters}) == BRIEF.chapters
    assert all(chapter.summary for chapter in plan.chapters)
    assert usage.input_tokens >= 0


async def test_a_whole_story_is_plain_paragraphs_with_one_usage_a_chapter(
    storyteller: Storyteller,
) -> None:
    plan, _ = await storyteller.plan(BRIEF, SEED)
    told: list[Chapter] = []
    for number, planned in enumerate(plan.chapters, start=1):
        *pieces, usage = await chapter(storyteller, plan, number, told)
        assert isinstance(usage, TokenUsage)
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        assert len(pieces) > 1
        assert all(isinstance(piece, str) and piece for piece in pieces)
        assert text == scrub(text).strip()
        assert all(part == part.strip() != "" for part in text.split("\n\n"))
        assert "\n" not in text.replace("\n\n", "")
        told.append(Chapter.of(UUID(int=1), number, planned.title, text, datetime.now(UTC)))
    assert len({one.text for one in told}) == len(told)


async def test_it_can_tell_two_stories_at_once(storyteller: Storyteller) -> None:
    plan, _ = await storyteller.plan(BRIEF, SEED)
    first, second = await asyncio.gather(
        chapter(storyteller, plan, 1, []), chapter(storyteller, plan, 2, [])
    )
    assert first != second


async def test_telling_can_be_cancelled(storyteller: Storyteller) -> None:
    plan, _ = await storyteller.plan(BRIEF, SEED)
    begun = asyncio.Event()

    async def listen() -> None:
        assignment = Assignment(brief=BRIEF, plan=plan, seed=SEED, number=1, told=())
        async for _ in storyteller.tell(assignment):
            begun.set()
            await asyncio.Event().wait()

    listener = asyncio.create_task(listen())
    await begun.wait()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
