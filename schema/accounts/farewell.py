"""Taking one's data, and leaving."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from domain.accounts import Account
from schema import published
from schema.accounts.asked_again import PasswordInput
from schema.context import Info
from schema.refusals import PasswordRefusals, RefusalsAsData, ViewerRefusals


@published.as_type
class AccountDeletionType:
    """The account's owner wants it deleted; `cancelAccountDeletion` keeps it."""

    requested_at: datetime = strawberry.field(description="When they asked for it.")
    due_at: datetime = strawberry.field(
        description="From then on it is closed and, within hours, erased: nobody can bring it back."
    )

    @classmethod
    def of(cls, account: Account) -> Self | None:
        """Return it for an account that is to be deleted."""
        if account.deletion_requested_at is None or account.deletion_due_at is None:
            return None
        return cls(requested_at=account.deletion_requested_at, due_at=account.deletion_due_at)


@published.as_input
class RequestAccountDeletionInput(PasswordInput):
    """Who asks for it."""


@published.as_input
class ExportAccountDataInput(PasswordInput):
    """Who asks for it."""


@published.as_type
class RequestAccountDeletionSuccess:
    """The time of grace has begun, and the owner is told by mail."""

    deletion: AccountDeletionType | None = strawberry.field(description="Until when it is kept.")
    ended: int = strawberry.field(description="How many other sessions it ended: all there were.")


@published.as_type
class CancelAccountDeletionSuccess:
    """The account stays as it was."""

    deletion: AccountDeletionType | None = strawberry.field(description="Null: it is not deleted.")


@published.as_type
class ExportAccountDataSuccess:
    """A file for the account's owner."""

    file_name: str = strawberry.field(description="A name to save it under.")
    media_type: str = strawberry.field(description="What kind of file it is: `application/json`.")
    document: str = strawberry.field(
        description="Everything that is kept of the account but its secrets, as JSON. `format` and "
        "`version` name its structure, which docs/account-export.md describes."
    )


RequestAccountDeletionPayload = Annotated[
    RequestAccountDeletionSuccess | PasswordRefusals | ViewerRefusals,
    published.as_answer("requestAccountDeletion"),
]

CancelAccountDeletionPayload = Annotated[
    CancelAccountDeletionSuccess | ViewerRefusals,
    published.as_answer("cancelAccountDeletion"),
]

ExportAccountDataPayload = Annotated[
    ExportAccountDataSuccess | PasswordRefusals | ViewerRefusals,
    published.as_answer("exportAccountData"),
]


@strawberry.type
class FarewellMutations:
    """What is the viewer's own, and its end."""

    @strawberry.mutation(
        description="Have the account deleted, with its stories: after 14 days (a setting) it is "
        "erased for good. Until then its owner can log in and cancel. Other sessions end now. "
        "Asking again changes nothing.",
        extensions=[RefusalsAsData()],
        graphql_type=RequestAccountDeletionPayload,
    )
    async def request_account_deletion(
        self,
        info: Info,
        input: Annotated[RequestAccountDeletionInput, strawberry.argument(description="Who asks.")],
    ) -> RequestAccountDeletionSuccess:
        """Answer until when it is kept."""
        account, ended = await info.context.use_cases.request_account_deletion(
            info.context.viewer, password=input.password, device=info.context.client.device
        )
        return RequestAccountDeletionSuccess(deletion=AccountDeletionType.of(account), ended=ended)

    @strawberry.mutation(
        description="Keep the account after all. Where it was not to be deleted, it does no harm.",
        extensions=[RefusalsAsData()],
        graphql_type=CancelAccountDeletionPayload,
    )
    async def cancel_account_deletion(self, info: Info) -> CancelAccountDeletionSuccess:
        """Answer that it stays."""
        account = await info.context.use_cases.cancel_account_deletion(
            info.context.viewer, device=info.context.client.device
        )
        return CancelAccountDeletionSuccess(deletion=AccountDeletionType.of(account))

    @strawberry.mutation(
        description="Everything that is kept of the account, for its owner: 3 times a day.",
        extensions=[RefusalsAsData()],
        graphql_type=ExportAccountDataPayload,
    )
    async def export_account_data(
        self,
        info: Info,
        input: Annotated[ExportAccountDataInput, strawberry.argument(description="Who asks.")],
    ) -> ExportAccountDataSuccess:
        """Answer with the file."""
        export = await info.context.use_cases.export_account_data(
            info.context.viewer, password=input.password, device=info.context.client.device
        )
        return ExportAccountDataSuccess(
            file_name=export.file_name, media_type=export.media_type, document=export.document
        )
