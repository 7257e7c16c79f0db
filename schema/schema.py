"""The schema as a whole: the parts of each noun, put together."""

from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig

from domain.refusals import InputIssue, InvalidInput
from schema import published
from schema.accounts.mutations import AccountMutations
from schema.accounts.passkeys import PasskeyType
from schema.accounts.queries import AccountQueries
from schema.accounts.sessions import live_sessions
from schema.accounts.types import AccountType
from schema.administration.mutations import AdministrationMutations
from schema.administration.queries import AdministrationQueries
from schema.context import Info
from schema.nodes import ACCOUNT, PASSKEY, SESSION, STORY, NodeType, split_global_id
from schema.refusals import PUBLISHED
from schema.scalars import SCALARS
from schema.stories.events import KINDS
from schema.stories.mutations import StoryMutations
from schema.stories.queries import StoryQueries
from schema.stories.subscriptions import StorySubscriptions
from schema.stories.types import StoryType

MOST_NODES = 100


@strawberry.type
class NodeQueries:
    """Anything of the viewer's, by its id."""

    @strawberry.field(
        description="Anything of the viewer's by its id; null for an id that is not theirs."
    )
    async def node(
        self,
        info: Info,
        public_id: Annotated[
            strawberry.ID, strawberry.argument(name="id", description="Its `id`.")
        ],
    ) -> NodeType | None:
        """Answer with the object."""
        return (await _nodes(info, [public_id]))[0]

    @strawberry.field(
        description="Several things of the viewer's by their ids, in that order; null in the place "
        "of each id that is not theirs."
    )
    async def nodes(
        self,
        info: Info,
        public_ids: Annotated[
            list[strawberry.ID], strawberry.argument(name="ids", description="At most 100 ids.")
        ],
    ) -> list[NodeType | None]:
        """Answer with the objects."""
        if len(public_ids) > MOST_NODES:
            message = f"At most {MOST_NODES} ids at once."
            raise InvalidInput([InputIssue(path=("ids",), code="too_long", message=message)])
        return await _nodes(info, public_ids)


async def _nodes(info: Info, public_ids: list[strawberry.ID]) -> list[NodeType | None]:
    viewer = info.context.viewer.account_id
    wanted = [split_global_id(public_id) for public_id in public_ids]
    reads = info.context.reads
    stories = await reads.stories([key for kind, key in filter(None, wanted) if kind == STORY])
    accounts = await reads.accounts([viewer]) if (ACCOUNT, viewer) in wanted else {}
    passkeys = await reads.passkeys([key for kind, key in filter(None, wanted) if kind == PASSKEY])
    sessions = await live_sessions(info) if SESSION in {pair[0] for pair in wanted if pair} else []
    owned: dict[tuple[str, object] | None, NodeType] = {
        (STORY, key): StoryType.tell(story)
        for key, story in stories.items()
        if story.account_id == viewer
    }
    owned |= {
        (PASSKEY, key): PasskeyType.tell(passkey)
        for key, passkey in passkeys.items()
        if passkey.account_id == viewer
    }
    owned |= {(ACCOUNT, key): AccountType.tell(account) for key, account in accounts.items()}
    owned |= {split_global_id(session.id): session for session in sessions}
    return [owned.get(pair) for pair in wanted]


@published.as_type
class Query(AccountQueries, StoryQueries, NodeQueries, AdministrationQueries):
    """What can be read.

    Most of it is below `viewer`.
    """


@published.as_type
class Mutation(AccountMutations, StoryMutations, AdministrationMutations):
    """What can be done.

    Each answers its success or a `Refusal`, told apart by type.
    """


@published.as_type
class Subscription(StorySubscriptions):
    """What can be watched.

    Keep the newest `cursor`: with it nothing is missed.
    """


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[*PUBLISHED.values(), *KINDS],
    config=StrawberryConfig(scalar_map=SCALARS),
)
"""What `schema.graphql` shows."""
