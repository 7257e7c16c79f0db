"""The library: an account's stories as a Relay connection with keyset cursors."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import strawberry

from domain.refusals import CursorInvalid, InputIssue, InvalidInput
from domain.stories import Story
from schema.context import Info
from schema.nodes import ACCOUNT, NodeType, key_of
from schema.scalars import Cursor
from schema.stories.enums import StoryOrder
from schema.stories.inputs import StoryFilter
from schema.stories.types import StoryType
from usecases.ports import StoriesPage

MOST = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@strawberry.type(name="PageInfo", description="Where a page of a list begins and ends.")
class PageInfoType:
    """Relay's page info."""

    has_next_page: bool = strawberry.field(description="Whether more comes after `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether there is a page before.")
    start_cursor: Cursor | None = strawberry.field(
        description="The cursor of the page's first entry; null for an empty page."
    )
    end_cursor: Cursor | None = strawberry.field(
        description="The cursor of its last entry: pass it as `after` for the next page."
    )


@strawberry.type(name="StoryEdge", description="A story in a list.")
class StoryEdgeType:
    """Relay's edge."""

    cursor: Cursor = strawberry.field(description="Its place in the list.")
    node: StoryType = strawberry.field(description="The story.")


@strawberry.type(name="StoryConnection", description="A page of a list of stories.")
class StoryConnectionType:
    """Relay's connection."""

    page: strawberry.Private[StoriesPage]

    edges: list[StoryEdgeType] = strawberry.field(description="The stories with their places.")
    page_info: PageInfoType = strawberry.field(description="Where the page begins and ends.")

    @strawberry.field(description="The stories of this page.")
    def nodes(self) -> list[StoryType]:
        """Leave out the edges."""
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many stories all pages have together.")
    async def total_count(self, info: Info) -> int:
        """Count them, as they were asked for."""
        return await info.context.reads.count_stories_of(self.page)


async def stories(
    info: Info,
    account: strawberry.Parent[NodeType],
    first: Annotated[
        int, strawberry.argument(description="How many are wanted at most, 1 to 100.")
    ] = 20,
    after: Annotated[
        Cursor | None, strawberry.argument(description="The place after which the page begins.")
    ] = None,
    chosen: Annotated[
        StoryFilter | None,
        strawberry.argument(name="filter", description="Which stories; all if left out."),
    ] = None,
    order_by: Annotated[
        StoryOrder, strawberry.argument(description="How they are sorted.")
    ] = StoryOrder.REQUESTED_AT_DESC,
) -> StoryConnectionType:
    """Answer with a page of the account's stories; only its owner ever holds an account."""
    if not 1 <= first <= MOST:
        raise InvalidInput(
            [InputIssue(path=("first",), code="out_of_range", message=f"Must be 1 to {MOST}.")]
        )
    page = StoriesPage(
        account_id=key_of(ACCOUNT, account.id, path=()),
        limit=first,
        after=None if after is None else read_place(after),
        statuses=tuple((chosen and chosen.status) or ()),
        oldest_first=order_by is StoryOrder.REQUESTED_AT_ASC,
    )
    found = await info.context.reads.stories_of(replace(page, limit=first + 1))
    edges = [
        StoryEdgeType(cursor=write_place(story), node=StoryType.tell(story))
        for story in found[:first]
    ]
    return StoryConnectionType(
        page=page,
        edges=edges,
        page_info=PageInfoType(
            has_next_page=len(found) > first,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def write_place(story: Story) -> Cursor:
    """Return a story's place in the list: microseconds since 1970, and its key."""
    place = f"{(story.requested_at - EPOCH) // MICROSECOND}:{story.id.hex}"
    return Cursor(urlsafe_b64encode(place.encode()).rstrip(b"=").decode())


def read_place(cursor: Cursor) -> tuple[datetime, UUID]:
    """Read a place that a client sent back. Raises CursorInvalid."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, _, key = text.partition(":")
        return EPOCH + int(moment) * MICROSECOND, UUID(hex=key)
    except (ValueError, OverflowError):
        raise CursorInvalid(path=("after",)) from None
