"""Mutations of admins."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.refusals import AccountNotFound, DeadLetterNotFound
from schema import published
from schema.administration.types import ManagedAccountType
from schema.context import Info
from schema.nodes import ACCOUNT, split_global_id
from schema.refusals import (
    AccountNotFoundType,
    AdminRefusals,
    DeadLetterNotFoundType,
    InvalidInputType,
    JobLivesType,
    MailNotOwedType,
    OwnAccountType,
    RefusalsAsData,
    ViewerRefusals,
)

ENDED = "How many sessions it ended: all there were."


@strawberry.input
class AccountInput:
    """What inputs have that are about an account."""

    account_id: strawberry.ID = strawberry.field(
        description="The `id` that the account has for its owner."
    )
    reason: str = strawberry.field(
        description="Why, in one line of 1 to 200 characters: the account's owner reads it in the "
        "audit log."
    )

    def key(self) -> UUID:
        """Return the key of the account. Raises AccountNotFound for what is no id of one."""
        found = split_global_id(self.account_id)
        if found is None or found[0] != ACCOUNT:
            raise AccountNotFound
        return found[1]


@strawberry.input
class DeadLetterInput:
    """What inputs have that are about a dead letter."""

    job_id: strawberry.ID = strawberry.field(description="The dead letter's `id`.")
    reason: str = strawberry.field(
        description="Why, in one line of 1 to 200 characters: the owner of the job's account reads "
        "it in the audit log."
    )

    def key(self) -> UUID:
        """Return the key of the job. Raises DeadLetterNotFound for what is no id of one."""
        try:
            return UUID(self.job_id)
        except ValueError:
            raise DeadLetterNotFound from None


@published.as_input
class EndAccountSessionsInput(AccountInput):
    """Whose sessions end, and why."""


@published.as_input
class SuspendAccountInput(AccountInput):
    """Which account is suspended, and why."""


@published.as_input
class ReinstateAccountInput(AccountInput):
    """Which account is opened, and why."""


@published.as_input
class RetryDeadLetterInput(DeadLetterInput):
    """Which dead letter is tried, and why."""


@published.as_input
class DiscardDeadLetterInput(DeadLetterInput):
    """Which one is put away, and why."""


@published.as_type
class EndAccountSessionsSuccess:
    """No token of the account works any more."""

    account: ManagedAccountType = strawberry.field(description="The account.")
    ended: int = strawberry.field(description=ENDED)


@published.as_type
class SuspendAccountSuccess:
    """Nobody is logged in to the account or can log in; its owner is told by mail."""

    account: ManagedAccountType = strawberry.field(description="The account.")
    ended: int = strawberry.field(description=ENDED)


@published.as_type
class ReinstateAccountSuccess:
    """The account's owner can log in again, and is told by mail."""

    account: ManagedAccountType = strawberry.field(description="The account.")


@published.as_type
class RetryDeadLetterSuccess:
    """The job waits for a worker, with all its tries."""

    job_id: strawberry.ID = strawberry.field(description="The job, under the same `id`.")


@published.as_type
class DiscardDeadLetterSuccess:
    """The job is over, and soon forgotten."""

    job_id: strawberry.ID = strawberry.field(description="The job.")


EndAccountSessionsPayload = Annotated[
    EndAccountSessionsSuccess
    | AdminRefusals
    | AccountNotFoundType
    | InvalidInputType
    | ViewerRefusals,
    published.as_answer("endAccountSessions"),
]

SuspendAccountPayload = Annotated[
    SuspendAccountSuccess
    | AdminRefusals
    | OwnAccountType
    | AccountNotFoundType
    | InvalidInputType
    | ViewerRefusals,
    published.as_answer("suspendAccount"),
]

ReinstateAccountPayload = Annotated[
    ReinstateAccountSuccess
    | AdminRefusals
    | AccountNotFoundType
    | InvalidInputType
    | ViewerRefusals,
    published.as_answer("reinstateAccount"),
]


RetryDeadLetterPayload = Annotated[
    RetryDeadLetterSuccess
    | AdminRefusals
    | DeadLetterNotFoundType
    | JobLivesType
    | MailNotOwedType
    | InvalidInputType
    | ViewerRefusals,
    published.as_answer("retryDeadLetter"),
]

DiscardDeadLetterPayload = Annotated[
    DiscardDeadLetterSuccess
    | AdminRefusals
    | DeadLetterNotFoundType
    | InvalidInputType
    | ViewerRefusals,
    published.as_answer("discardDeadLetter"),
]


@strawberry.type
class AdministrationMutations:
    """What admins do to accounts of others, and to jobs that failed for good."""

    @strawberry.mutation(
        description="For admins: log an account out everywhere. Its tokens fail and its sockets "
        "close with 4403 within seconds; its owner can log in again.",
        extensions=[RefusalsAsData()],
        graphql_type=EndAccountSessionsPayload,
    )
    async def end_account_sessions(
        self,
        info: Info,
        input: Annotated[EndAccountSessionsInput, strawberry.argument(description="Whose.")],
    ) -> EndAccountSessionsSuccess:
        """Answer how many there were."""
        account, ended = await info.context.use_cases.end_account_sessions(
            info.context.viewer,
            info.context.client.device,
            account_id=input.key(),
            reason=input.reason,
        )
        return EndAccountSessionsSuccess(account=ManagedAccountType.tell(account), ended=ended)

    @strawberry.mutation(
        description="For admins: end an account's sessions and keep everybody out of it, with the "
        "right password too, until `reinstateAccount`. Stories that are being written are "
        "finished. Again it changes nothing. Nobody suspends themselves.",
        extensions=[RefusalsAsData()],
        graphql_type=SuspendAccountPayload,
    )
    async def suspend_account(
        self,
        info: Info,
        input: Annotated[SuspendAccountInput, strawberry.argument(description="Which account.")],
    ) -> SuspendAccountSuccess:
        """Answer with the account."""
        account, ended = await info.context.use_cases.suspend_account(
            info.context.viewer,
            info.context.client.device,
            account_id=input.key(),
            reason=input.reason,
        )
        return SuspendAccountSuccess(account=ManagedAccountType.tell(account), ended=ended)

    @strawberry.mutation(
        description="For admins: let the owner of a suspended account log in again. Where it is "
        "not suspended, it does no harm.",
        extensions=[RefusalsAsData()],
        graphql_type=ReinstateAccountPayload,
    )
    async def reinstate_account(
        self,
        info: Info,
        input: Annotated[ReinstateAccountInput, strawberry.argument(description="Which account.")],
    ) -> ReinstateAccountSuccess:
        """Answer with the account."""
        account = await info.context.use_cases.reinstate_account(
            info.context.viewer,
            info.context.client.device,
            account_id=input.key(),
            reason=input.reason,
        )
        return ReinstateAccountSuccess(account=ManagedAccountType.tell(account))

    @strawberry.mutation(
        description="For admins: give a job that failed for good another chance. A story that had "
        "failed is QUEUED again and goes on from its last stored chapter; a mail is owed again.",
        extensions=[RefusalsAsData()],
        graphql_type=RetryDeadLetterPayload,
    )
    async def retry_dead_letter(
        self,
        info: Info,
        input: Annotated[RetryDeadLetterInput, strawberry.argument(description="Which one.")],
    ) -> RetryDeadLetterSuccess:
        """Answer with the job."""
        job = await info.context.use_cases.retry_dead_letter(
            info.context.viewer,
            info.context.client.device,
            job_id=input.key(),
            reason=input.reason,
        )
        return RetryDeadLetterSuccess(job_id=strawberry.ID(str(job.id)))

    @strawberry.mutation(
        description="For admins: put a job away that failed for good. What it was about stays "
        "failed.",
        extensions=[RefusalsAsData()],
        graphql_type=DiscardDeadLetterPayload,
    )
    async def discard_dead_letter(
        self,
        info: Info,
        input: Annotated[DiscardDeadLetterInput, strawberry.argument(description="Which one.")],
    ) -> DiscardDeadLetterSuccess:
        """Answer with the job."""
        job = await info.context.use_cases.discard_dead_letter(
            info.context.viewer,
            info.context.client.device,
            job_id=input.key(),
            reason=input.reason,
        )
        return DiscardDeadLetterSuccess(job_id=strawberry.ID(str(job.id)))
