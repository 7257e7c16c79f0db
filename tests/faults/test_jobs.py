"""Jobs survive what happens to their workers, their queue and their database."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import text

from adapters.heartbeat import live_workers
from domain.jobs import Priority
from tests.faults.errands import (
    CALLS_AT_ONCE,
    Call,
    Doomed,
    Errand,
    Hurried,
    NewErrand,
    Novelty,
    Stroke,
)
from tests.faults.nursery import Child
from tests.faults.site import (
    DRAIN_SECONDS,
    LEASE_SECONDS,
    PACE,
    QUICK_PACE,
    SETTINGS,
    TAKEN_OVER,
    Site,
    Worker,
    open_site,
)
from tests.figures import Figures
from tests.servers import Server
from usecases.stories.write_story import WriteStoryTask
from workers.process import LIFE_SECONDS

CLOCK_SHIFTS = (-90, 5, 90)
"""Seconds by which the clocks of workers are wrong."""


@pytest.fixture
async def site(postgres_url: str, redis_url: str, figures: Figures) -> AsyncIterator[Site]:
    pace = PACE if figures.full else QUICK_PACE
    async with open_site(postgres_url, redis_url, pace) as site:
        yield site


async def test_a_job_is_done_by_a_worker_process(site: Site) -> None:
    worker = await site.start_worker()
    story_id, job_id = await site.ask_for_story()
    await worker.says("started attempt 1")
    assert await live_workers(site.redis) == 1
    worker.go_on()
    await worker.says("written")
    await worker.leaves()

    assert await site.state(job_id) == "done"
    assert await site.chapters(story_id) == 1
    assert await live_workers(site.redis) == 0


async def test_a_host_shows_life_while_one_of_its_workers_lives(site: Site) -> None:
    assert await _check(site) == 1
    await site.start_worker()
    async with asyncio.timeout(5):
        while not (signs := await site.redis.keys("*:health-check")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # Redis tells nobody
    [sign] = signs
    two_beats = timedelta(seconds=2 * LIFE_SECONDS) / timedelta(milliseconds=1)
    assert 0.75 * two_beats < await site.redis.pttl(sign) <= 1.25 * two_beats
    await (await site.start_worker()).leaves()
    assert await _check(site) == 0, "arq would have removed the sign that both share"


async def test_a_job_starts_the_moment_it_is_promised(site: Site, figures: Figures) -> None:
    worker = await site.start_worker()
    waits = []
    for number in range(figures.scale(20, 300)):
        await site.promise(Errand(name=f"e{number}"))
        promised = asyncio.get_running_loop().time()
        waits.append(await worker.mentions(f"e{number} attempt 1") - promised)
    waits.sort()
    median, most = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    assert median < figures.scale(50, 10) / 1000
    if figures.full:
        assert most < 0.025
    figures.show("Job: commit to start, median", f"{median * 1000:.1f} ms")
    figures.show(f"Job: commit to start, 99 of 100 ({len(waits)})", f"{most * 1000:.1f} ms")


@pytest.mark.parametrize(
    ("mail", "what"),
    [(Errand, "do nothing"), (Stroke, "write to PostgreSQL")],
    ids=["idle", "writing"],
)
async def test_a_flood_in_one_queue_starves_no_other(
    site: Site, figures: Figures, mail: type[Errand], what: str
) -> None:
    many = figures.scale(400, 1000)
    await site.promise(*(mail(name=f"e{number}", seconds=0.05) for number in range(many)))
    worker = await site.start_worker(SLOTS="10")
    await worker.mentions("e3 attempt 1")
    await site.ask_for_story()
    asked = asyncio.get_running_loop().time()
    waited = await worker.mentions("started attempt 1", within=1) - asked
    assert await site.count("state = 'queued' AND queue = 'mail'") > many / 2
    figures.show(f"Job: start beside {many} mails that {what}", f"{waited * 1000:.0f} ms")


async def test_nobodys_first_job_waits_for_anothers_second(site: Site) -> None:
    ada, ben = await site.account(), await site.account()
    slots = 2
    worker = await site.start_worker(SLOTS=str(slots))
    errands = [Errand(name=f"ada {number}", seconds=0.05) for number in range(100)]
    await site.promise(*errands, account_id=ada)
    await worker.mentions("ada 5 attempt 1")
    before = len(_attempts(worker))
    await site.promise(Errand(name="ben"), account_id=ben)
    await worker.mentions("ben attempt 1")
    later = _attempts(worker)[before:]
    assert later.index("ben attempt 1") <= slots, "the slots that were being filled, at most"


async def test_what_is_urgent_goes_first_and_what_is_not_goes_last(site: Site) -> None:
    worker = await site.start_worker(SLOTS="1")
    await site.promise(Errand(name="now", seconds=0.5))
    await worker.says("now attempt 1")
    await site.promise(Errand(name="low"), priority=Priority.LOW)
    await site.promise(*(Errand(name=f"normal {number}") for number in range(3)))
    await site.promise(Errand(name="urgent"), priority=Priority.URGENT)
    await site.all_done()
    order = [event.removesuffix(" attempt 1") for event in _attempts(worker)]
    assert order == ["now", "urgent", "normal 0", "normal 1", "normal 2", "low"]


async def test_jobs_of_killed_workers_are_taken_over(site: Site, figures: Figures) -> None:
    times, longest = figures.scale(2, 100), 0.0
    first, second = await asyncio.gather(site.start_worker(), site.start_worker())
    for number in range(times):
        name = f"e{number}"
        await site.promise(Errand(name=name, seconds=0.5))
        doomed, heir = await _who_mentions(f"{name} attempt 1", first, second)
        died, first = await asyncio.gather(doomed.dies(), site.start_worker())
        second = heir
        again = asyncio.get_running_loop().time()
        savior, _ = await _who_mentions(f"{name} attempt 2", first, second, within=TAKEN_OVER)
        longest = max(longest, asyncio.get_running_loop().time() - min(died, again))
        await savior.mentions(f"{name} done")
    await site.all_done()
    assert await site.count("state = 'done' AND attempt = 2") == times
    figures.show(
        f"Worker killed within a job, {times} times",
        f"{times} done; running again after {longest:.1f} s at most (lease {LEASE_SECONDS:.0f} s)",
    )


async def test_a_worker_that_was_paused_writes_nothing_afterwards(
    site: Site, figures: Figures
) -> None:
    pause, strokes = figures.scale(0, 60), ("s0", "s1", "s2")
    # Its heartbeat is of no help to it: what keeps it from writing is the fence.
    paused = await site.start_worker(BEAT="600")
    story_id, _ = await site.ask_for_story()
    await site.promise(*(Stroke(name=name, seconds=1) for name in strokes))
    for name in ("started", *strokes):
        await paused.mentions(f"{name} attempt 1")
    paused.process.send_signal(signal.SIGSTOP)
    heir = await site.start_worker()
    await heir.mentions("started attempt 2", within=TAKEN_OVER)
    for name in strokes:
        await heir.mentions(f"{name} struck")
    await asyncio.sleep(pause)  # a pause has a length

    # Its heir has done the strokes, and is at the story.
    paused.go_on()
    paused.process.send_signal(signal.SIGCONT)
    await paused.leaves()
    stale = sum(event == "written" or event.endswith("struck") for event in paused.said)
    assert stale == 0
    assert {
        f"{effect} refused" for effect in ("written", *(f"{name} struck" for name in strokes))
    } <= set(paused.said)
    heir.go_on()
    await heir.mentions("written")
    await site.all_done()
    assert await site.chapters(story_id) == 1
    assert await site.count("state = 'done' AND attempt = 2") == 1 + len(strokes)
    assert await site.count("progress = 1") == len(strokes)
    figures.show(f"Stale writes of a worker paused beyond its lease ({pause} s)", str(stale))


async def test_jobs_are_found_whose_committer_was_killed_before_it_woke_anybody(
    site: Site, figures: Figures
) -> None:
    times, longest = figures.scale(1, 100), 0.0
    worker = await site.start_worker()
    for number in range(times):
        committer = await Child.born(
            "tests.faults.jobs_committer:run", [f"e{number}"], site.environment
        )
        assert await committer.wait() == -signal.SIGKILL
        died = asyncio.get_running_loop().time()
        longest = max(longest, await worker.mentions(f"e{number} attempt 1", within=3) - died)
    await site.all_done()
    assert await site.count("state = 'done' AND attempt = 1") == times
    figures.show(
        f"Committer killed before the wake-up, {times} times",
        f"{times} done; started after {longest:.1f} s at most",
    )


async def test_a_job_survives_a_flushed_redis(site: Site) -> None:
    story_id, _ = await site.ask_for_story()
    await site.redis.flushdb()
    worker = await site.start_worker()
    await worker.says("started attempt 1")
    await site.redis.flushdb()
    worker.go_on()
    await worker.says("written")
    assert await site.chapters(story_id) == 1


async def test_a_canceled_job_stops_within_a_second(site: Site, figures: Figures) -> None:
    worker = await site.start_worker(LEASE_SECONDS="30")  # its next beat would be too late
    story_id, job_id = await site.ask_for_story()
    await worker.says("started attempt 1")
    async with site.database.begin() as work:
        await work.jobs.cancel(WriteStoryTask, str(story_id))
    canceled = asyncio.get_running_loop().time()

    waited = await worker.says("stopped", within=1) - canceled
    assert await site.state(job_id) == "canceled"
    other_story, _ = await site.ask_for_story()
    await worker.says("started attempt 1")
    worker.go_on()
    await worker.says("written")
    assert (await site.chapters(story_id), await site.chapters(other_story)) == (0, 1)
    figures.show("Running job canceled: stopped after", f"{max(waited, 0) * 1000:.0f} ms")


async def test_a_worker_that_must_stop_finishes_what_it_can_and_hands_the_rest_back(
    site: Site,
) -> None:
    leaving = await site.start_worker(PACE="30")
    story_id, job_id = await site.ask_for_story()
    await leaving.says("started attempt 1")
    await site.promise(Errand(name="long", seconds=60))
    await leaving.says("long attempt 1")
    heir = await site.start_worker(PACE="30")
    leaving.process.terminate()
    leaving.go_on()

    await leaving.says("written", within=DRAIN_SECONDS)
    stopped = await leaving.says("long stopped", within=DRAIN_SECONDS + 1)
    waited = await heir.says("long attempt 1") - stopped
    await leaving.ends()
    assert waited < PACE, "sooner than a relay looks"
    assert await site.state(job_id) == "done"
    assert await site.chapters(story_id) == 1


async def test_nothing_is_lost_when_redis_restarts_and_forgets(
    postgres_url: str, own_redis: Server, figures: Figures
) -> None:
    many = figures.scale(100, 1000)
    async with open_site(postgres_url, own_redis.url) as site:
        worker = await site.start_worker()
        story_id, _ = await site.ask_for_story()
        await worker.mentions("started attempt 1")
        await site.promise(*(Errand(name=f"e{number}", seconds=0.05) for number in range(many)))
        await worker.mentions("e9 attempt 1")
        await site.redis.flushall()
        await own_redis.restart()
        worker.go_on()
        await worker.mentions("written")

        await site.promise(Errand(name="later"))
        await worker.mentions("later done", within=30)
        await site.all_done()
        assert worker.process.returncode is None
        assert await site.chapters(story_id) == 1
        assert await site.count("state = 'done'") == many + 2
        assert await site.count("attempt > 1") == 0
    figures.show(f"Jobs lost of {many} when Redis was flushed and restarted", "0")


async def test_a_story_asked_for_while_redis_is_away_is_written(
    postgres_url: str, own_redis: Server
) -> None:
    async with open_site(postgres_url, own_redis.url) as site:
        worker = await site.start_worker()
        await own_redis.kill()
        story_id, _ = await site.ask_for_story()
        await own_redis.start()
        await worker.says("started attempt 1")
        worker.go_on()
        await worker.says("written")
        assert await site.chapters(story_id) == 1


async def test_workers_outlive_a_crash_of_postgresql(own_postgres: Server, redis_url: str) -> None:
    async with open_site(own_postgres.url, redis_url) as site:
        worker = await site.start_worker()
        story_id, job_id = await site.ask_for_story()
        await worker.says("started attempt 1")
        await own_postgres.kill()
        await own_postgres.start()
        worker.go_on()
        await worker.says("written")
        await worker.leaves()
        assert await site.state(job_id) == "done"
        assert await site.chapters(story_id) == 1


async def test_a_schedule_ticks_once_a_tick_though_clocks_disagree(
    site: Site, figures: Figures
) -> None:
    ticks = figures.scale(4, 20)
    workers = await asyncio.gather(
        *(
            site.start_worker(TICKS="1", PACE="0.2", CLOCK_SHIFT=str(seconds))
            for seconds in CLOCK_SHIFTS
        )
    )
    async with asyncio.timeout(ticks + 10):
        while await site.count("state = 'done'") < ticks:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # only the table tells
    await asyncio.gather(*(worker.leaves() for worker in workers))

    effects = sum(worker.said.count("tick") for worker in workers)
    assert effects == await site.count("state = 'done' AND attempt = 1") == await site.count()
    async with site.engine.connect() as connection:
        query = text("SELECT scheduled_for, created_at FROM jobs ORDER BY scheduled_for")
        rows = (await connection.execute(query)).all()
    assert [row.scheduled_for for row in rows] == [
        rows[0].scheduled_for + timedelta(seconds=number) for number in range(effects)
    ]
    assert all(row.scheduled_for <= row.created_at for row in rows), "none is ahead of its time"
    figures.show(
        "Schedule of each second, on workers whose clocks are up to 90 s wrong",
        f"{effects} effects of {effects} ticks",
    )


async def test_jobs_of_newer_code_wait_for_it_while_older_code_works_on(site: Site) -> None:
    old = await site.start_worker()
    await site.promise(NewErrand(name="second version"), Novelty(name="new kind"))
    await site.promise(Errand(name="known"))
    await old.mentions("known done")
    assert await site.count("state = 'queued' AND attempt = 0") == 2

    new = await site.start_worker(IS_NEW="1")
    await asyncio.gather(*(new.mentions(f"{name} done") for name in ("second version", "new kind")))
    assert not any("new" in event or "second" in event for event in old.said)


async def test_old_workers_do_not_keep_new_code_from_its_jobs(
    postgres_url: str, redis_url: str, figures: Figures
) -> None:
    chance, longest = Random(20261121), 0.0  # noqa: S311 - the same moments in each run
    async with open_site(postgres_url, redis_url, PACE) as site:
        new = await site.start_worker(IS_NEW="1")
        await asyncio.gather(site.start_worker(), site.start_worker())
        for number in range(5):
            await asyncio.sleep(chance.random())  # at any moment of their relays' turns
            await site.promise(Novelty(name=f"n{number}"))
            promised = asyncio.get_running_loop().time()
            longest = max(longest, await new.mentions(f"n{number} attempt 1", 3) - promised)
    figures.show("Job of new code beside 2 old workers", f"started after {longest:.2f} s at most")


async def test_jobs_out_of_tries_or_time_become_dead_letters(site: Site) -> None:
    worker = await site.start_worker()
    tired, late = await site.promise(Doomed(name="tired"), Hurried(name="late"))
    await site.all_done()
    assert [await site.state(job_id) for job_id in (tired, late)] == ["dead", "dead"]
    assert {"tired attempt 3", "tired abandoned: the shop is closed"} <= set(worker.said)
    assert "tired attempt 4" not in worker.said
    assert "late abandoned: the shop is closed" in worker.said
    assert len([event for event in worker.said if event.startswith("late attempt")]) < 4


async def test_calls_to_a_provider_are_bounded_over_all_workers(site: Site) -> None:
    running, most = 0, 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)  # a call takes a while
        running -= 1
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as provider:
        port = provider.sockets[0].getsockname()[1]
        workers = await asyncio.gather(site.start_worker(), site.start_worker())
        await site.promise(*(Call(name=f"call {number}", port=port) for number in range(12)))
        await site.all_done()
    assert 1 < most <= CALLS_AT_ONCE
    assert all("done" in "".join(worker.said) for worker in workers), "both have called"


def _attempts(worker: Worker) -> list[str]:
    return [event for event in worker.said if event.endswith("attempt 1")]


async def _check(site: Site) -> int | None:
    """Return what `arq --check` says."""
    check = await Child.born("arq.cli:cli", ["--check", SETTINGS], site.environment)
    return await check.wait()


async def _who_mentions(
    event: str, first: Worker, second: Worker, within: float = 10
) -> tuple[Worker, Worker]:
    """Return the worker that says so first, then the other."""
    hearing = {
        asyncio.create_task(worker.mentions(event, within)): (worker, other)
        for worker, other in ((first, second), (second, first))
    }
    done, pending = await asyncio.wait(hearing, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)
    (task,) = done
    await task
    return hearing[task]
