"""Moving an account to another address."""

from typing import Annotated

import strawberry

from schema.accounts.challenges import challenge_key
from schema.accounts.types import AccountType, ChallengeType
from schema.context import Info
from schema.refusals import (
    AccountLockedType,
    CodeAttemptsExceededType,
    CodeExpiredType,
    CodeInvalidType,
    InvalidInputType,
    RateLimitedType,
    RefusalsAsData,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
    WrongCredentialsType,
)
from schema.scalars import EmailAddress


@strawberry.input(name="RequestEmailChangeInput", description="The address that is wanted.")
class RequestEmailChangeInput:
    """Input of `requestEmailChange`."""

    new_email: EmailAddress = strawberry.field(
        description="The new address, at most 254 characters; upper and lower case are the same."
    )
    password: str = strawberry.field(description="The account's password, asked again.")


@strawberry.input(
    name="CompleteEmailChangeInput", description="The code that was mailed to the new address."
)
class CompleteEmailChangeInput:
    """Input of `completeEmailChange`."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The `id` of the challenge, from `requestEmailChange`. Only the account that "
        "asked can use it."
    )
    code: str = strawberry.field(
        description="The digits from the mail, leading zeros too; spaces do no harm."
    )


@strawberry.type(
    name="RequestEmailChangeSuccess",
    description="A mail is on its way to the new address: with a code, or to the owner of an "
    "address in use. The old address is told, too.",
)
class RequestEmailChangeSuccess:
    """Success of `requestEmailChange`."""

    challenge: ChallengeType = strawberry.field(description="What the mailed code answers.")


@strawberry.type(
    name="CompleteEmailChangeSuccess",
    description="The account has its new address, this session goes on, all others have ended. "
    "Both addresses are told by mail.",
)
class CompleteEmailChangeSuccess:
    """Success of `completeEmailChange`."""

    account: AccountType = strawberry.field(description="The account with its new address.")


RequestEmailChangePayload = Annotated[
    RequestEmailChangeSuccess
    | InvalidInputType
    | WrongCredentialsType
    | AccountLockedType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("RequestEmailChangePayload", description="What `requestEmailChange` answers."),
]

CompleteEmailChangePayload = Annotated[
    CompleteEmailChangeSuccess
    | InvalidInputType
    | CodeInvalidType
    | CodeExpiredType
    | CodeAttemptsExceededType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union(
        "CompleteEmailChangePayload", description="What `completeEmailChange` answers."
    ),
]


@strawberry.type
class AddressMutations:
    """Another address."""

    @strawberry.mutation(
        description="Ask for another address: a code is mailed to it, and nothing changes before "
        "it is entered. The answer is the same whether or not the address has an account. "
        "`resendOtp` asks for another code; an account has 10 a day in all.",
        extensions=[RefusalsAsData()],
        graphql_type=RequestEmailChangePayload,
    )
    async def request_email_change(
        self,
        info: Info,
        input: Annotated[
            RequestEmailChangeInput, strawberry.argument(description="The new address.")
        ],
    ) -> RequestEmailChangeSuccess:
        """Answer with the challenge."""
        challenge = await info.context.use_cases.request_email_change(
            info.context.viewer,
            new_email=input.new_email,
            password=input.password,
            device=info.context.client.device,
        )
        return RequestEmailChangeSuccess(challenge=ChallengeType.tell(challenge))

    @strawberry.mutation(
        description="Prove the new address with the code that was mailed to it. All other sessions "
        "end. If another account has proven the address meanwhile, the code has expired.",
        extensions=[RefusalsAsData()],
        graphql_type=CompleteEmailChangePayload,
    )
    async def complete_email_change(
        self,
        info: Info,
        input: Annotated[CompleteEmailChangeInput, strawberry.argument(description="The code.")],
    ) -> CompleteEmailChangeSuccess:
        """Answer with the account."""
        account = await info.context.use_cases.complete_email_change(
            info.context.viewer,
            challenge_key(input.challenge_id),
            code=input.code,
            device=info.context.client.device,
        )
        return CompleteEmailChangeSuccess(account=AccountType.tell(account))
