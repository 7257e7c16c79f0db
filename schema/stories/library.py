"""The library: an account's stories as a Relay connection with keyset cursors."""

from typing import Annotated

import strawberry

from schema import published
from schema.context import Info
from schema.nodes import ACCOUNT, NodeType, key_of
from schema.pages import First, PageInfoType, Place, read_page
from schema.scalars import Cursor
from schema.stories.enums import StoryOrder
from schema.stories.inputs import StoryFilter
from schema.stories.types import StoryType
from usecases.ports.reads import StoriesPage


@published.as_type
class StoryEdgeType:
    """A story in a list."""

    cursor: Cursor = strawberry.field(description="Its place in the list.")
    node: StoryType = strawberry.field(description="The story.")


@published.as_type
class StoryConnectionType:
    """A page of a list of stories."""

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
    first: First = 20,
    after: Place = None,
    chosen: Annotated[
        StoryFilter | None,
        strawberry.argument(name="filter", description="Which stories; all if left out."),
    ] = None,
    order_by: Annotated[
        StoryOrder, strawberry.argument(description="How they are sorted.")
    ] = StoryOrder.REQUESTED_AT_DESC,
) -> StoryConnectionType:
    """Answer with a page of the account's stories; only its owner ever holds an account."""
    page = StoriesPage(
        account_id=key_of(ACCOUNT, account.id, path=()),
        limit=first,
        statuses=tuple((chosen and chosen.status) or ()),
        oldest_first=order_by is StoryOrder.REQUESTED_AT_ASC,
    )
    placed, page_info = await read_page(
        info.context.reads.stories_of, page, after, lambda story: (story.requested_at, story.id)
    )
    edges = [StoryEdgeType(cursor=cursor, node=StoryType.tell(story)) for cursor, story in placed]
    return StoryConnectionType(page=page, edges=edges, page_info=page_info)
