"""Stories as a client meets them: asked for, watched, listed, cancelled."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import ExecutionResult
from strawberry.types import get_object_definition

from domain.accounts import Account, AccountStatus
from domain.refusals import CursorInvalid, InvalidInput, NotFound, Unauthenticated
from domain.sessions import AccessClaims
from domain.stories import Chapter, Story, StoryStatus, TokenUsage, joined, text_hash
from schema.context import Client, Context
from schema.nodes import STORY, global_id
from schema.pages import read_place, write_place
from schema.schema import schema
from schema.stories.types import ChapterType, StoryType
from tests.clients.reader import Reader
from tests.factories import a_story, an_account
from tests.fakes.clock import START
from tests.fakes.storyteller import FakeStoryteller
from tests.unit.usecases.stories.conftest import House
from usecases.catalog import UseCases
from usecases.ports.jobs import Retry
from usecases.ports.storytelling import Assignment, StorytellerFault
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.follow_story import FollowStory
from usecases.stories.request_story import StoryQuota
from usecases.stories.show_progress import ShowProgress

REQUEST = """mutation ($input: RequestStoryInput!) { requestStory(input: $input) { __typename
  ...on RequestStorySuccess { story { id status place brief { idea themes words minutes } } }
  ...on InvalidInput { issues { path } }
  ...on QuotaExceeded { limit period }
  ...on Refusal { code } } }"""
CANCEL = """mutation ($id: ID!) { cancelStory(input: {storyId: $id}) { __typename
  ...on CancelStorySuccess { story { status } } ...on Refusal { code path } } }"""
STORY_QUERY = """query ($id: ID!) { story(id: $id) { status text sha256 words language attempts
  storyteller model usage { inputTokens outputTokens } failure { code }
  chapters { number title text words sha256 } } }"""
LIBRARY = """query ($first: Int! = 20, $after: Cursor, $filter: StoryFilter,
    $orderBy: StoryOrder! = REQUESTED_AT_DESC) {
  viewer { stories(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    totalCount nodes { id } edges { cursor }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
POLL = """query ($id: ID!) { story(id: $id) { plannedChapters progress {
  cursor stage attempt text chapters { number text } unfinished { number text } } } }"""
WATCH = """subscription ($id: ID!) { storyEvents(storyId: $id) { __typename cursor
  ...on TextAppended { chapter offset text } ...on ChapterStarted { chapter }
  ...on ChapterCompleted { chapter sha256 } ...on StoryRestarted { fromChapter }
  ...on StorySnapshot { chapters { number text } unfinished { number text } }
  ...on StoryReady { sha256 } } }"""
EVENTS = """subscription ($id: ID!, $after: Cursor) { storyEvents(storyId: $id, after: $after) {
  __typename cursor occurredAt storyId
  ...on TextAppended { chapter offset text attempt }
  ...on ChapterCompleted { chapter sha256 }
  ...on StorySnapshot { story { place } chapters { text } unfinished { number title text } }
  ...on StoryReady { chapterCount words sha256 } } }"""
VIEWER_EVENTS = """subscription ($after: Cursor) { viewerEvents(after: $after) { __typename cursor
  ...on LibrarySnapshot { stories { storyId } } ...on StoryEvent { storyId } } }"""


@dataclass
class Browser:
    """A client of the schema, logged in as an account of the house, or as nobody."""

    house: House = field(default_factory=House)
    account: Account | None = None

    @cached_property
    def follow_story(self) -> FollowStory:
        """The same for all contexts, as in a process: its followers share what they are shown."""
        return FollowStory(self.house.reads, self.house.events, self.house.clock)

    @property
    def context(self) -> Context:
        house, account = self.house, self.account
        use_cases = SimpleNamespace(
            request_story=house.request_story,
            cancel_story=CancelStory(house.database, house.events, house.clock),
            follow_story=self.follow_story,
            follow_account=FollowAccount(house.reads, house.events, house.clock),
            show_progress=ShowProgress(house.reads, house.events, house.clock),
        )
        claims = None
        if account is not None:
            claims = AccessClaims(
                account_id=account.id, session_id=account.id, expires_at=START + timedelta(days=1)
            )
        return Context(
            use_cases=cast("UseCases", use_cases),
            reads=house.reads,
            client=Client("203.0.113.7", "Firefox"),
            request_id="request",
            claims=claims,
        )

    async def run(self, query: str, **variables: object) -> Any:  # noqa: ANN401
        result = await schema.execute(query, variables, context_value=self.context)
        assert result.errors is None
        return result.data

    async def refused(self, query: str, **variables: object) -> BaseException | None:
        result = await schema.execute(query, variables, context_value=self.context)
        assert result.errors is not None
        (error,) = result.errors
        return error.original_error

    async def watch(self, query: str, **variables: object) -> AsyncIterator[dict[str, Any]]:
        results = await schema.subscribe(query, variables, context_value=self.context)
        assert not isinstance(results, ExecutionResult)
        async for result in cast("AsyncIterator[Any]", results):
            assert result.errors is None
            (told,) = result.data.values()
            yield told

    async def write(self, story: Story) -> None:
        storyteller = FakeStoryteller([["A fox\U0001f98a. ", "It ran."], ["Home."]])
        await self.house.write_story(storyteller)(story.id, await self.house.leased(story.id))


@pytest.fixture
async def browser() -> Browser:
    browser = Browser()
    browser.account = await browser.house.settle(browser.house.account)
    return browser


async def test_a_story_is_asked_for(browser: Browser) -> None:
    wishes = {"idea": "A shy fox", "length": {"minutes": 10}, "characters": [{"name": "Mo"}]}
    (answer,) = (await browser.run(REQUEST, input=wishes)).values()
    (story,) = browser.house.database.tables.stories.values()
    assert answer == {
        "__typename": "RequestStorySuccess",
        "story": {
            "id": global_id(STORY, story.id),
            "status": "QUEUED",
            "place": 1,
            "brief": {
                "idea": "A shy fox",
                "themes": ["foxes", "the sea"],
                "words": 1500,
                "minutes": 10,
            },
        },
    }
    assert [character.name for character in story.brief.characters] == ["Mo"]


async def test_refusals_are_data(browser: Browser) -> None:
    bad = {"idea": "x" * 501, "length": {"words": 99}, "characters": [{"name": "x" * 41}]}
    (answer,) = (await browser.run(REQUEST, input=bad)).values()
    assert answer["code"] == "VALIDATION_FAILED"
    assert [issue["path"] for issue in answer["issues"]] == [
        ["input", "idea"],
        ["input", "characters", "0", "name"],
        ["input", "length", "words"],
    ]
    browser.house.quota = StoryQuota(per_month=1, per_day=1, at_once=1)
    await browser.run(REQUEST, input={})
    (answer,) = (await browser.run(REQUEST, input={})).values()
    assert answer == {
        "__typename": "QuotaExceeded",
        "limit": 1,
        "period": "at once",
        "code": "QUOTA_EXCEEDED",
    }
    browser.account = None
    (answer,) = (await browser.run(REQUEST, input={})).values()
    assert answer == {"__typename": "Unauthenticated", "code": "UNAUTHENTICATED"}


async def test_a_length_has_one_measure(browser: Browser) -> None:
    both = {"length": {"words": 200, "minutes": 3}}
    result = await schema.execute(REQUEST, {"input": both}, context_value=browser.context)
    assert result.errors is not None
    assert browser.house.database.tables.stories == {}


async def test_a_story_is_canceled(browser: Browser) -> None:
    story = await browser.house.queued()
    public = global_id(STORY, story.id)
    assert await browser.run(CANCEL, id=public) == {
        "cancelStory": {"__typename": "CancelStorySuccess", "story": {"status": "CANCELED"}}
    }
    (again,) = (await browser.run(CANCEL, id=public)).values()
    assert again["code"] == "NOT_CANCELABLE"
    for stranger in ("rubbish", global_id("Account", story.id), global_id(STORY, START_KEY)):
        (answer,) = (await browser.run(CANCEL, id=stranger)).values()
        assert answer == {
            "__typename": "NotFound",
            "code": "NOT_FOUND",
            "path": ["input", "storyId"],
        }


START_KEY = an_account().id


async def test_a_story_shows_its_text_and_who_wrote_it(browser: Browser) -> None:
    story = await browser.house.queued()
    await browser.write(story)
    ((shown),) = (await browser.run(STORY_QUERY, id=global_id(STORY, story.id))).values()
    stored = browser.house.story(story.id)
    assert shown["text"] == "A fox\U0001f98a. It ran.\n\nHome."
    assert [chapter["number"] for chapter in shown["chapters"]] == [1, 2]
    del shown["chapters"], shown["text"]
    assert shown == {
        "status": "READY",
        "sha256": stored.sha256,
        "words": 5,
        "language": "en",
        "attempts": 1,
        "storyteller": "fake",
        "model": "fake-1",
        "usage": {"inputTokens": 50, "outputTokens": 17},
        "failure": None,
    }


async def test_somebody_elses_story_answers_like_a_missing_one(browser: Browser) -> None:
    story = await browser.house.queued()
    public = global_id(STORY, story.id)
    browser.account = await browser.house.settle(an_account(status=AccountStatus.ACTIVE))
    assert await browser.run(STORY_QUERY, id=public) == {"story": None}
    assert await browser.run(STORY_QUERY, id="rubbish") == {"story": None}
    assert isinstance(await _first_failure(browser, EVENTS, id=public), NotFound)
    browser.account = None
    assert isinstance(await browser.refused(STORY_QUERY, id=public), Unauthenticated)
    assert isinstance(await _first_failure(browser, EVENTS, id=public), Unauthenticated)


async def _first_failure(browser: Browser, query: str, **variables: object) -> object:
    """Return why a subscription does not even begin."""
    results: Any = await schema.subscribe(query, variables, context_value=browser.context)
    if hasattr(results, "__anext__"):
        results = await anext(results)
    (error,) = results.errors
    return error.original_error


async def test_the_language_is_the_one_that_is_written(browser: Browser) -> None:
    story = await browser.house.request_story(browser.house.order(language="de"))
    assert story.language is None
    story.begin(START, "offline", None)
    assert story.language == "en"
    story.begin(START, "gemini", "gemini-2.5-flash")
    assert story.language == "de"


async def test_the_library_is_paged_without_loss_in_both_orders(browser: Browser) -> None:
    keys = []
    for _ in range(5):
        keys.append(global_id(STORY, (await browser.house.queued()).id))
        browser.house.clock.advance(timedelta(microseconds=1))
    for order, wanted in (("REQUESTED_AT_DESC", keys[::-1]), ("REQUESTED_AT_ASC", keys)):
        found: list[str] = []
        after, pages = None, 0
        while True:
            data = await browser.run(LIBRARY, first=2, after=after, orderBy=order)
            page = data["viewer"]["stories"]
            assert page["totalCount"] == 5
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
            found += [node["id"] for node in page["nodes"]]
            after, pages = page["pageInfo"]["endCursor"], pages + 1
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert (found, pages) == (wanted, 3)


async def test_the_library_is_filtered_by_status(browser: Browser) -> None:
    done, _ = await browser.house.queued(), await browser.house.queued()
    await browser.write(done)
    data = await browser.run(LIBRARY, filter={"status": ["READY", "FAILED"]})
    page = data["viewer"]["stories"]
    assert [node["id"] for node in page["nodes"]] == [global_id(STORY, done.id)]
    assert page["totalCount"] == 1


async def test_bad_pages_are_refused(browser: Browser) -> None:
    for first in (0, 101, -1):
        assert isinstance(await browser.refused(LIBRARY, first=first), InvalidInput)
    for after in ("", "rubbish", "\u00fc", "MTp4", "OTk5OTk5OTk5OTk5OTk5OTk5OTk6MA"):
        assert isinstance(await browser.refused(LIBRARY, after=after), CursorInvalid)


def test_a_place_in_the_library_is_exact_to_the_microsecond() -> None:
    moment = START + timedelta(microseconds=123_457)
    story = a_story(START_KEY, requested_at=moment)
    assert read_place(write_place(moment, story.id)) == (moment, story.id)


async def test_a_story_is_watched_from_its_queue_to_its_end(browser: Browser) -> None:
    story = await browser.house.queued()
    tale = browser.watch(EVENTS, id=global_id(STORY, story.id))
    snapshot = await anext(tale)
    assert (snapshot["__typename"], snapshot["cursor"]) == ("StorySnapshot", "0-1")
    assert (snapshot["story"], snapshot["unfinished"]) == ({"place": 1}, None)
    coming = asyncio.ensure_future(_all(tale))
    await asyncio.sleep(0)
    await browser.write(story)
    async with asyncio.timeout(5):
        told = await coming
    assert [one["__typename"] for one in told] == [
        "StoryStageChanged",
        "StoryStageChanged",
        "ChapterStarted",
        "TextAppended",
        "TextAppended",
        "ChapterCompleted",
        "ChapterStarted",
        "TextAppended",
        "ChapterCompleted",
        "StoryReady",
    ]
    assert [one["cursor"] for one in told] == [f"1-{number}" for number in range(1, 11)]
    pieces = [one for one in told if one["__typename"] == "TextAppended"]
    assert [(one["offset"], one["text"], one["attempt"]) for one in pieces] == [
        (0, "A fox\U0001f98a.", 1),
        (8, " It ran.", 1),
        (0, "Home.", 1),
    ]
    assert told[-1]["sha256"] == browser.house.story(story.id).sha256


async def _all(tale: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [told async for told in tale]


async def test_who_polls_gets_the_text_that_followers_get(browser: Browser) -> None:
    """Polled at each event: what a poll shows is what the events until its cursor add up to."""
    story = await browser.house.queued()
    public = global_id(STORY, story.id)
    polls: list[Any] = []

    class Polled(FakeStoryteller):
        """Is asked for how far it is while it tells."""

        async def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
            async for chunk in super().tell(assignment):
                await poll()
                yield chunk

    async def poll() -> None:
        polls.append((await browser.run(POLL, id=public))["story"]["progress"])

    reader, texts = Reader(), dict[str, str]()

    async def follow() -> None:
        """Remember the text at each cursor."""
        async for told in tale:
            reader.read(told)
            texts[told["cursor"]] = reader.text.strip()

    await poll()
    tale = browser.watch(WATCH, id=public)
    reader.read(await anext(tale))
    texts[str(reader.cursor)] = reader.text
    following = asyncio.ensure_future(follow())
    chapters = [["A fox\U0001f98a. ", "It ran. ", "And ran."], ["It came ", "home. ", "Good."]]
    killed = StorytellerFault("KILLED", "Gone.")
    first = browser.house.write_story(Polled(chapters, faults={(2, 2): killed}))
    with pytest.raises(Retry):
        await first(story.id, await browser.house.leased(story.id))
    await poll()
    other = Polled([["Void."], ["It slept. ", "Long. ", "So long."]])
    await browser.house.write_story(other)(story.id, await browser.house.leased(story.id))
    await poll()
    async with asyncio.timeout(5):
        await following

    assert [poll["text"] for poll in polls if texts[poll["cursor"]] != poll["text"]] == []
    for before, after in pairwise(polls):
        if before["attempt"] == after["attempt"]:
            assert after["text"].startswith(before["text"])
        assert after["attempt"] >= before["attempt"]
    assert [poll["attempt"] for poll in polls] == [0] + [1] * 7 + [2] * 5
    assert [(poll["unfinished"] or {}).get("number") for poll in polls][3:6] == [1, 1, 2]
    assert polls[0] == {
        "cursor": "0-1",
        "stage": "QUEUED",
        "attempt": 0,
        "chapters": [],
        "unfinished": None,
        "text": "",
    }
    assert (polls[-1]["stage"], polls[-1]["unfinished"]) == ("READY", None)
    assert polls[-1]["text"] == joined(browser.house.chapters(story.id))
    assert text_hash(polls[-1]["text"]) == browser.house.story(story.id).sha256


async def test_what_is_not_known_is_not_shown_as_less(browser: Browser) -> None:
    story = await browser.house.queued()
    public = global_id(STORY, story.id)
    storyteller = FakeStoryteller([["One. ", "Two. ", "Three."]], waits=(1, 2))
    lease = await browser.house.leased(story.id)
    writing = asyncio.create_task(browser.house.write_story(storyteller)(story.id, lease))
    await storyteller.waiting.wait()
    shown = await browser.run(POLL, id=public)
    assert (shown["story"]["plannedChapters"], shown["story"]["progress"]["text"]) == (1, "One.")
    browser.house.events.down = True
    assert (await browser.run(POLL, id=public))["story"]["progress"] is None
    browser.house.events.down = False
    browser.house.events.forget()
    assert (await browser.run(POLL, id=public))["story"]["progress"] is None
    await browser.run(CANCEL, id=public)
    shown = await browser.run(POLL, id=public)
    assert (shown["story"]["progress"]["stage"], shown["story"]["progress"]["text"]) == (
        "CANCELED",
        "",
    )
    writing.cancel()


async def test_a_story_long_done_is_watched_as_one_snapshot_and_its_end(browser: Browser) -> None:
    story = await browser.house.queued()
    await browser.write(story)
    told = await _all(browser.watch(EVENTS, id=global_id(STORY, story.id), after="1-3"))
    assert [one["__typename"] for one in told] == ["StorySnapshot", "StoryReady"]
    assert [chapter["text"] for chapter in told[0]["chapters"]] == [
        "A fox\U0001f98a. It ran.",
        "Home.",
    ]


async def test_a_lost_cursor_is_told_as_a_gap_and_a_snapshot(browser: Browser) -> None:
    story = await browser.house.queued()
    tale = browser.watch(EVENTS, id=global_id(STORY, story.id), after="3-9")
    told = [await anext(tale), await anext(tale)]
    assert [(one["__typename"], one["cursor"]) for one in told] == [
        ("StoryGap", "3-9"),
        ("StorySnapshot", "0-1"),
    ]


async def test_a_cursor_that_is_none_of_ours_is_refused(browser: Browser) -> None:
    story = await browser.house.queued()
    failure = await _first_failure(browser, EVENTS, id=global_id(STORY, story.id), after="x")
    assert isinstance(failure, CursorInvalid)
    assert isinstance(await _first_failure(browser, VIEWER_EVENTS, after="1-x"), CursorInvalid)


async def test_all_stories_are_watched(browser: Browser) -> None:
    first = await browser.house.queued()
    tale = browser.watch(VIEWER_EVENTS)
    library = await anext(tale)
    assert library["stories"] == [{"storyId": global_id(STORY, first.id)}]
    second = await browser.house.queued()
    told = await anext(tale)
    assert (told["__typename"], told["storyId"]) == ("StoryQueued", global_id(STORY, second.id))


@pytest.mark.parametrize(
    ("published", "entity", "derived"),
    [
        (
            StoryType,
            Story,
            {"story", "attempts", "usage", "failure", "chapters", "text", "place"}
            | {"planned_chapters", "progress"},
        ),
        (ChapterType, Chapter, set()),
    ],
    ids=["Story", "Chapter"],
)
def test_only_what_is_meant_to_be_seen_is_published(
    published: type, entity: type[Story], derived: set[str]
) -> None:
    definition = get_object_definition(published, strict=True)
    names = {item.python_name for item in definition.fields}
    assert names - derived <= {*entity.model_fields, "language"}
    assert names.isdisjoint(
        {"account_id", "seed", "idempotency_key", "request_digest", "plan", "story_id"}
    )


def test_every_status_is_published() -> None:
    values = schema.get_type_by_name("StoryStatus").values  # type: ignore[union-attr]
    assert [value.name for value in values] == [status.name for status in StoryStatus]
    assert all(value.description for value in values)
