"""The phone number of an account, proven by a text message."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from domain.accounts import Account
from domain.codes import Challenge
from schema import published
from schema.accounts.asked_again import ASKED_AGAIN, PasswordInput
from schema.accounts.challenges import challenge_key
from schema.context import Info
from schema.refusals import (
    CodeRefusals,
    InvalidInputType,
    PasswordRefusals,
    RefusalsAsData,
    ViewerRefusals,
)


@published.as_type
class PhoneType:
    """A phone number that its owner has proven."""

    number: str = strawberry.field(description="In E.164: a plus, the country code, the number.")
    verified_at: datetime = strawberry.field(description="When it was proven.")

    @classmethod
    def of(cls, account: Account) -> Self | None:
        """Return the account's number, if it has one."""
        if account.phone_number is None or account.phone_verified_at is None:
            return None
        return cls(number=account.phone_number, verified_at=account.phone_verified_at)


@published.as_type
class PhoneChallengeType:
    """A code is on its way to a phone."""

    id: strawberry.ID = strawberry.field(description="Goes with the code to `provePhone`.")
    phone_number: str = strawberry.field(description="Where the code is sent, in E.164.")
    expires_at: datetime = strawberry.field(description="When the code is void.")
    resend_at: datetime = strawberry.field(
        description="From when on `requestPhoneCode` may send another code to this number."
    )
    code_length: int = strawberry.field(description="How many digits the code has.")

    @classmethod
    def tell(cls, challenge: Challenge) -> Self:
        """Make the published form of a challenge."""
        return cls(
            id=strawberry.ID(str(challenge.id)),
            phone_number=challenge.email,
            expires_at=challenge.expires_at,
            resend_at=challenge.resend_at,
            code_length=challenge.code_length,
        )


@published.as_input
class RequestPhoneCodeInput:
    """Which number is the viewer's."""

    phone_number: str = strawberry.field(
        description="With its country code, at most 40 characters: `+49 1512 3456789`. Spaces, "
        "dots, hyphens and brackets do no harm. Premium and service numbers are refused."
    )
    password: str = strawberry.field(description=ASKED_AGAIN)


@published.as_input
class ProvePhoneInput:
    """The code that was sent."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The `id` of the challenge, from `requestPhoneCode`."
    )
    code: str = strawberry.field(
        description="The digits from the text message, leading zeros too; spaces do no harm."
    )


@published.as_input
class RemovePhoneInput(PasswordInput):
    """Who asks for it."""


@published.as_type
class RequestPhoneCodeSuccess:
    """A text message is on its way."""

    challenge: PhoneChallengeType = strawberry.field(description="What the code answers.")


@published.as_type
class ProvePhoneSuccess:
    """The number is the account's."""

    phone: PhoneType = strawberry.field(description="The number, in the place of any before.")


@published.as_type
class RemovePhoneSuccess:
    """The account has no phone number."""

    phone: PhoneType | None = strawberry.field(description="Null: the number is forgotten.")


RequestPhoneCodePayload = Annotated[
    RequestPhoneCodeSuccess | InvalidInputType | PasswordRefusals | ViewerRefusals,
    published.as_answer("requestPhoneCode"),
]

ProvePhonePayload = Annotated[
    ProvePhoneSuccess | InvalidInputType | CodeRefusals | ViewerRefusals,
    published.as_answer("provePhone"),
]

RemovePhonePayload = Annotated[
    RemovePhoneSuccess | PasswordRefusals | ViewerRefusals,
    published.as_answer("removePhone"),
]


@strawberry.type
class PhoneMutations:
    """A number to reach the viewer by, if they like."""

    @strawberry.mutation(
        description="Have a code sent to a phone, to prove its number: once a minute, 5 times an "
        "hour and 10 times a day for a number, and 10 times a day for an account.",
        extensions=[RefusalsAsData()],
        graphql_type=RequestPhoneCodePayload,
    )
    async def request_phone_code(
        self,
        info: Info,
        input: Annotated[RequestPhoneCodeInput, strawberry.argument(description="The number.")],
    ) -> RequestPhoneCodeSuccess:
        """Answer with the challenge."""
        challenge = await info.context.use_cases.request_phone_code(
            info.context.viewer,
            phone_number=input.phone_number,
            password=input.password,
            device=info.context.client.device,
        )
        return RequestPhoneCodeSuccess(challenge=PhoneChallengeType.tell(challenge))

    @strawberry.mutation(
        description="Prove a phone number with the code that was sent to it.",
        extensions=[RefusalsAsData()],
        graphql_type=ProvePhonePayload,
    )
    async def prove_phone(
        self,
        info: Info,
        input: Annotated[ProvePhoneInput, strawberry.argument(description="The code.")],
    ) -> ProvePhoneSuccess:
        """Answer with the number."""
        account = await info.context.use_cases.prove_phone(
            info.context.viewer,
            challenge_key(input.challenge_id),
            code=input.code,
            device=info.context.client.device,
        )
        # The number was set a moment ago: without one the schema's own check would say so.
        return ProvePhoneSuccess(phone=PhoneType.of(account))  # type: ignore[arg-type]

    @strawberry.mutation(
        description="Forget the account's phone number. Without one it does no harm.",
        extensions=[RefusalsAsData()],
        graphql_type=RemovePhonePayload,
    )
    async def remove_phone(
        self,
        info: Info,
        input: Annotated[RemovePhoneInput, strawberry.argument(description="Who asks.")],
    ) -> RemovePhoneSuccess:
        """Answer that there is none."""
        account = await info.context.use_cases.remove_phone(
            info.context.viewer, password=input.password, device=info.context.client.device
        )
        return RemovePhoneSuccess(phone=PhoneType.of(account))
