"""Every way in which the model fails us: a bounded number of paid calls, and an honest outcome."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

import pytest

from adapters.gemini.limits import GeminiLimits
from adapters.gemini.storyteller import GeminiStoryteller
from domain.briefs import StoryBrief
from domain.stories import PlannedChapter, StoryPlan
from tests.faults.proxy import BlackHole, Clear, Fault, FaultProxy, HalfOpen, Latency, Refuse, Reset
from tests.figures import Figures
from tests.gemini_server import (
    Behaviour,
    GeminiServer,
    answer,
    block_prompt,
    cut_after,
    hang,
    hang_after,
    refuse,
    rubbish,
)
from usecases.ports.storytelling import Assignment, StorytellerFault

LIMITS = GeminiLimits(
    first_chunk_seconds=0.3,
    chunk_seconds=0.3,
    total_seconds=2,
    attempts=3,
    backoff_seconds=0.01,
    longest_wait_seconds=1,
)
CHAPTER = Assignment(
    brief=StoryBrief(words=300, chapters=1),
    plan=StoryPlan(title="The Fox", chapters=(PlannedChapter(title="Dusk", summary="Out."),)),
    seed=7,
    number=1,
    told=(),
)
WORDS = ("The fox sat still. ", "She waited. ", "Then she ran.")
AWAY, BLOCKED = "passing: UPSTREAM_UNAVAILABLE", "final: CONTENT_BLOCKED"
SOON, LATER = f"{AWAY}, try again after 0.2 s", f"{AWAY}, try again after 60 s"
TOLD = "told whole"


@dataclass
class Desk:
    """A storyteller, what is between it and the model, and what it has told."""

    server: GeminiServer
    proxy: FaultProxy
    storyteller: GeminiStoryteller
    text: str = ""

    async def outcome(self, midway: Fault | None = None) -> str:
        """Have a chapter written; `midway` comes after its first words. Return what came of it."""
        self.text = ""
        try:
            async with aclosing(self.storyteller.tell(CHAPTER)) as telling:
                async for part in telling:
                    self.text += part if isinstance(part, str) else ""
                    if midway is not None:
                        self.proxy.fault = midway
        except StorytellerFault as fault:
            kind = "final" if fault.permanent else "passing"
            wait = "" if fault.retry_after is None else f", try again after {fault.retry_after:g} s"
            return f"{kind}: {fault.code}{wait}"
        return TOLD


@pytest.fixture
async def desk(figures: Figures) -> AsyncIterator[Desk]:
    """Return a storyteller behind a proxy: on the full scale as patient as the service's."""
    async with GeminiServer() as server, FaultProxy.before(server.url) as proxy:
        storyteller = GeminiStoryteller(
            "test-key",
            "gemini-test",
            base_url=proxy.url,
            limits=GeminiLimits() if figures.full else LIMITS,
        )
        yield Desk(server, proxy, storyteller)
        await storyteller.aclose()


@pytest.mark.parametrize(
    ("behaviour", "outcome", "calls"),
    [
        pytest.param(refuse(429, retry_after=0.2), SOON, 3, id="429 with a short Retry-After"),
        pytest.param(refuse(429, retry_after=60), LATER, 1, id="429 with a long Retry-After"),
        pytest.param(refuse(500), AWAY, 3, id="500"),
        pytest.param(hang, AWAY, 3, id="hang"),
        pytest.param(hang_after(*WORDS), AWAY, 1, id="hang in the stream"),
        pytest.param(cut_after(*WORDS), AWAY, 1, id="cut stream"),
        pytest.param(cut_after(), AWAY, 3, id="cut before the first word"),
        pytest.param(block_prompt(), BLOCKED, 1, id="safety block"),
        pytest.param(answer(*WORDS, finish="SAFETY"), BLOCKED, 1, id="safety block in the stream"),
        pytest.param(answer(), AWAY, 3, id="empty"),
        pytest.param(rubbish(b"data: what is this\r\n\r\n"), AWAY, 3, id="rubbish"),
    ],
)
async def test_a_fault_of_the_model_costs_few_calls_and_is_told_as_it_is(
    desk: Desk,
    figures: Figures,
    request: pytest.FixtureRequest,
    behaviour: Behaviour,
    outcome: str,
    calls: int,
) -> None:
    desk.server.script(*[behaviour] * 5)
    assert await desk.outcome() == outcome

    assert len(desk.server.calls) == calls
    figures.show(f"Gemini: {request.node.callspec.id}", f"calls: {calls}, {outcome}")


@pytest.mark.parametrize(
    ("fault", "outcome", "calls"),
    [
        pytest.param(Latency(0.05), TOLD, 1, id="a slow line"),
        pytest.param(Reset(), AWAY, 0, id="a reset"),
        pytest.param(Refuse(), AWAY, 0, id="a closed port"),
        pytest.param(BlackHole(), AWAY, 0, id="a black hole"),
    ],
)
async def test_a_line_that_is_bad_from_the_start(
    desk: Desk,
    figures: Figures,
    request: pytest.FixtureRequest,
    fault: Fault,
    outcome: str,
    calls: int,
) -> None:
    desk.proxy.fault = fault
    began = monotonic()
    assert await desk.outcome() == outcome
    took = monotonic() - began

    assert len(desk.server.calls) == calls
    assert desk.proxy.opened <= 3
    figures.show(
        f"Gemini behind {request.node.callspec.id}",
        f"calls: {calls}, {outcome} in {took:.1f} s",
    )


@pytest.mark.parametrize(
    "fault", [Reset(), BlackHole(), HalfOpen()], ids=["a reset", "a black hole", "a half-open line"]
)
async def test_a_line_that_breaks_in_the_stream_costs_one_call_and_splices_nothing(
    desk: Desk, figures: Figures, request: pytest.FixtureRequest, fault: Fault
) -> None:
    desk.server.script(answer(*WORDS, pause=0.1))
    began = monotonic()
    assert await desk.outcome(midway=fault) == AWAY
    took = monotonic() - began
    assert "".join(WORDS).startswith(desk.text)
    assert len(desk.server.calls) == 1

    desk.proxy.fault = Clear()
    desk.server.script(answer(*WORDS))
    assert await desk.outcome() == TOLD
    assert desk.text == "".join(WORDS)
    assert len(desk.server.calls) == 2
    figures.show(
        f"Gemini: {request.node.callspec.id} in the stream",
        f"calls: 1, {AWAY} in {took:.1f} s; the next attempt tells all",
    )
