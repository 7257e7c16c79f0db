"""Subscriptions of stories."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, cast

import strawberry

from domain.events import Cursor as Place
from domain.events import Told
from schema.context import Info
from schema.nodes import STORY, key_of
from schema.scalars import Cursor
from schema.stories.events import StoryEventType, ViewerEventType, publish

After = Annotated[
    Cursor | None,
    strawberry.argument(
        description="The `cursor` of the last event you have. Leave it out to begin with a "
        "snapshot. Pass the newest one whenever you come back: a client that subscribes again "
        "with the variables of its first time starts over from there."
    ),
]


@strawberry.type
class StorySubscriptions:
    """Watching stories while they are made."""

    @strawberry.subscription(
        description="All that happens to one story, to its end. Without `after`, and for a story "
        "that has ended, it begins with a `StorySnapshot`; what cannot be told any more shows as "
        "a `StoryGap`, and a `StorySnapshot` after it. It completes with the story."
    )
    async def story_events(
        self,
        info: Info,
        story_id: Annotated[strawberry.ID, strawberry.argument(description="Which story.")],
        after: After = None,
    ) -> AsyncGenerator[StoryEventType, None]:
        """Follow the story."""
        account_id, place = info.context.viewer.account_id, _place(info, after)
        key = key_of(STORY, story_id, path=("storyId",))
        tale = await info.context.use_cases.follow_story(account_id, key, place)
        return cast("AsyncGenerator[StoryEventType, None]", _published(tale))

    @strawberry.subscription(
        description="All that happens to the viewer's stories, until you unsubscribe. Without "
        "`after` it begins with a `LibrarySnapshot`; what cannot be told any more shows as a "
        "`LibraryGap`, and a `LibrarySnapshot` after it."
    )
    async def viewer_events(
        self, info: Info, after: After = None
    ) -> AsyncGenerator[ViewerEventType, None]:
        """Follow the account."""
        account_id, place = info.context.viewer.account_id, _place(info, after)
        return _published(await info.context.use_cases.follow_account(account_id, place))


def _place(info: Info, after: Cursor | None) -> Place | None:
    """Return where to begin: a connection that goes on knows better than its first variables."""
    place = info.context.resume_from or after
    return None if place is None else Place.parse(place)


async def _published(
    tale: AsyncGenerator[Told, None],
) -> AsyncGenerator[ViewerEventType, None]:
    async with aclosing(tale):
        async for told in tale:
            event = publish(told)
            del told  # and hold no text of the past: followers are many, and wait long
            yield event
            del event
