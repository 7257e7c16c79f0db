"""The storyteller that asks Gemini."""

from collections.abc import AsyncGenerator
from random import SystemRandom
from typing import Final

import httpx2
import stamina
from google.genai import Client
from google.genai.types import GenerateContentConfig, HttpOptions

from adapters.gemini.answers import Answer, Responses, note_response
from adapters.gemini.faults import empty
from adapters.gemini.limits import GeminiLimits
from adapters.gemini.outlines import read_outline, schema_for
from adapters.gemini.prompts import (
    chapter_request,
    outline_request,
    safety_settings,
    system_instruction,
)
from adapters.gemini.prose import Prose
from domain.briefs import AgeBand, StoryBrief
from domain.stories import StoryPlan, TokenUsage
from usecases.ports.storytelling import Assignment, StorytellerFault

_SEEDS: Final = 2**31
"""Gemini's seed is a signed 32-bit number."""


class GeminiStoryteller:
    """Writes with a Gemini model. Every fault is a StorytellerFault, see `faults.py`.

    A call is tried again as long as nothing of its answer was released. Afterwards a fault goes to
    the job, whose next attempt writes the unfinished chapter anew.
    """

    name = "gemini"

    def __init__(
        self,
        api_key: str,
        model: str,
        *,
        base_url: str = "",
        limits: GeminiLimits | None = None,
    ) -> None:
        self.model: str | None = model
        self._model = model
        self._limits = limits or GeminiLimits()
        # The SDK takes aiohttp as soon as any package brings it along, whose time-outs, exceptions
        # and hidden retry are others. A client of our own pins httpx2; it follows no redirects.
        self._http = httpx2.AsyncClient(event_hooks={"response": [note_response]})
        self._client = Client(
            api_key=api_key,
            vertexai=False,
            http_options=HttpOptions(
                base_url=base_url or None,
                httpx_async_client=self._http,
                # On httpx2 a bound per read; `Answer` holds the real budgets.
                timeout=round(self._limits.total_seconds * 1000),
            ),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        self._client.close()

    async def plan(self, brief: StoryBrief, seed: int) -> tuple[StoryPlan, TokenUsage]:
        """Ask for an outline, again if it cannot be used. The usage is that of all tries."""
        tries: list[TokenUsage] = []

        async def outline() -> StoryPlan:
            # Another seed for each try: an answer that was useless must not come back.
            config = self._config(brief.audience)
            config.seed = (seed + len(tries)) % _SEEDS
            config.response_mime_type = "application/json"
            config.response_json_schema = schema_for(brief.chapters)
            answer = self._ask(outline_request(brief), config)
            try:
                async with await answer.open():
                    text = "".join([piece async for piece in answer])
            finally:
                tries.append(answer.usage)
            return read_outline(text, brief.chapters)

        plan = await self._retrying(self._backoff, outline)
        return plan, TokenUsage(
            input_tokens=sum(usage.input_tokens for usage in tries),
            output_tokens=sum(usage.output_tokens for usage in tries),
        )

    async def tell(self, assignment: Assignment) -> AsyncGenerator[str | TokenUsage, None]:
        """Write a chapter; see the port. Closing the iterator ends the paid request."""
        request = chapter_request(assignment)
        # No seed here: a chapter that failed must be free to come out otherwise next time.
        config = self._config(assignment.brief.audience)

        async def first_words() -> Answer:
            return await self._ask(request, config).open()

        prose = Prose()
        released = False
        async with await self._retrying(self._backoff, first_words) as answer:
            async for piece in answer:
                if text := prose.feed(piece):
                    released = True
                    yield text
            if text := prose.close():
                released = True
                yield text
        if not released:
            raise empty()
        yield answer.usage

    @property
    def _retrying(self) -> stamina.AsyncRetryingCaller:
        # The SDK's own retries ignore Retry-After; stamina lets `_backoff` answer it. It retries
        # closures without arguments, since it would log those.
        return stamina.AsyncRetryingCaller(
            attempts=self._limits.attempts,
            timeout=None,
            wait_initial=self._limits.backoff_seconds,
            wait_max=self._limits.longest_wait_seconds,
            wait_jitter=self._limits.backoff_seconds,
        )

    def _backoff(self, error: Exception) -> bool | float:
        """Say whether to try again: False, True for stamina's backoff, or after so many seconds."""
        if not isinstance(error, StorytellerFault) or error.permanent:
            return False
        if error.retry_after is None:
            return True
        if error.retry_after > self._limits.longest_wait_seconds:
            return False
        # Later than asked, never earlier, and not all callers at once.
        return error.retry_after + SystemRandom().uniform(0, self._limits.backoff_seconds)

    def _ask(self, request: str, config: GenerateContentConfig) -> Answer:
        async def send() -> Responses:
            return await self._client.aio.models.generate_content_stream(
                model=self._model, contents=request, config=config
            )

        return Answer(send, self._limits)

    def _config(self, audience: AgeBand) -> GenerateContentConfig:
        return GenerateContentConfig(
            system_instruction=system_instruction(audience),
            safety_settings=safety_settings(audience),
            max_output_tokens=self._limits.max_output_tokens,
            # Else an answer that is cut at the token limit goes on in further, uncounted requests.
            automatic_continuation=False,
        )
