"""What the account mutations take."""

import strawberry

from schema.accounts.delivery import TokenDelivery
from schema.scalars import EmailAddress


@strawberry.input(name="SignUpInput", description="Who wants an account.")
class SignUpInput:
    """Input of `signUp`."""

    email: EmailAddress = strawberry.field(
        description="Their address, at most 254 characters; upper and lower case are the same."
    )
    password: str = strawberry.field(
        description="12 to 128 characters (an operator may ask for more), of any kind. Refused are "
        "passwords that are easy to guess, or much like the address or the name."
    )
    display_name: str = strawberry.field(
        description="What to call them: one line of 1 to 60 characters."
    )
    interests: list[str] = strawberry.field(
        default_factory=list,
        description="What stories may be about if nothing else is said: at most 5, all different, "
        "each one line of 1 to 20 characters.",
    )


@strawberry.input(name="VerifyOtpInput", description="A code that was mailed, and what it is for.")
class VerifyOtpInput:
    """Input of `verifyOtp`."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The `id` of the challenge, from `signUp`, `resendOtp` or `logIn`."
    )
    code: str = strawberry.field(
        description="The digits from the mail, leading zeros too; spaces do no harm."
    )


@strawberry.input(name="ResendOtpInput", description="Which challenge needs another code.")
class ResendOtpInput:
    """Input of `resendOtp`."""

    challenge_id: strawberry.ID = strawberry.field(description="The `id` of the challenge.")


@strawberry.input(name="LogInInput", description="Who somebody is.")
class LogInInput:
    """Input of `logIn`."""

    email: EmailAddress = strawberry.field(
        description="Their address; upper and lower case are the same."
    )
    password: str = strawberry.field(description="Their password.")
    token_delivery: TokenDelivery = strawberry.field(
        default=TokenDelivery.PAYLOAD, description="How the refresh tokens are handed over."
    )
    device_token: str | None = strawberry.field(
        default=None,
        description="The `deviceToken` of the last log-in on this device, if there was one. A "
        "known device is not held up by strangers' wrong passwords, and no mail tells of it.",
    )


@strawberry.input(name="RefreshTokensInput", description="The token that carries a session on.")
class RefreshTokensInput:
    """Input of `refreshTokens`."""

    refresh_token: str | None = strawberry.field(
        default=None,
        description="The refresh token of the newest pair. It is void once the answer is used. "
        "Left out where the cookie holds it, which then gets the next one.",
    )


@strawberry.input(name="LogOutInput", description="Which session ends.")
class LogOutInput:
    """Input of `logOut`."""

    refresh_token: str | None = strawberry.field(
        default=None,
        description="Names the session when the access token has expired and no cookie does; not "
        "needed otherwise.",
    )
