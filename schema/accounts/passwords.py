"""Changing a password, and choosing a new one without the old."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.challenges import MAILED_CODE, challenge_key
from schema.accounts.types import ChallengeType
from schema.context import Info
from schema.refusals import (
    CodeRefusals,
    InvalidInputType,
    PasswordRefusals,
    RefusalsAsData,
    ServiceRefusals,
    ViewerRefusals,
)
from schema.scalars import EmailAddress

LENGTH_AND_STRENGTH = (
    "12 to 128 characters (an operator may ask for more), of any kind. Refused are passwords that "
    "are easy to guess, or much like the account."
)


@published.as_input
class ChangePasswordInput:
    """The old password and the new one."""

    current_password: str = strawberry.field(description="The account's password.")
    new_password: str = strawberry.field(description=LENGTH_AND_STRENGTH)


@published.as_input
class RequestPasswordResetInput:
    """Who has forgotten a password."""

    email: EmailAddress = strawberry.field(
        description="The account's address, at most 254 characters; upper and lower case are the "
        "same."
    )


@published.as_input
class CompletePasswordResetInput:
    """The code that was mailed, and a new password."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The `id` of the challenge, from `requestPasswordReset`."
    )
    code: str = strawberry.field(description=MAILED_CODE)
    new_password: str = strawberry.field(description=LENGTH_AND_STRENGTH)


@published.as_type
class ChangePasswordSuccess:
    """The new password holds, this session goes on, and the owner is told by mail."""

    ended: int = strawberry.field(description="How many other sessions it ended: all there were.")


@published.as_type
class RequestPasswordResetSuccess:
    """A code is on its way to the address, if it has an account."""

    challenge: ChallengeType = strawberry.field(description="What the mailed code answers.")


@published.as_type
class CompletePasswordResetSuccess:
    """The new password holds, and the owner is told by mail: log in with it."""

    ended: int = strawberry.field(description="How many sessions it ended: all there were.")


ChangePasswordPayload = Annotated[
    ChangePasswordSuccess | InvalidInputType | PasswordRefusals | ViewerRefusals,
    published.as_answer("changePassword"),
]

RequestPasswordResetPayload = Annotated[
    RequestPasswordResetSuccess | InvalidInputType | ServiceRefusals,
    published.as_answer("requestPasswordReset"),
]

CompletePasswordResetPayload = Annotated[
    CompletePasswordResetSuccess | InvalidInputType | CodeRefusals | ServiceRefusals,
    published.as_answer("completePasswordReset"),
]


@strawberry.type
class PasswordMutations:
    """Passwords, after sign-up."""

    @strawberry.mutation(
        description="Choose another password. All other sessions end.",
        extensions=[RefusalsAsData()],
        graphql_type=ChangePasswordPayload,
    )
    async def change_password(
        self,
        info: Info,
        input: Annotated[ChangePasswordInput, strawberry.argument(description="Old and new.")],
    ) -> ChangePasswordSuccess:
        """Answer how many sessions ended."""
        ended = await info.context.use_cases.change_password(
            info.context.viewer,
            current=input.current_password,
            new=input.new_password,
            device=info.context.client.device,
        )
        return ChangePasswordSuccess(ended=ended)

    @strawberry.mutation(
        description="Ask for a code to choose a new password with. The answer is the same whether "
        "or not the address has an account. `resendOtp` asks for another code.",
        extensions=[RefusalsAsData()],
        graphql_type=RequestPasswordResetPayload,
    )
    async def request_password_reset(
        self,
        info: Info,
        input: Annotated[RequestPasswordResetInput, strawberry.argument(description="Who.")],
    ) -> RequestPasswordResetSuccess:
        """Answer with the challenge."""
        challenge = await info.context.use_cases.request_password_reset(
            email=input.email, device=info.context.client.device
        )
        return RequestPasswordResetSuccess(challenge=ChallengeType.tell(challenge))

    @strawberry.mutation(
        description="Choose a new password with the code that was mailed. All sessions end. A "
        "password that is not good enough is refused first, and costs neither code nor try.",
        extensions=[RefusalsAsData()],
        graphql_type=CompletePasswordResetPayload,
    )
    async def complete_password_reset(
        self,
        info: Info,
        input: Annotated[
            CompletePasswordResetInput, strawberry.argument(description="Code and password.")
        ],
    ) -> CompletePasswordResetSuccess:
        """Answer how many sessions ended."""
        ended = await info.context.use_cases.complete_password_reset(
            challenge_key(input.challenge_id),
            code=input.code,
            new_password=input.new_password,
            device=info.context.client.device,
        )
        return CompletePasswordResetSuccess(ended=ended)
