"""What the story mutations answer: their success, or one of the refusals they can meet."""

from typing import Annotated

import strawberry

from schema import published
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


@published.as_type
class RequestStorySuccess:
    """The story is queued.

    Follow it with the subscription `storyEvents`.
    """

    story: StoryType = strawberry.field(
        description="The story, or the first one that was asked for with the same key."
    )


@published.as_type
class CancelStorySuccess:
    """The story will not be written further."""

    story: StoryType = strawberry.field(description="The story; its finished chapters stay.")


RequestStoryPayload = Annotated[
    RequestStorySuccess
    | InvalidInputType
    | QuotaExceededType
    | ConflictType
    | UnauthenticatedType
    | TokenExpiredType
    | UpstreamUnavailableType,
    published.as_answer("requestStory"),
]

CancelStoryPayload = Annotated[
    CancelStorySuccess
    | NotFoundType
    | NotCancelableType
    | UnauthenticatedType
    | TokenExpiredType
    | UpstreamUnavailableType,
    published.as_answer("cancelStory"),
]
