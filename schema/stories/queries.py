"""Queries of stories."""

from typing import Annotated

import strawberry

from schema.context import Info
from schema.nodes import STORY, split_global_id
from schema.stories.types import StoryType


@strawberry.type
class StoryQueries:
    """One story; the list of them is the viewer's."""

    @strawberry.field(
        description="One of the viewer's stories. Null for an id that is not the viewer's."
    )
    async def story(
        self,
        info: Info,
        public_id: Annotated[
            strawberry.ID,
            strawberry.argument(name="id", description="The `id` of the story."),
        ],
    ) -> StoryType | None:
        """Answer with the story."""
        account_id = info.context.viewer.account_id
        found = split_global_id(public_id)
        if found is None or found[0] != STORY:
            return None
        story = await info.context.reads.story(account_id, found[1])
        return None if story is None else StoryType.tell(story)
