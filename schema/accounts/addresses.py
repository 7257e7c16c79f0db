"""Moving an account to another address."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.asked_again import ASKED_AGAIN
from schema.accounts.challenges import MAILED_CODE, challenge_key
from schema.accounts.types import AccountType, ChallengeType
from schema.context import Info
from schema.refusals import (
    CodeRefusals,
    InvalidInputType,
    PasswordRefusals,
    RefusalsAsData,
    ViewerRefusals,
)
from schema.scalars import EmailAddress


@published.as_input
class RequestEmailChangeInput:
    """The address that is wanted."""

    new_email: EmailAddress = strawberry.field(
        description="The new address, at most 254 characters; upper and lower case are the same."
    )
    password: str = strawberry.field(description=ASKED_AGAIN)


@published.as_input
class CompleteEmailChangeInput:
    """The code that was mailed to the new address."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The `id` of the challenge, from `requestEmailChange`. Only the account that "
        "asked can use it."
    )
    code: str = strawberry.field(description=MAILED_CODE)


@published.as_type
class RequestEmailChangeSuccess:
    """A mail is on its way to the new address: with a code, or to the owner of an address in use.

    The old address is told, too.
    """

    challenge: ChallengeType = strawberry.field(description="What the mailed code answers.")


@published.as_type
class CompleteEmailChangeSuccess:
    """The account has its new address, this session goes on, all others have ended.

    Both addresses are told by mail.
    """

    account: AccountType = strawberry.field(description="The account with its new address.")


RequestEmailChangePayload = Annotated[
    RequestEmailChangeSuccess | InvalidInputType | PasswordRefusals | ViewerRefusals,
    published.as_answer("requestEmailChange"),
]

CompleteEmailChangePayload = Annotated[
    CompleteEmailChangeSuccess | InvalidInputType | CodeRefusals | ViewerRefusals,
    published.as_answer("completeEmailChange"),
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
