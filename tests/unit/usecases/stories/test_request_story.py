"""Asking for a story."""

import asyncio
from datetime import timedelta

import pytest

from domain.events import StoryQueued
from domain.refusals import Conflict, InvalidInput, QuotaExceeded, Unauthenticated
from domain.stories import StoryStatus
from tests.factories import an_account
from tests.unit.usecases.stories.conftest import House
from usecases.stories.request_story import StoryOrder, StoryQuota


async def test_it_is_queued_with_its_job_and_announced(house: House) -> None:
    story = await house.request_story(house.order(idea="A shy fox"))

    assert house.story(story.id) == story
    assert (story.status, story.seed, story.attempt) == (StoryStatus.QUEUED, 1, 0)
    (job,) = house.queue.woken
    assert job.task == {"story_id": str(story.id)}
    assert (job.dedupe_key, job.account_id) == (str(story.id), house.account.id)
    assert [(one.cursor.epoch, one.event) for one in house.recorded(story)] == [
        (0, StoryQueued(place=1))
    ]


async def test_an_empty_request_is_about_the_accounts_interests(house: House) -> None:
    story = await house.request_story(house.order())
    assert story.brief.themes == ("foxes", "the sea")
    assert (story.brief.words, story.brief.chapters, story.brief.language) == (600, 2, "en")


async def test_wishes_of_its_own_go_before_the_interests(house: House) -> None:
    story = await house.request_story(
        house.order(themes=["rain"], length={"minutes": 10}, chapters=3, language="PT-br")
    )
    assert story.brief.themes == ("rain",)
    assert (story.brief.words, story.brief.chapters, story.brief.language) == (1500, 3, "pt-BR")


async def test_all_that_is_wrong_is_told_by_path_and_nothing_is_kept(house: House) -> None:
    order = StoryOrder(
        house.account.id,
        {
            "idea": "x" * 501,
            "characters": [{"name": "Mo"}, {"name": "x" * 41}],
            "length": {"minutes": 31},
            "language": "not a language",
            "avoid": ["ok", "  "],
        },
        idempotency_key="",
    )
    with pytest.raises(InvalidInput) as refusal:
        await house.request_story(order)
    assert [issue.path for issue in refusal.value.issues] == [
        ("input", "idea"),
        ("input", "characters", 1, "name"),
        ("input", "avoid", 1),
        ("input", "language"),
        ("input", "length", "minutes"),
        ("input", "idempotencyKey"),
    ]
    assert house.database.tables.stories == {}
    assert house.queue.woken == []


async def test_only_an_active_account_may_ask(house: House) -> None:
    pending = await house.settle(an_account())
    with pytest.raises(Unauthenticated):
        await house.request_story(StoryOrder(pending.id, {}))
    assert house.database.tables.stories == {}


async def test_the_same_key_answers_the_same_story_and_spends_nothing(house: House) -> None:
    house.quota = StoryQuota(per_month=1, per_day=1, at_once=1)
    first = await house.request_story(house.order("k1", idea="A fox"))
    house.clock.advance(timedelta(hours=23, minutes=59))
    again = await house.request_story(house.order("k1", idea="A fox"))
    assert again.id == first.id
    assert len(house.queue.woken) == 1


async def test_the_same_key_for_another_request_is_refused(house: House) -> None:
    await house.request_story(house.order("k1", idea="A fox"))
    with pytest.raises(Conflict) as refusal:
        await house.request_story(house.order("k1", idea="A hare"))
    assert refusal.value.path == ("input", "idempotencyKey")
    assert len(house.database.tables.stories) == 1


async def test_after_a_day_a_key_is_free_again(house: House) -> None:
    first = await house.request_story(house.order("k1", idea="A fox"))
    house.clock.advance(timedelta(hours=24))
    second = await house.request_story(house.order("k1", idea="A fox"))
    assert second.id != first.id
    assert house.story(first.id).idempotency_key is None


async def test_two_requests_at_once_with_one_key_make_one_story(house: House) -> None:
    one, two = await asyncio.gather(
        house.request_story(house.order("k1")), house.request_story(house.order("k1"))
    )
    assert one.id == two.id
    assert len(house.database.tables.stories) == 1


@pytest.mark.parametrize(
    ("quota", "asked_hours_ago", "period", "retry_after"),
    [
        (StoryQuota(per_month=9, per_day=2, at_once=9), (23, 5, 1), "in 24 hours", 19 * 3600),
        (StoryQuota(per_month=2, per_day=9, at_once=9), (719, 100), "in 30 days", 3600),
        (StoryQuota(per_month=9, per_day=9, at_once=2), (5, 1), "at once", None),
    ],
    ids=["day", "month", "at once"],
)
async def test_a_quota_that_is_used_up_says_when_to_come_again(
    house: House,
    quota: StoryQuota,
    asked_hours_ago: tuple[int, ...],
    period: str,
    retry_after: int | None,
) -> None:
    now = house.clock.now()
    for hours in asked_hours_ago:
        house.clock = type(house.clock)(now - timedelta(hours=hours))
        await house.queued()
    house.clock, house.quota = type(house.clock)(now), quota
    with pytest.raises(QuotaExceeded) as refusal:
        await house.queued()
    assert (refusal.value.period, refusal.value.retry_after) == (period, retry_after)
    assert len(house.database.tables.stories) == len(asked_hours_ago)


async def test_parallel_requests_cannot_pass_the_quota_together(house: House) -> None:
    house.quota = StoryQuota(per_month=9, per_day=1, at_once=9)
    answers = await asyncio.gather(*(house.queued() for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers].count(QuotaExceeded) == 4
    assert len(house.database.tables.stories) == 1


async def test_a_story_that_failed_does_not_count(house: House) -> None:
    house.quota = StoryQuota(per_month=1, per_day=1, at_once=1)
    story = await house.queued()
    async with house.database.begin() as work:
        failed = await work.stories.lock(story.id)
        assert failed is not None
        failed.fail("X", "It failed.", house.clock.now())
    assert (await house.queued()).status is StoryStatus.QUEUED


async def test_a_story_is_queued_even_while_the_event_log_is_down(house: House) -> None:
    house.events.down = True
    story = await house.queued()
    assert house.story(story.id).status is StoryStatus.QUEUED
