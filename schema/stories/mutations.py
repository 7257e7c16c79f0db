"""Mutations of stories."""

from typing import Annotated

import strawberry

from schema.context import Info
from schema.nodes import STORY, key_of
from schema.refusals import RefusalsAsData
from schema.stories.inputs import CancelStoryInput, RequestStoryInput
from schema.stories.payloads import (
    CancelStoryPayload,
    CancelStorySuccess,
    RequestStoryPayload,
    RequestStorySuccess,
)
from schema.stories.types import StoryType
from usecases.stories.request_story import StoryOrder


@strawberry.type
class StoryMutations:
    """Asking for stories, and not wanting them any more."""

    @strawberry.mutation(
        description="Ask for a story. It is queued and answered at once; it counts against the "
        "account's quota unless it fails. To watch it, subscribe to `storyEvents`.",
        extensions=[RefusalsAsData()],
        graphql_type=RequestStoryPayload,
    )
    async def request_story(
        self,
        info: Info,
        input: Annotated[RequestStoryInput, strawberry.argument(description="The wishes.")],
    ) -> RequestStorySuccess:
        """Answer with the queued story."""
        order = StoryOrder(
            account_id=info.context.viewer.account_id,
            wishes=input.wishes(),
            idempotency_key=input.idempotency_key,
            mail_when_ready=input.mail_when_ready,
        )
        story = await info.context.use_cases.request_story(order)
        return RequestStorySuccess(story=StoryType.tell(story))

    @strawberry.mutation(
        description="Cancel a story that waits or is being written. Closing a subscription does "
        "not cancel anything; this does.",
        extensions=[RefusalsAsData()],
        graphql_type=CancelStoryPayload,
    )
    async def cancel_story(
        self,
        info: Info,
        input: Annotated[CancelStoryInput, strawberry.argument(description="Which story.")],
    ) -> CancelStorySuccess:
        """Answer with the canceled story."""
        story_id = key_of(STORY, input.story_id, path=("input", "storyId"))
        story = await info.context.use_cases.cancel_story(info.context.viewer.account_id, story_id)
        return CancelStorySuccess(story=StoryType.tell(story))
