"""What the story mutations answer: their success, or one of the refusals they can meet."""

from typing import Annotated

import strawberry

from schema.refusals import (
    ConflictType,
    InvalidInputType,
    NotCancelableType,
    NotFoundType,
    QuotaExceededType,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
)
from schema.stories.types import StoryType


@strawberry.type(
    name="RequestStorySuccess",
    description="The story is queued. Follow it with the subscription `storyEvents`.",
)
class RequestStorySuccess:
    """Success of `requestStory`."""

    story: StoryType = strawberry.field(
        description="The story, or the first one that was asked for with the same key."
    )


@strawberry.type(name="CancelStorySuccess", description="The story will not be written further.")
class CancelStorySuccess:
    """Success of `cancelStory`."""

    story: StoryType = strawberry.field(description="The story; its finished chapters stay.")


RequestStoryPayload = Annotated[
    RequestStorySuccess
    | InvalidInputType
    | QuotaExceededType
    | ConflictType
    | UnauthenticatedType
    | TokenExpiredType
    | UpstreamUnavailableType,
    strawberry.union("RequestStoryPayload", description="What `requestStory` answers."),
]

CancelStoryPayload = Annotated[
    CancelStorySuccess
    | NotFoundType
    | NotCancelableType
    | UnauthenticatedType
    | TokenExpiredType
    | UpstreamUnavailableType,
    strawberry.union("CancelStoryPayload", description="What `cancelStory` answers."),
]
