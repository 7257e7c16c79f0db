"""What the account mutations answer: their success, or one of the refusals they can meet."""

from typing import Annotated

import strawberry

from schema import published
from schema.accounts.types import AccountType, ChallengeType, TokenPairType
from schema.refusals import (
    AccountSuspendedType,
    CodeAttemptsExceededType,
    CodeExpiredType,
    CodeRefusals,
    EmailUnverifiedType,
    ForeignOriginType,
    InvalidInputType,
    PasswordRefusals,
    RefreshRacedType,
    RefreshRejectedType,
    RefreshReusedType,
    SecondFactorRequiredType,
    ServiceRefusals,
    ViewerRefusals,
)


@published.as_type
class SignUpSuccess:
    """A mail is on its way: with a code, or to the owner of an address in use."""

    challenge: ChallengeType = strawberry.field(description="What the mailed code answers.")


@published.as_type
class VerifyOtpSuccess:
    """The address is proven: log in."""

    account: AccountType = strawberry.field(description="The account that can log in now.")


@published.as_type
class ResendOtpSuccess:
    """Another mail is on its way."""

    challenge: ChallengeType = strawberry.field(
        description="The challenge with its new times; codes of before are void."
    )


@published.as_type
class LogInSuccess:
    """A session has begun."""

    account: AccountType = strawberry.field(description="Who is logged in.")
    tokens: TokenPairType = strawberry.field(description="The first tokens of the session.")
    device_token: str | None = strawberry.field(
        description="By this the device is known at its next log-in: keep it through log-outs. "
        "Null where a cookie keeps it. A device that is not used for 180 days is forgotten."
    )


@published.as_type
class RefreshTokensSuccess:
    """The session goes on."""

    tokens: TokenPairType = strawberry.field(
        description="The next tokens. Sending the same refresh token again within 10 seconds, "
        "before these are used, answers the same refresh token."
    )


@published.as_type
class LogOutSuccess:
    """No token of the session works any more."""

    was_logged_in: bool = strawberry.field(
        description="False when the session had ended before, or was never there."
    )


SignUpPayload = Annotated[
    SignUpSuccess | InvalidInputType | ServiceRefusals,
    published.as_answer("signUp"),
]

VerifyOtpPayload = Annotated[
    VerifyOtpSuccess | InvalidInputType | CodeRefusals | ServiceRefusals,
    published.as_answer("verifyOtp"),
]

ResendOtpPayload = Annotated[
    ResendOtpSuccess | CodeExpiredType | CodeAttemptsExceededType | ServiceRefusals,
    published.as_answer("resendOtp"),
]

LogInPayload = Annotated[
    LogInSuccess
    | InvalidInputType
    | ForeignOriginType
    | PasswordRefusals
    | EmailUnverifiedType
    | SecondFactorRequiredType
    | AccountSuspendedType
    | ServiceRefusals,
    published.as_answer("logIn"),
]

RefreshTokensPayload = Annotated[
    RefreshTokensSuccess
    | InvalidInputType
    | ForeignOriginType
    | RefreshRejectedType
    | RefreshReusedType
    | RefreshRacedType
    | ServiceRefusals,
    published.as_answer("refreshTokens"),
]

LogOutPayload = Annotated[
    LogOutSuccess | ForeignOriginType | ViewerRefusals,
    published.as_answer("logOut"),
]
