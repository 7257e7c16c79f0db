"""What the account mutations answer: their success, or one of the refusals they can meet."""

from typing import Annotated

import strawberry

from schema.accounts.types import AccountType, ChallengeType, TokenPairType
from schema.refusals import (
    AccountLockedType,
    AccountSuspendedType,
    CodeAttemptsExceededType,
    CodeExpiredType,
    CodeInvalidType,
    EmailUnverifiedType,
    ForeignOriginType,
    InvalidInputType,
    RateLimitedType,
    RefreshRacedType,
    RefreshRejectedType,
    RefreshReusedType,
    SecondFactorRequiredType,
    TokenExpiredType,
    UnauthenticatedType,
    UpstreamUnavailableType,
    WrongCredentialsType,
)


@strawberry.type(
    name="SignUpSuccess",
    description="A mail is on its way: with a code, or to the owner of an address in use.",
)
class SignUpSuccess:
    """Success of `signUp`."""

    challenge: ChallengeType = strawberry.field(description="What the mailed code answers.")


@strawberry.type(name="VerifyOtpSuccess", description="The address is proven: log in.")
class VerifyOtpSuccess:
    """Success of `verifyOtp`."""

    account: AccountType = strawberry.field(description="The account that can log in now.")


@strawberry.type(name="ResendOtpSuccess", description="Another mail is on its way.")
class ResendOtpSuccess:
    """Success of `resendOtp`."""

    challenge: ChallengeType = strawberry.field(
        description="The challenge with its new times; codes of before are void."
    )


@strawberry.type(name="LogInSuccess", description="A session has begun.")
class LogInSuccess:
    """Success of `logIn`."""

    account: AccountType = strawberry.field(description="Who is logged in.")
    tokens: TokenPairType = strawberry.field(description="The first tokens of the session.")
    device_token: str | None = strawberry.field(
        description="By this the device is known at its next log-in: keep it through log-outs. "
        "Null where a cookie keeps it. A device that is not used for 180 days is forgotten."
    )


@strawberry.type(name="RefreshTokensSuccess", description="The session goes on.")
class RefreshTokensSuccess:
    """Success of `refreshTokens`."""

    tokens: TokenPairType = strawberry.field(
        description="The next tokens. Sending the same refresh token again within 10 seconds, "
        "before these are used, answers the same refresh token."
    )


@strawberry.type(name="LogOutSuccess", description="No token of the session works any more.")
class LogOutSuccess:
    """Success of `logOut`."""

    was_logged_in: bool = strawberry.field(
        description="False when the session had ended before, or was never there."
    )


SignUpPayload = Annotated[
    SignUpSuccess | InvalidInputType | RateLimitedType | UpstreamUnavailableType,
    strawberry.union("SignUpPayload", description="What `signUp` answers."),
]

VerifyOtpPayload = Annotated[
    VerifyOtpSuccess
    | InvalidInputType
    | CodeInvalidType
    | CodeExpiredType
    | CodeAttemptsExceededType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("VerifyOtpPayload", description="What `verifyOtp` answers."),
]

ResendOtpPayload = Annotated[
    ResendOtpSuccess
    | CodeExpiredType
    | CodeAttemptsExceededType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("ResendOtpPayload", description="What `resendOtp` answers."),
]

LogInPayload = Annotated[
    LogInSuccess
    | InvalidInputType
    | ForeignOriginType
    | WrongCredentialsType
    | AccountLockedType
    | EmailUnverifiedType
    | SecondFactorRequiredType
    | AccountSuspendedType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("LogInPayload", description="What `logIn` answers."),
]

RefreshTokensPayload = Annotated[
    RefreshTokensSuccess
    | InvalidInputType
    | ForeignOriginType
    | RefreshRejectedType
    | RefreshReusedType
    | RefreshRacedType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("RefreshTokensPayload", description="What `refreshTokens` answers."),
]

LogOutPayload = Annotated[
    LogOutSuccess
    | ForeignOriginType
    | UnauthenticatedType
    | TokenExpiredType
    | RateLimitedType
    | UpstreamUnavailableType,
    strawberry.union("LogOutPayload", description="What `logOut` answers."),
]
