"""What the account mutations take."""

import strawberry

from schema import published
from schema.accounts.challenges import MAILED_CODE
from schema.accounts.delivery import TokenDelivery
from schema.scalars import EmailAddress


@published.as_input
class SignUpInput:
    """Who wants an account."""

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


@published.as_input
class VerifyOtpInput:
    """A code that was mailed, and what it is for."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The `id` of the challenge, from `signUp`, `resendOtp` or `logIn`."
    )
    code: str = strawberry.field(description=MAILED_CODE)


@published.as_input
class ResendOtpInput:
    """Which challenge needs another code."""

    challenge_id: strawberry.ID = strawberry.field(description="The `id` of the challenge.")


@published.as_input
class LogInInput:
    """Who somebody is."""

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


@published.as_input
class RefreshTokensInput:
    """The token that carries a session on."""

    refresh_token: str | None = strawberry.field(
        default=None,
        description="The refresh token of the newest pair. It is void once the answer is used. "
        "Left out where the cookie holds it, which then gets the next one.",
    )


@published.as_input
class LogOutInput:
    """Which session ends."""

    refresh_token: str | None = strawberry.field(
        default=None,
        description="Names the session when the access token has expired and no cookie does; not "
        "needed otherwise.",
    )
