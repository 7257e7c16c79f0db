"""Refusals as the schema shows them: one type a refusal, all of them `implements Refusal`."""

from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, Self, TypeVar

import strawberry
from strawberry.extensions import FieldExtension

from domain import refusals
from domain.refusals import Refusal
from schema import published


@published.as_interface
class RefusalType:
    """A rule said no.

    It is data, not an error: the message says how to go on.
    """

    code: str = strawberry.field(description="Stable name of the reason, like `RATE_LIMITED`.")
    message: str = strawberry.field(description="A sentence for people: what is wrong, what to do.")
    path: list[str] = strawberry.field(
        description="Where in the arguments: field names, list indexes from 0. Empty if nowhere."
    )
    retryable: bool = strawberry.field(description="Whether the same request may work later.")
    retry_after: int | None = strawberry.field(
        description="Seconds to wait before that, where it is known."
    )

    @classmethod
    def tell(cls, refusal: Refusal) -> Self:
        """Make the published form of a domain refusal: its attributes bear the fields' names."""
        return cls(**{field.name: getattr(refusal, field.name) for field in fields(cls)})


PUBLISHED: dict[type[Refusal], type[RefusalType]] = {}
"""How each domain refusal is published."""

Kind = TypeVar("Kind", bound=RefusalType)


def publishes(refusal: type[Refusal]) -> Callable[[type[Kind]], type[Kind]]:
    """Publish a class as what clients see of a domain refusal."""

    def publish(kind: type[Kind]) -> type[Kind]:
        PUBLISHED[refusal] = published.as_type(kind)
        return kind

    return publish


@published.as_type
class InputIssueType:
    """One thing that is wrong with one field."""

    path: list[str] = strawberry.field(
        description="Where in the arguments: field names, list indexes from 0."
    )
    code: str = strawberry.field(description="Stable name of the fault, like `string_too_long`.")
    message: str = strawberry.field(description="A sentence for people.")


@publishes(refusals.InvalidInput)
class InvalidInputType(RefusalType):
    """Some fields of the input are not valid."""

    issues: list[InputIssueType] = strawberry.field(description="Everything that is wrong.")


@publishes(refusals.Unauthenticated)
class UnauthenticatedType(RefusalType):
    """This needs a signed-in account."""


@publishes(refusals.TokenExpired)
class TokenExpiredType(RefusalType):
    """The access token's time is over: refresh it."""


@publishes(refusals.WrongCredentials)
class WrongCredentialsType(RefusalType):
    """The address or the password is not right."""


@publishes(refusals.ForeignOrigin)
class ForeignOriginType(RefusalType):
    """The refresh cookie was asked for by no page of the allowed origins."""


@publishes(refusals.RefreshRejected)
class RefreshRejectedType(RefusalType):
    """The refresh token is unknown, expired, or its session has ended."""


@publishes(refusals.RefreshReused)
class RefreshReusedType(RefusalType):
    """The refresh token was used before: its session was ended for safety."""


@publishes(refusals.RefreshRaced)
class RefreshRacedType(RefusalType):
    """Another request is refreshing with the same token."""


@publishes(refusals.EmailUnverified)
class EmailUnverifiedType(RefusalType):
    """The address is not proven yet."""

    challenge_id: strawberry.ID = strawberry.field(
        description="The challenge to answer with `verifyOtp`, or to renew with `resendOtp`."
    )
    resend_at: datetime = strawberry.field(description="When another code may be asked for.")


@publishes(refusals.CodeInvalid)
class CodeInvalidType(RefusalType):
    """The code is not right."""

    attempts_left: int = strawberry.field(description="Tries left before the code is void.")


@publishes(refusals.CodeExpired)
class CodeExpiredType(RefusalType):
    """The code has expired or was used already."""


@publishes(refusals.CodeAttemptsExceeded)
class CodeAttemptsExceededType(RefusalType):
    """Too many wrong codes."""


@publishes(refusals.AccountLocked)
class AccountLockedType(RefusalType):
    """Too many wrong passwords or codes from this network or device.

    The account's own devices are not held up, and the answer is the same for an address without an
    account.
    """


@publishes(refusals.SecondFactorRequired)
class SecondFactorRequiredType(RefusalType):
    """The password is right, and the account asks for a second factor: send the ticket to
    `completeLogIn` with a code of the authenticator app, or a recovery code.
    """  # noqa: D205 - one sentence, as clients read it

    ticket: str = strawberry.field(
        description="Stands for the right password: good once, for 5 minutes and 5 tries. It is "
        "void when the password is changed."
    )
    expires_at: datetime = strawberry.field(description="When the ticket is void.")


@publishes(refusals.LogInTicketRejected)
class LogInTicketRejectedType(RefusalType):
    """The ticket is unknown, expired, used, or its tries are: log in again."""


@publishes(refusals.SecondFactorLocked)
class SecondFactorLockedType(RefusalType):
    """Too many wrong codes of the authenticator app: 5 in 15 minutes.

    Recovery codes and passkeys go on working.
    """


@publishes(refusals.SecondFactorUnreadable)
class SecondFactorUnreadableType(RefusalType):
    """The service has lost the key of this authenticator app's secret, so no code of it is right
    any more. A recovery code stands in for it: log in with one, call `disableTotp` with another,
    and enrol the app anew.
    """  # noqa: D205 - one sentence, as clients read it


@publishes(refusals.RecoveryCodeInvalid)
class RecoveryCodeInvalidType(RefusalType):
    """The recovery code is not right, or was used before."""


@publishes(refusals.SecondFactorInPlace)
class SecondFactorInPlaceType(RefusalType):
    """The account has an authenticator app already."""


@publishes(refusals.SecondFactorMissing)
class SecondFactorMissingType(RefusalType):
    """The account has no authenticator app, or its enrolment was left for 15 minutes."""


@publishes(refusals.PasskeyRejected)
class PasskeyRejectedType(RefusalType):
    """The passkey does not open an account here.

    It does not say why: an unknown passkey is answered like a wrong signature.
    """


@publishes(refusals.PasskeyUnfit)
class PasskeyUnfitType(RefusalType):
    """The passkey could not be checked, or is known already."""


@publishes(refusals.PasskeyLimitReached)
class PasskeyLimitReachedType(RefusalType):
    """The account holds no more passkeys."""

    limit: int = strawberry.field(description="How many an account holds.")


@publishes(refusals.AccountSuspended)
class AccountSuspendedType(RefusalType):
    """The account is suspended by an admin.

    It is told only to who has proven to be its owner.
    """


@publishes(refusals.Forbidden)
class ForbiddenType(RefusalType):
    """This is for admins only.

    It does not say whether the role or the address is lacking.
    """


@publishes(refusals.ReauthenticationRequired)
class ReauthenticationRequiredType(RefusalType):
    """The last log-in of this session is too long ago: 15 minutes (a setting)."""


@publishes(refusals.OwnAccount)
class OwnAccountType(RefusalType):
    """An admin cannot do this to their own account."""


@publishes(refusals.AccountNotFound)
class AccountNotFoundType(RefusalType):
    """No account has this id."""


@publishes(refusals.DeadLetterNotFound)
class DeadLetterNotFoundType(RefusalType):
    """No dead letter has this id: it was retried or discarded already, or never was one."""


@publishes(refusals.JobLives)
class JobLivesType(RefusalType):
    """Another job waits or runs that does the same as the dead one."""


@publishes(refusals.MailNotOwed)
class MailNotOwedType(RefusalType):
    """The dead letter is a mail that has expired, or whose code may have come: it is not sent any
    more.
    """  # noqa: D205 - one sentence, as clients read it


@publishes(refusals.RateLimited)
class RateLimitedType(RefusalType):
    """Too many requests for now."""


@publishes(refusals.QuotaExceeded)
class QuotaExceededType(RefusalType):
    """The plan allows no more for now."""

    limit: int = strawberry.field(description="What the plan allows.")
    period: str = strawberry.field(description="In which time, in words: `a day`, `at once`.")


@publishes(refusals.UpstreamUnavailable)
class UpstreamUnavailableType(RefusalType):
    """A part of the service does not answer at the moment."""


@publishes(refusals.NotFound)
class NotFoundType(RefusalType):
    """Nothing with this id is the viewer's."""


@publishes(refusals.Conflict)
class ConflictType(RefusalType):
    """The idempotency key belongs to another request."""


@publishes(refusals.NotCancelable)
class NotCancelableType(RefusalType):
    """The story has come to its end already."""


@publishes(refusals.CursorInvalid)
class CursorInvalidType(RefusalType):
    """The cursor was not made by this API."""


ServiceRefusals = RateLimitedType | UpstreamUnavailableType
"""What nearly every mutation may answer."""

ViewerRefusals = UnauthenticatedType | TokenExpiredType | ServiceRefusals
"""What a mutation of the viewer's may answer."""

PasswordRefusals = WrongCredentialsType | AccountLockedType
"""What a mutation may answer that asks for the password again."""

CodeRefusals = CodeInvalidType | CodeExpiredType | CodeAttemptsExceededType
"""What a mutation may answer that takes a code which was sent."""

ProofRefusals = (
    CodeInvalidType
    | RecoveryCodeInvalidType
    | SecondFactorLockedType
    | SecondFactorMissingType
    | SecondFactorUnreadableType
)
"""What a mutation may answer that asks a viewer for their second factor."""

AdminRefusals = ForbiddenType | ReauthenticationRequiredType
"""What a mutation of admins may answer to others."""


class RefusalsAsData(FieldExtension):
    """Answers a refusal with its type, as a member of the mutation's union.

    A refusal that the union does not name is a fault of ours: graphql-core then refuses to
    resolve the type, which is masked and logged like any other.
    """

    async def resolve_async(
        self,
        next_: Callable[..., Awaitable[Any]],
        source: Any,  # noqa: ANN401 - Strawberry's signature
        info: strawberry.Info,
        **arguments: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Run the resolver."""
        try:
            return await next_(source, info, **arguments)
        except Refusal as refusal:
            return PUBLISHED[type(refusal)].tell(refusal)
