"""Mutations of admins."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.refusals import AccountNotFound, DeadLetterNotFound
from schema.administration.types import ManagedAccountType
from schema.context import Info
from schema.nodes import ACCOUNT, split_global_id
from schema.refusals import (
    AccountNotFoundType,
    DeadLetterNotFoundType,
    ForbiddenType,
    InvalidInputType,
    JobLivesType,
    MailNotOwedType,
    OwnAccountType,
    RateLimitedType,
    ReauthenticationRequiredType,
    RefusalsAsData,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
)

WHOSE = "The `id` that the account has for its owner."
WHY = "Why, in one line of 1 to 200 characters: the account's owner reads it in the audit log."
WHICH_JOB = "The dead letter's `id`."
WHY_JOB = (
    "Why, in one line of 1 to 200 characters: the owner of the job's account reads it in the audit "
    "log."
)
ENDED = "How many sessions it ended: all there were."


@strawberry.input(name="EndAccountSessionsInput", description="Whose sessions end, and why.")
class EndAccountSessionsInput:
    """Input of `endAccountSessions`."""

    account_id: strawberry.ID = strawberry.field(description=WHOSE)
    reason: str = strawberry.field(description=WHY)


@strawberry.input(name="SuspendAccountInput", description="Which account is suspended, and why.")
class SuspendAccountInput:
    """Input of `suspendAccount`."""

    account_id: strawberry.ID = strawberry.field(description=WHOSE)
    reason: str = strawberry.field(description=WHY)


@strawberry.input(name="ReinstateAccountInput", description="Which account is opened, and why.")
class ReinstateAccountInput:
    """Input of `reinstateAccount`."""

    account_id: strawberry.ID = strawberry.field(description=WHOSE)
    reason: str = strawberry.field(description=WHY)


@strawberry.input(name="RetryDeadLetterInput", description="Which dead letter is tried, and why.")
class RetryDeadLetterInput:
    """Input of `retryDeadLetter`."""

    job_id: strawberry.ID = strawberry.field(description=WHICH_JOB)
    reason: str = strawberry.field(description=WHY_JOB)


@strawberry.input(name="DiscardDeadLetterInput", description="Which one is put away, and why.")
class DiscardDeadLetterInput:
    """Input of `discardDeadLetter`."""

    job_id: strawberry.ID = strawberry.field(description=WHICH_JOB)
    reason: str = strawberry.field(description=WHY_JOB)


@strawberry.type(
    name="EndAccountSessionsSuccess", description="No token of the account works any more."
)
class EndAccountSessionsSuccess:
    """Success of `endAccountSessions`."""

    account: ManagedAccountType = strawberry.field(description="The account.")
    ended: int = strawberry.field(description=ENDED)


@strawberry.type(
    name="SuspendAccountSuccess",
    description="Nobody is logged in to the account or can log in; its owner is told by mail.",
)
class SuspendAccountSuccess:
    """Success of `suspendAccount`."""

    account: ManagedAccountType = strawberry.field(description="The account.")
    ended: int = strawberry.field(description=ENDED)


@strawberry.type(
    name="ReinstateAccountSuccess",
    description="The account's owner can log in again, and is told by mail.",
)
class ReinstateAccountSuccess:
    """Success of `reinstateAccount`."""

    account: ManagedAccountType = strawberry.field(description="The account.")


@strawberry.type(
    name="RetryDeadLetterSuccess", description="The job waits for a worker, with all its tries."
)
class RetryDeadLetterSuccess:
    """Success of `retryDeadLetter`."""

    job_id: strawberry.ID = strawberry.field(description="The job, under the same `id`.")


@strawberry.type(
    name="DiscardDeadLetterSuccess", description="The job is over, and soon forgotten."
)
class DiscardDeadLetterSuccess:
    """Success of `discardDeadLetter`."""

    job_id: strawberry.ID = strawberry.field(description="The job.")


EndAccountSessionsPayload = Annotated[
    EndAccountSessionsSuccess
    | ForbiddenType
    | ReauthenticationRequiredType
    | AccountNotFoundType
    | InvalidInputType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("EndAccountSessionsPayload", description="What `endAccountSessions` answers."),
]

SuspendAccountPayload = Annotated[
    SuspendAccountSuccess
    | ForbiddenType
    | ReauthenticationRequiredType
    | OwnAccountType
    | AccountNotFoundType
    | InvalidInputType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("SuspendAccountPayload", description="What `suspendAccount` answers."),
]

ReinstateAccountPayload = Annotated[
    ReinstateAccountSuccess
    | ForbiddenType
    | ReauthenticationRequiredType
    | AccountNotFoundType
    | InvalidInputType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("ReinstateAccountPayload", description="What `reinstateAccount` answers."),
]


RetryDeadLetterPayload = Annotated[
    RetryDeadLetterSuccess
    | ForbiddenType
    | ReauthenticationRequiredType
    | DeadLetterNotFoundType
    | JobLivesType
    | MailNotOwedType
    | InvalidInputType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("RetryDeadLetterPayload", description="What `retryDeadLetter` answers."),
]

DiscardDeadLetterPayload = Annotated[
    DiscardDeadLetterSuccess
    | ForbiddenType
    | ReauthenticationRequiredType
    | DeadLetterNotFoundType
    | InvalidInputType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("DiscardDeadLetterPayload", description="What `discardDeadLetter` answers."),
]


def job_key(public_id: str) -> UUID:
    """Return the key of a job. Raises DeadLetterNotFound for what is no id of one."""
    try:
        return UUID(public_id)
    except ValueError:
        raise DeadLetterNotFound from None


def account_key(public_id: str) -> UUID:
    """Return the key of an account. Raises AccountNotFound for what is no id of one."""
    found = split_global_id(public_id)
    if found is None or found[0] != ACCOUNT:
        raise AccountNotFound
    return found[1]


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
            account_id=account_key(input.account_id),
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
            account_id=account_key(input.account_id),
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
            account_id=account_key(input.account_id),
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
            job_id=job_key(input.job_id),
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
            job_id=job_key(input.job_id),
            reason=input.reason,
        )
        return DiscardDeadLetterSuccess(job_id=strawberry.ID(str(job.id)))
