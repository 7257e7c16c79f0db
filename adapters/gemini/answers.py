"""One paid request and its answer, as it streams in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Self

import httpx2
from google.genai.types import FinishReason, GenerateContentResponse

from adapters.gemini.faults import blocked_prompt, empty, fault_from, unfinished
from adapters.gemini.limits import GeminiLimits
from domain.stories import TokenUsage
from usecases.ports.storytelling import StorytellerFault

Responses = AsyncIterator[GenerateContentResponse]

_response: ContextVar[httpx2.Response | None] = ContextVar("gemini_response", default=None)
"""The response that the task of an answer reads."""


async def note_response(response: httpx2.Response) -> None:
    """Remember the response of this task: an httpx2 event hook."""
    _response.set(response)


class Answer:
    """The text of one answer, in the pieces that Gemini sends.

    The request runs in a task of its own, so that leaving the `async with` block can end it at any
    moment by cancelling the task. With google-genai 3.4, leaving or closing the SDK's iterator
    keeps the connection open and the model writing; so does an error within it. Therefore the task
    closes the response itself, whatever ended the reading.
    """

    def __init__(self, send: Callable[[], Awaitable[Responses]], limits: GeminiLimits) -> None:
        self._send = send
        self._limits = limits
        # Unbounded, so that a slow reader never counts as a silent model. The limit of output
        # tokens bounds it.
        self._inbox: asyncio.Queue[str | StorytellerFault | None] = asyncio.Queue()
        self._first: str | None = None
        self._finish: FinishReason | None = None
        self._wrote = False
        self._task: asyncio.Task[None] | None = None
        self.usage = TokenUsage()

    async def open(self) -> Self:
        """Send the request and wait for the first text. Raises StorytellerFault, and then it ends.

        Until it returns nothing was released, so it may be tried again.
        """
        self._task = asyncio.create_task(self._read(), name="gemini-answer")
        try:
            self._first = await self._next()
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """End the request, if it still runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """Return the next piece of text. Raises StorytellerFault for any end but a good one."""
        piece, self._first = self._first, None
        if piece is None:
            piece = await self._next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _next(self) -> str | None:
        item = await self._inbox.get()
        if isinstance(item, StorytellerFault):
            raise item
        return item

    async def _read(self) -> None:
        """Put each piece into the inbox, and last either None or the fault that ended it."""
        end: StorytellerFault | None
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                await self._receive()
            end = self._verdict()
        except Exception as error:  # noqa: BLE001 - the one place where the SDK's exceptions end
            end = fault_from(error)
        finally:
            if response := _response.get():
                await response.aclose()
        self._inbox.put_nowait(end)

    async def _receive(self) -> None:
        async with asyncio.timeout(self._limits.first_chunk_seconds):
            responses = aiter(await self._send())
            response = await anext(responses, None)
        while response is not None:
            self._take(response)
            async with asyncio.timeout(self._limits.chunk_seconds):
                response = await anext(responses, None)

    def _take(self, response: GenerateContentResponse) -> None:
        if (feedback := response.prompt_feedback) and feedback.block_reason:
            raise blocked_prompt(feedback.block_reason)
        if counted := response.usage_metadata:
            self.usage = TokenUsage(
                input_tokens=counted.prompt_token_count or 0,
                # Thinking is paid for like text.
                output_tokens=(counted.candidates_token_count or 0)
                + (counted.thoughts_token_count or 0),
            )
        if not response.candidates:
            return
        candidate = response.candidates[0]
        self._finish = candidate.finish_reason or self._finish
        for part in (candidate.content and candidate.content.parts) or ():
            if part.text and not part.thought:
                self._wrote = True
                self._inbox.put_nowait(part.text)

    def _verdict(self) -> StorytellerFault | None:
        """Say whether the answer is whole: only with the finish reason STOP and some text."""
        if self._finish is not FinishReason.STOP:
            return unfinished(self._finish)
        return None if self._wrote else empty()
