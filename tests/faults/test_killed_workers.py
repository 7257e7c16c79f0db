"""Workers are killed in the middle of the stories that they write, again and again."""

import asyncio
import json
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any

from tests.clients.person import ADDRESS, Person
from tests.clients.reader import Reader
from tests.deployment import Deployment
from tests.figures import Figures
from tests.gemini_server import (
    Call,
    GeminiServer,
    Wire,
    chapter,
    hang_after,
    outline,
    tell_story,
)
from tests.smtp_server import SmtpServer

CHAPTERS = 2
WITHIN = 45
"""Seconds after which another worker must be at it (docs/security.md)."""


@dataclass
class Watcher(Reader):
    """A reader who notes when the story began anew."""

    restarted: float = 0

    def read(self, event: Any) -> None:  # noqa: ANN401 - JSON
        """Take in one event."""
        super().read(event)
        if event["__typename"] == "StoryRestarted":
            self.restarted = monotonic()


@dataclass
class FallsSilent:
    """A model that falls silent once in each story: in its outline, or in one of its chapters."""

    chance: Random
    silences: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, call: Call, wire: Wire) -> None:
        """Answer in full, or in part."""
        is_last = f"Write chapter {CHAPTERS} of" in call.prompt
        if not is_last and self.chance.random() < 0.6:
            await tell_story(call, wire)
            return
        whole = [*json.dumps(outline(CHAPTERS))] if call.is_plan else chapter(call.number)
        self.silences.release()
        await hang_after(*whole[: self.chance.randrange(1, len(whole))])(call, wire)


async def test_stories_whose_workers_are_killed_are_written_to_their_ends_and_mailed_once(
    ada: Person,
    deployment: Deployment,
    gemini: GeminiServer,
    mail_server: SmtpServer,
    figures: Figures,
) -> None:
    rounds, crew = figures.scale(1, 10), figures.scale(2, 10)
    lease = figures.scale(3, 30)
    # Each of the killed has a slot of the model's, and there are no others.
    limits = {"JOB_LEASE_SECONDS": str(lease), "STORYTELLER_CONCURRENCY": str(crew)}
    able = {**deployment.settings, **limits}
    busy = {**able, "WORKER_QUEUES": "stories=1"}
    silent = FallsSilent(Random(20261121))  # noqa: S311 - the same points in each run
    slowest, told, lost = 0.0, 0, 0
    await deployment.stop_worker()
    for _ in range(rounds):
        gemini.unscripted = silent
        readers = {await ada.request(chapters=CHAPTERS): Watcher() for _ in range(crew)}
        deployment.settings = busy
        for _ in range(crew):
            deployment.start_worker()
        async with asyncio.TaskGroup() as group:
            for story_id, reader in readers.items():
                group.create_task(ada.keep_following(story_id, reader))
            for _ in range(crew):
                await silent.silences.acquire()
            gemini.unscripted = tell_story
            await asyncio.gather(*(deployment.kill(worker) for worker in deployment.workers))
            killed = monotonic()
            deployment.workers.clear()
            deployment.settings = able
            deployment.start_worker()
        for story_id, reader in readers.items():
            stored = await ada.stored(story_id)
            whole = (stored["status"], stored["attempts"], stored["text"])
            lost += (reader.end, *whole) != ("StoryReady", "READY", 2, reader.text)
            slowest = max(slowest, reader.restarted - killed)
        told += crew
        await mail_server.mail_to(ADDRESS, count=1 + told, within=60)
        await deployment.stop_worker()

    assert lost == 0
    assert slowest < WITHIN
    assert len(mail_server.mails_to(ADDRESS)) == 1 + told, "the code, and each story once"
    figures.show(
        f"worker killed in the middle of a story, {told} times",
        f"{told} written whole and mailed once, 0 lost, "
        f"running again after {slowest:.1f} s (lease {lease} s)",
    )
