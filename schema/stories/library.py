"""The library: an account's stories as a Relay connection with keyset cursors."""

from dataclasses import replace
from typing import Annotated

import strawberry

from schema.context import Info
from schema.nodes import ACCOUNT, NodeType, key_of
from schema.pages import PageInfoType, check_size, read_place, write_place
from schema.scalars import Cursor
from schema.stories.enums import StoryOrder
from schema.stories.inputs import StoryFilter
from schema.stories.types import StoryType
from usecases.ports.reads import StoriesPage


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
    check_size(first)
    page = StoriesPage(
        account_id=key_of(ACCOUNT, account.id, path=()),
        limit=first,
        after=None if after is None else read_place(after),
        statuses=tuple((chosen and chosen.status) or ()),
        oldest_first=order_by is StoryOrder.REQUESTED_AT_ASC,
    )
    found = await info.context.reads.stories_of(replace(page, limit=first + 1))
    edges = [
        StoryEdgeType(cursor=write_place(story.requested_at, story.id), node=StoryType.tell(story))
        for story in found[:first]
    ]
    return StoryConnectionType(
        page=page,
        edges=edges,
        page_info=PageInfoType.tell(
            [edge.cursor for edge in edges], more=len(found) > first, after=after
        ),
    )
