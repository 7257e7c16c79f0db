"""Second factors, as their owner sees them and shows them."""

from datetime import datetime
from typing import Self

import strawberry

from domain.refusals import Unauthenticated
from domain.second_factors import SecondFactor, TotpSecret
from schema import published
from schema.context import Info
from schema.nodes import ACCOUNT, NodeType, global_id
from usecases.accounts.prove_factor import FactorProof

APP_CODE = "The 6 digits that the authenticator app shows; each is good once."


@published.as_type
class SecondFactorType:
    """What log-ins with the password ask for beside it."""

    enabled_at: datetime = strawberry.field(description="Since when.")
    recovery_codes_left: int = strawberry.field(
        description="How many recovery codes were not used yet: renew them when few are left."
    )

    @classmethod
    def tell(cls, factor: SecondFactor) -> Self:
        """Make the published form of a second factor."""
        return cls(enabled_at=factor.enabled_at, recovery_codes_left=factor.recovery_codes_left)


async def second_factor(
    info: Info, account: strawberry.Parent[NodeType]
) -> SecondFactorType | None:
    """Answer with the account's second factor, to itself alone."""
    viewer = info.context.viewer.account_id
    if account.id != global_id(ACCOUNT, viewer):
        raise Unauthenticated
    found = await info.context.reads.second_factor(viewer)
    return SecondFactorType.tell(found) if found else None


@published.as_type
class TotpEnrollmentType:
    """What an authenticator app needs to know (RFC 6238)."""

    secret: str = strawberry.field(
        description="The secret in base32, to be typed in. It is shown now and never again."
    )
    uri: str = strawberry.field(
        description="The same as an `otpauth://` URI, to be shown as a QR code by the client "
        "itself: it must reach no other server."
    )

    @classmethod
    def tell(cls, secret: TotpSecret) -> Self:
        """Make the published form of a secret."""
        return cls(secret=secret.secret, uri=secret.uri)


@published.as_choice
class SecondFactorProof:
    """What shows that somebody holds the second factor: exactly one of these."""

    code: strawberry.Maybe[str] = strawberry.field(description=APP_CODE)
    recovery_code: strawberry.Maybe[str] = strawberry.field(
        description="One of the recovery codes, as it was written down; each is good once."
    )

    def given(self) -> FactorProof:
        """Return what was given, as use cases know it."""
        return FactorProof(
            code=self.code.value if self.code else None,
            recovery_code=self.recovery_code.value if self.recovery_code else None,
        )
