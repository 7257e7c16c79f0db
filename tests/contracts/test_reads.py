"""What `Reads` promises, real or fake."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from domain.jobs import JobState, Queue
from domain.stories import Story, StoryStatus
from tests.contracts.conftest import Truth
from tests.factories import a_chapter, a_session, a_story, an_account
from tests.fakes.clock import START
from tests.jobs import claim_of, claimed
from usecases.deliveries.send_delivery import SendDeliveryTask
from usecases.ports.reads import JobsPage, PlaceInLine, QueueLoad, StoriesPage
from usecases.stories.write_story import WriteStoryTask

MINUTE = timedelta(minutes=1)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)


async def an_owner(truth: Truth) -> UUID:
    account = an_account()
    async with truth.database.begin() as work:
        await work.accounts.add(account)
    return account.id


async def stored(truth: Truth, *stories: Story) -> None:
    async with truth.database.begin() as work:
        for story in stories:
            await work.stories.add(story)


async def test_accounts_and_sessions_are_found_by_id(truth: Truth) -> None:
    accounts = [an_account(), an_account()]
    session = a_session(accounts[0].id)
    async with truth.database.begin() as work:
        for account in accounts:
            await work.accounts.add(account)
        await work.sessions.add(session)

    found = await truth.reads.accounts([accounts[1].id, uuid4(), accounts[0].id])
    assert found == {account.id: account for account in accounts}
    assert await truth.reads.session(session.id) == session
    assert await truth.reads.session(uuid4()) is None


async def test_a_story_is_shown_to_its_owner_only(truth: Truth) -> None:
    owner, stranger = await an_owner(truth), await an_owner(truth)
    story = a_story(owner)
    await stored(truth, story)

    assert await truth.reads.story(owner, story.id) == story
    assert await truth.reads.story(stranger, story.id) is None
    assert await truth.reads.stories([story.id, uuid4()]) == {story.id: story}
    assert await truth.reads.stories([]) == {}


async def test_pages_go_from_new_to_old_without_gap_or_repetition(truth: Truth) -> None:
    owner, stranger = await an_owner(truth), await an_owner(truth)
    stories = [a_story(owner, requested_at=START + MINUTE * (n // 2)) for n in range(6)]
    await stored(truth, *stories, a_story(stranger))
    newest_first = [story.id for story in reversed(stories)]

    first = await truth.reads.stories_of(StoriesPage(owner, limit=4))
    assert [story.id for story in first] == newest_first[:4]
    after = (first[-1].requested_at, first[-1].id)
    second = await truth.reads.stories_of(StoriesPage(owner, limit=4, after=after))
    assert [story.id for story in second] == newest_first[4:]
    assert await truth.reads.count_stories_of(StoriesPage(owner, limit=1, after=after)) == 6

    oldest = await truth.reads.stories_of(StoriesPage(owner, limit=2, oldest_first=True))
    assert [story.id for story in oldest] == newest_first[:-3:-1]
    after = (oldest[-1].requested_at, oldest[-1].id)
    rest = await truth.reads.stories_of(StoriesPage(owner, limit=9, after=after, oldest_first=True))
    assert [story.id for story in rest] == newest_first[-3::-1]


async def test_a_page_can_be_limited_to_some_statuses(truth: Truth) -> None:
    owner = await an_owner(truth)
    ready, failed = (
        a_story(owner, status=StoryStatus.READY),
        a_story(owner, status=StoryStatus.FAILED),
    )
    await stored(truth, ready, failed, a_story(owner))

    page = StoriesPage(owner, limit=10, statuses=(StoryStatus.READY, StoryStatus.FAILED))
    assert await truth.reads.stories_of(page) == [failed, ready]
    assert await truth.reads.count_stories_of(page) == 2


async def test_chapters_of_many_stories_come_at_once(truth: Truth) -> None:
    owner = await an_owner(truth)
    told, untold = a_story(owner), a_story(owner)
    await stored(truth, told, untold)
    chapters = [a_chapter(told.id, number) for number in (1, 2)]
    async with truth.database.begin() as work:
        for chapter in reversed(chapters):
            await work.stories.add_chapter(chapter)

    assert await truth.reads.chapters([told.id, untold.id]) == {told.id: chapters, untold.id: []}


async def test_the_line_is_made_of_stories_whose_job_waits(truth: Truth) -> None:
    owner = await an_owner(truth)
    stories = [a_story(owner) for _ in range(4)]
    await stored(truth, *stories)
    async with truth.database.begin() as work:
        await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
        jobs = [await work.jobs.add(WriteStoryTask(story_id=story.id)) for story in stories]
    assert await claim_of(truth.desk, jobs[0]) is not None
    retried = await claim_of(truth.desk, jobs[2])
    assert retried is not None
    await truth.desk.retry(retried[1], timedelta(hours=1), "later")

    assert await truth.reads.line() == [
        PlaceInLine(stories[1].id, owner, 0, 1),
        PlaceInLine(stories[3].id, owner, 0, 2),
    ]
    places = await truth.reads.places([stories[3].id, stories[0].id])
    assert places == {stories[3].id: 2}


async def test_dead_letters_are_paged_and_chosen_by_queue_and_kind(truth: Truth) -> None:
    async with truth.database.begin() as work:
        mails = [await work.jobs.add(SendDeliveryTask(delivery_id=uuid4())) for _ in range(3)]
        story = await work.jobs.add(WriteStoryTask(story_id=uuid4()))
        running = await work.jobs.add(WriteStoryTask(story_id=uuid4()))
    for job in (*mails, story):
        claim = await claim_of(truth.desk, job)
        assert claim is not None
        await truth.desk.bury(claim[1], "hopeless")
    assert await claim_of(truth.desk, running) is not None

    first = await truth.reads.jobs(JobsPage(JobState.DEAD, 2))
    assert [job.last_error for job in first] == ["hopeless"] * 2
    assert first[-1].finished_at is not None
    rest = await truth.reads.jobs(
        JobsPage(JobState.DEAD, 9, after=(first[-1].finished_at, first[-1].id))
    )
    newest_first = [job.id for job in (*first, *rest)]
    assert sorted(newest_first) == sorted(job.id for job in (*mails, story))
    assert newest_first == [job.id for job in await truth.reads.jobs(JobsPage(JobState.DEAD, 9))]
    for page, found in (
        (JobsPage(JobState.DEAD, 9, queue=Queue.STORIES), {story.id}),
        (JobsPage(JobState.DEAD, 9, kind="send_delivery"), {job.id for job in mails}),
        (JobsPage(JobState.DEAD, 9, queue=Queue.MAIL, kind="write_story"), set()),
        (JobsPage(JobState.RUNNING, 9), {running.id}),
    ):
        assert {job.id for job in await truth.reads.jobs(page)} == found


async def test_all_queues_are_counted(truth: Truth) -> None:
    async with truth.database.begin() as work:
        for _ in range(3):
            await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
        await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()), run_at=FAR_AWAY)
    for bury in (True, False):
        _, lease = await claimed(truth.desk, Queue.MAIL)
        if bury:
            await truth.desk.bury(lease, "hopeless")
    await truth.let_time_pass(MINUTE)

    stories, mail, *others = await truth.reads.queues()
    counts = (mail.queue, mail.scheduled, mail.queued, mail.running, mail.dead)
    assert counts == (Queue.MAIL, 1, 1, 1, 1)
    assert mail.oldest is not None
    assert MINUTE <= mail.oldest < 2 * MINUTE
    assert [stories, *others] == [
        QueueLoad(queue) for queue in (Queue.STORIES, Queue.FILES, Queue.MAINTENANCE)
    ]
