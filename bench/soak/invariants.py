"""The promises, each checked when everything works again; each says how much it looked at."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from redis.asyncio import Redis

from bench.soak.installation import APIS, POOL_SIZE, WORKERS, Installation
from bench.soak.journal import read_journal, tasks_at_stop
from bench.soak.tally import Tally
from bench.vitals import Vitals
from db.database import create_engine
from db.reads import SqlReads
from tests.clients.reader import ENDS
from usecases.administration.verify_audit_trail import VerifyAuditTrail

REDIS_CONNECTIONS = 64
"""Connections to Redis that a process may keep: as many as it once needed at the same time."""

LISTENING = 2 * APIS + WORKERS
"""Connections that hear what Redis announces: events and ends of sessions, or jobs called off."""

OPEN_FILES = POOL_SIZE + REDIS_CONNECTIONS + 16
FILES_SINCE_MIDWAY = 16
MORE_THREADS = 4
MOST_TASKS = 12
"""Tasks of a process that stops: one that never served anybody has two, and 10 may stay behind."""

LONG_SECONDS = 5
"""No statement and no transaction lasts so long when there is nothing to do."""

OURS = (
    "SELECT application_name, state,"
    " extract(epoch FROM now() - state_change)::float8 AS seconds"
    " FROM pg_stat_activity WHERE application_name LIKE 'storyloom%'"
)
MEBIBYTES = 64
SETTLING_SECONDS = 20
OUTCOMES = {"StoryReady": {"ready"}, "StoryFailed": {"failed", "blocked"}}
OUTCOMES |= {"StoryCanceled": {"canceled"}}


@dataclass(frozen=True, slots=True)
class Finding:
    """How a promise was kept: over how many cases, and where it was not."""

    promise: str
    cases: int
    breaches: list[str]


@dataclass
class Inquest:
    """Looks into everything that the soak left behind. `before` are the vitals after the start."""

    place: Installation
    rows: asyncpg.Connection
    before: dict[str, Vitals]
    middle: dict[str, Vitals]

    async def findings(self) -> list[Finding]:
        """Check all promises."""
        checks: list[Callable[[], Awaitable[list[Finding]]]] = [
            self._stories,
            self._followers,
            self._mails,
            self._jobs,
            self._audit,
            self._connections,
            self._processes,
            self._stop,
            self._logs,
        ]
        return [finding for check in checks for finding in await check()]

    async def _stories(self) -> list[Finding]:
        stories = await self._by_id("SELECT id, status, failure_code FROM stories")
        wishes = self.place.tally.wishes
        lost = [wish.row for wish in wishes if wish.row not in stories]
        found = [(wish, stories[wish.row]) for wish in wishes if wish.row in stories]
        open_ = [
            f"{wish.row} is {story['status']}"
            for wish, story in found
            if story["status"] in {"queued", "planning", "writing"}
        ]
        silent = [
            wish.row
            for wish, story in found
            if story["status"] in {"failed", "blocked"} and not story["failure_code"]
        ]
        canceled = [(wish, story) for wish, story in found if wish.canceled]
        twice = [key for key, number in Counter(wish.row for wish in wishes).items() if number > 1]
        return [
            Finding("a story whose request was answered is there", len(wishes), lost),
            Finding("it has come to an end", len(found), open_),
            Finding("an end that is a failure has its reason", len(found), silent),
            Finding("no two requests were answered with one story", len(wishes), twice),
            Finding(
                "a story that was said to be cancelled is",
                len(canceled),
                [wish.row for wish, story in canceled if story["status"] != "canceled"],
            ),
        ]

    async def _followers(self) -> list[Finding]:
        tally = self.place.tally
        stories = await self._by_id(
            "SELECT s.id, s.status, string_agg(c.text, E'\\n\\n' ORDER BY c.number) AS text"
            " FROM stories s LEFT JOIN chapters c ON c.story_id = s.id GROUP BY s.id"
        )
        followed = [wish for wish in tally.wishes if wish.way in {"socket", "stream", "cancel"}]
        told = [wish for wish in followed if wish.reader.end in ENDS and wish.row in stories]
        ready = [wish for wish in told if wish.reader.end == "StoryReady"]
        polled = [wish for wish in tally.wishes if wish.polled_text is not None]
        ends = [item for library in tally.libraries for item in library.ends.items()]
        tally.count("ends told to libraries", len(ends))
        return [
            Finding(
                "events came in order, without a gap or after telling of it",
                tally.counts["events"],
                tally.broken,
            ),
            Finding(
                "each follower was told the end",
                len(followed),
                [wish.row for wish in followed if wish.reader.end is None],
            ),
            Finding(
                "who follows all their stories was told each end, or shown that it was over",
                sum(wish.library is not None for wish in tally.wishes),
                untold(tally),
            ),
            Finding(
                "and none twice",
                len(ends),
                [f"{story_id}: {times} times" for story_id, times in ends if times > 1],
            ),
            Finding(
                "that end is what the library says",
                len(told),
                [
                    f"{wish.row}: {wish.reader.end}, {stories[wish.row]['status']}"
                    for wish in told
                    if stories[wish.row]["status"] not in OUTCOMES[str(wish.reader.end)]
                ],
            ),
            Finding(
                "the text that was followed is the one that is stored",
                len(ready),
                [w.row for w in ready if w.reader.text != stories[w.row]["text"]],
            ),
            Finding(
                "so is the text that was polled",
                len(polled),
                [w.row for w in polled if w.polled_text != stories[w.row]["text"]],
            ),
        ]

    async def _mails(self) -> list[Finding]:
        mails = await self.rows.fetch("SELECT * FROM deliveries")
        owing = await self.rows.fetch(
            "SELECT s.id, d.status, d.last_error FROM stories s LEFT JOIN deliveries d"
            " ON d.event_key = 'story:' || s.id || ':ready'"
            " WHERE s.status = 'ready' AND s.mail_when_ready"
        )
        arrived = Counter(mail.message_id for mail in self.place.mail.mails)
        sent = [mail for mail in mails if mail["status"] == "sent"]
        codes = [mail for mail in mails if mail["kind"].endswith("_code")]
        again = [mail for mail in mails if arrived[mail["message_id"]] > 1]
        self.place.tally.count("mails that arrived twice", len(again))
        events = Counter(mail["event_key"] for mail in mails)
        return [
            Finding(
                "a story that is ready has its mail, sent or given up with a reason",
                len(owing),
                [
                    f"{row['id']}: {row['status']}"
                    for row in owing
                    if row["status"] != "sent" and not (row["status"] == "failed" and row[2])
                ],
            ),
            Finding(
                "an event has one mail",
                len(events),
                [event for event, number in events.items() if number > 1],
            ),
            Finding(
                "a mail that counts as sent has arrived",
                len(sent),
                [mail["event_key"] for mail in sent if not arrived[mail["message_id"]]],
            ),
            Finding(
                "a mail arrives once a try at most, and twice only if its first try was lost",
                len(mails),
                [
                    f"{mail['event_key']}: {arrived[mail['message_id']]}"
                    for mail in again
                    if arrived[mail["message_id"]] > mail["attempts"]
                ],
            ),
            Finding(
                "a code arrives once",
                len(codes),
                [mail["event_key"] for mail in codes if arrived[mail["message_id"]] > 1],
            ),
        ]

    async def _jobs(self) -> list[Finding]:
        jobs = await self.rows.fetch(
            "SELECT id, kind, state, attempt, last_error, run_at > now() + interval '10 minutes'"
            " AS far FROM jobs"
        )
        slots = await self.rows.fetch(
            "SELECT holder, provider, until > now() AS held FROM provider_slots"
            " WHERE holder IS NOT NULL"
        )
        dead = [job for job in jobs if job["state"] == "dead"]
        self.place.tally.count("jobs that were tried again", sum(j["attempt"] > 1 for j in jobs))
        return [
            Finding(
                "no job waits or runs any more",
                len(jobs),
                [
                    f"{job['kind']} {job['id']} is {job['state']}: {job['last_error']}"
                    for job in jobs
                    if job["state"] in {"queued", "running", "scheduled"} and not job["far"]
                ],
            ),
            Finding(
                "a dead letter has its reason",
                len(dead),
                [str(job["id"]) for job in dead if not job["last_error"]],
            ),
            Finding(
                "nobody holds a slot of the storyteller",
                len(slots),
                [str(slot["holder"]) for slot in slots if slot["held"]],
            ),
        ]

    async def _audit(self) -> list[Finding]:
        engine = create_engine(self.place.postgres.url, pool_size=1)
        try:
            verdict = await VerifyAuditTrail(SqlReads(engine))()
        finally:
            await engine.dispose()
        entries = verdict.head.sequence if verdict.head else 0
        broken = [] if verdict.broken_at is None else [f"{verdict.broken_at}: {verdict.fault}"]
        return [Finding("the audit trail is whole", entries, broken)]

    async def _connections(self) -> list[Finding]:
        processes = len(self.place.processes)
        in_postgres, in_redis = processes * POOL_SIZE, processes * REDIS_CONNECTIONS
        async with Redis.from_url(self.place.redis.url) as redis:
            for _ in range(SETTLING_SECONDS):
                held = await self.rows.fetch(OURS)
                busy = [
                    f"{row['application_name']} is {row['state']} for {row['seconds']:.0f} s"
                    for row in held
                    if row["state"] != "idle" and row["seconds"] > LONG_SECONDS
                ]
                clients = len(await redis.client_list()) - 1
                listening = len(await redis.client_list(_type="pubsub"))
                if (
                    not busy
                    and len(held) <= in_postgres
                    and clients <= in_redis
                    and listening <= LISTENING
                ):
                    break
                await asyncio.sleep(1)  # the servers notice one by one who has gone
        return [
            _bounded("connections to PostgreSQL", {"all": (len(held), in_postgres)}),
            Finding(f"none of them is at anything for more than {LONG_SECONDS} s", len(held), busy),
            _bounded("connections to Redis", {"all": (clients, in_redis)}),
            _bounded("of which listen", {"all": (listening, LISTENING)}),
        ]

    async def _processes(self) -> list[Finding]:
        tally, now = self.place.tally, vitals_of(self.place)
        alive = {name: v for name, v in now.items() if v.pid == self.before[name].pid}
        middle = {
            name: v
            for name, v in alive.items()
            if name in self.middle and self.middle[name].pid == v.pid
        }
        missing = [process.name for process in self.place.processes if not process.runs]
        return [
            Finding(
                "no process ended by itself, or would not end",
                len(now),
                [*tally.deaths, *(f"{name} does not run" for name in missing)],
            ),
            _bounded(
                f"open files, at most {OPEN_FILES} more than at the start",
                {
                    name: (v.files, self.before[name].files + OPEN_FILES)
                    for name, v in alive.items()
                },
            ),
            _bounded(
                f"open files of those that lived through it, at most {FILES_SINCE_MIDWAY} more"
                " than midway",
                {
                    name: (v.files, self.middle[name].files + FILES_SINCE_MIDWAY)
                    for name, v in middle.items()
                },
            ),
            _bounded(
                f"threads of those that lived through it, at most {MORE_THREADS} more",
                {
                    name: (v.threads, self.before[name].threads + MORE_THREADS)
                    for name, v in alive.items()
                },
            ),
            _bounded(
                f"MiB of those that lived through it, at most {MEBIBYTES} more than midway",
                {
                    name: (v.mebibytes, self.middle[name].mebibytes + MEBIBYTES)
                    for name, v in middle.items()
                },
            ),
        ]

    async def _stop(self) -> list[Finding]:
        """Stop all of them, now that they have nothing to do: what is left over, they count."""
        place, deaths = self.place, len(self.place.tally.deaths)
        since = {process.name: process.log.stat().st_size for process in place.processes}
        await place.stop()
        counted = {
            process.name: tasks_at_stop(process.log, since[process.name])
            for process in place.processes
        }
        silent = [f"{name} did not say that it stops" for name, n in counted.items() if n is None]
        return [
            Finding(
                "each process stops in order",
                len(counted),
                [*place.tally.deaths[deaths:], *silent],
            ),
            _bounded(
                "tasks that it had then",
                {name: (n, MOST_TASKS) for name, n in counted.items() if n is not None},
            ),
        ]

    async def _logs(self) -> list[Finding]:
        journal = await asyncio.to_thread(read_journal, self.place.logs, self.place.tally.secrets)
        self.place.tally.count("errors logged", journal.errors)
        return [
            Finding(
                "no unexpected error is in the logs",
                journal.lines,
                [f"{number} x {trace}" for trace, number in (+journal.traces).most_common()],
            ),
            Finding("no secret and no story is in the logs", journal.lines, journal.leaks),
        ]

    async def _by_id(self, query: str) -> dict[str, Any]:
        return {str(row["id"]): row for row in await self.rows.fetch(query)}


def untold(tally: Tally) -> list[str]:
    """Return the stories that their owners, who follow all of theirs, take for unfinished."""
    return [
        wish.row
        for wish in tally.wishes
        if wish.library and not wish.library.knows_the_end(wish.story_id, wish.answered_at)
    ]


def vitals_of(place: Installation) -> dict[str, Vitals]:
    """Look at all processes that run."""
    return {process.name: Vitals.of(process.pid) for process in place.processes if process.runs}


def _bounded(what: str, measured: dict[str, tuple[int, int]]) -> Finding:
    figures = ", ".join(f"{name} {value} of {most}" for name, (value, most) in measured.items())
    over = [f"{name}: {value}, not {most}" for name, (value, most) in measured.items()
            if value > most]  # fmt: skip
    return Finding(f"{what} ({figures})", len(measured), over)
