"""What the schema shows of accounts: a published part, never the entity itself."""

from datetime import datetime
from typing import Self

import strawberry

from domain.accounts import Account
from domain.codes import Challenge
from domain.sessions import TokenPair
from schema.nodes import ACCOUNT, NodeType, global_id
from schema.scalars import EmailAddress
from schema.stories.library import StoryConnectionType, stories


@strawberry.type(name=ACCOUNT, description="A person with an account. Only they can see it.")
class AccountType(NodeType):
    """The published part of an account."""

    email: EmailAddress = strawberry.field(
        description="The address that mails go to, in lower case."
    )
    display_name: str = strawberry.field(
        description="The name stories and mails call them by: 1 to 60 characters."
    )
    interests: list[str] = strawberry.field(
        description="What stories may be about if nothing else is said: at most 5."
    )
    created_at: datetime = strawberry.field(description="When they signed up.")
    verified_at: datetime | None = strawberry.field(
        description="When they proved the address; null before."
    )
    stories: StoryConnectionType = strawberry.field(
        resolver=stories, description="The stories they asked for, newest first by default."
    )

    @classmethod
    def tell(cls, account: Account) -> Self:
        """Make the published form of an account."""
        return cls(
            id=global_id(ACCOUNT, account.id),
            email=EmailAddress(account.email),
            display_name=account.display_name,
            interests=account.interests,
            created_at=account.created_at,
            verified_at=account.verified_at,
        )


@strawberry.type(
    name="Challenge",
    description="A code was asked for to prove an address. It looks the same for every address.",
)
class ChallengeType:
    """The published part of a challenge."""

    id: strawberry.ID = strawberry.field(
        description="Goes with the code to `verifyOtp`, or alone to `resendOtp`."
    )
    email: EmailAddress = strawberry.field(description="Where the code is mailed to.")
    expires_at: datetime = strawberry.field(description="When the code is void, and this with it.")
    resend_at: datetime = strawberry.field(
        description="From when on `resendOtp` may send another code."
    )
    code_length: int = strawberry.field(description="How many digits the code has.")

    @classmethod
    def tell(cls, challenge: Challenge) -> Self:
        """Make the published form of a challenge."""
        return cls(
            id=strawberry.ID(str(challenge.id)),
            email=EmailAddress(challenge.email),
            expires_at=challenge.expires_at,
            resend_at=challenge.resend_at,
            code_length=challenge.code_length,
        )


@strawberry.type(name="TokenPair", description="What a client keeps while it is logged in.")
class TokenPairType:
    """The published form of a token pair."""

    access_token: str = strawberry.field(
        description="Sent with each request: `Authorization: Bearer <token>`, or as `accessToken` "
        "in `connection_init`."
    )
    access_expires_at: datetime = strawberry.field(
        description="When the access token expires; call `refreshTokens` shortly before."
    )
    refresh_token: str = strawberry.field(
        description="Buys the next pair, once. Keep it where no script of others can read it."
    )
    refresh_expires_at: datetime = strawberry.field(
        description="When the refresh token expires, if it is not used before."
    )

    @classmethod
    def tell(cls, pair: TokenPair) -> Self:
        """Make the published form of a pair."""
        return cls(
            access_token=pair.access_token,
            access_expires_at=pair.access_expires_at,
            refresh_token=pair.refresh_token,
            refresh_expires_at=pair.refresh_expires_at,
        )
