"""What the schema shows of accounts: a published part, never the entity itself."""

from datetime import datetime
from typing import Self

import strawberry

from domain.accounts import Account
from domain.codes import Challenge
from domain.sessions import TokenPair
from schema import published
from schema.accounts.audit_log import AuditEntryConnectionType, audit_log
from schema.accounts.factors import SecondFactorType, second_factor
from schema.accounts.farewell import AccountDeletionType
from schema.accounts.passkeys import PasskeyType, passkeys
from schema.accounts.phones import PhoneType
from schema.accounts.sessions import SessionType, sessions
from schema.nodes import ACCOUNT, NodeType, global_id
from schema.scalars import EmailAddress
from schema.stories.library import StoryConnectionType, stories


@published.as_type
class AccountType(NodeType):
    """A person with an account.

    Only they can see it.
    """

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
    phone: PhoneType | None = strawberry.field(
        description="The phone number that they have proven; null without one."
    )
    deletion: AccountDeletionType | None = strawberry.field(
        description="Set for an account that is to be deleted, as its owner asked."
    )
    stories: StoryConnectionType = strawberry.field(
        resolver=stories, description="The stories they asked for, newest first by default."
    )
    audit_log: AuditEntryConnectionType = strawberry.field(
        resolver=audit_log,
        description="What happened to the account: log-ins, failures, changes; newest first.",
    )

    second_factor: SecondFactorType | None = strawberry.field(
        resolver=second_factor,
        description="What log-ins with the password ask for beside it; null for nothing.",
    )
    passkeys: list[PasskeyType] = strawberry.field(
        resolver=passkeys, description="The passkeys that open it, oldest first: at most 10."
    )
    sessions: list[SessionType] = strawberry.field(
        resolver=sessions, description="Where they are logged in, the newest used first."
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
            phone=PhoneType.of(account),
            deletion=AccountDeletionType.of(account),
        )


@published.as_type
class ChallengeType:
    """A code was asked for to prove an address.

    It looks the same for every address.
    """

    id: strawberry.ID = strawberry.field(
        description="Goes with the code to the mutation that uses it up (`verifyOtp` and such), "
        "or alone to `resendOtp`."
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


@published.as_type
class TokenPairType:
    """What a client keeps while it is logged in."""

    access_token: str = strawberry.field(
        description="Sent with each request: `Authorization: Bearer <token>`, or as `accessToken` "
        "in `connection_init`."
    )
    access_expires_at: datetime = strawberry.field(
        description="When the access token expires; call `refreshTokens` shortly before."
    )
    refresh_token: str | None = strawberry.field(
        description="Buys the next pair, once. Keep it where no script of others can read it. Null "
        "where a cookie holds it."
    )
    refresh_expires_at: datetime = strawberry.field(
        description="When the refresh token expires, if it is not used before."
    )

    @classmethod
    def tell(cls, pair: TokenPair, *, with_refresh_token: bool = True) -> Self:
        """Make the published form of a pair."""
        return cls(
            access_token=pair.access_token,
            access_expires_at=pair.access_expires_at,
            refresh_token=pair.refresh_token if with_refresh_token else None,
            refresh_expires_at=pair.refresh_expires_at,
        )
