"""Refusals as the schema shows them: one type a refusal, all of them `implements Refusal`."""

from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, ClassVar, Self

import strawberry
from strawberry.extensions import FieldExtension

from domain import refusals
from domain.refusals import Refusal


@strawberry.interface(
    name="Refusal",
    description="A rule said no. It is data, not an error: the message says how to go on.",
)
class RefusalType:
    """What every refusal tells."""

    of: ClassVar[type[Refusal]]

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


@strawberry.type(name="InputIssue", description="One thing that is wrong with one field.")
class InputIssueType:
    """A published input issue."""

    path: list[str] = strawberry.field(
        description="Where in the arguments: field names, list indexes from 0."
    )
    code: str = strawberry.field(description="Stable name of the fault, like `string_too_long`.")
    message: str = strawberry.field(description="A sentence for people.")


@strawberry.type(name="InvalidInput", description="Some fields of the input are not valid.")
class InvalidInputType(RefusalType):
    """VALIDATION_FAILED."""

    of = refusals.InvalidInput

    issues: list[InputIssueType] = strawberry.field(description="Everything that is wrong.")


@strawberry.type(name="Unauthenticated", description="This needs a signed-in account.")
class UnauthenticatedType(RefusalType):
    """UNAUTHENTICATED."""

    of = refusals.Unauthenticated


@strawberry.type(name="TokenExpired", description="The access token's time is over: refresh it.")
class TokenExpiredType(RefusalType):
    """TOKEN_EXPIRED."""

    of = refusals.TokenExpired


@strawberry.type(name="WrongCredentials", description="The address or the password is not right.")
class WrongCredentialsType(RefusalType):
    """UNAUTHENTICATED at log-in."""

    of = refusals.WrongCredentials


@strawberry.type(
    name="ForeignOrigin",
    description="The refresh cookie was asked for by no page of the allowed origins.",
)
class ForeignOriginType(RefusalType):
    """FORBIDDEN where a cookie is used."""

    of = refusals.ForeignOrigin


@strawberry.type(
    name="RefreshRejected",
    description="The refresh token is unknown, expired, or its session has ended.",
)
class RefreshRejectedType(RefusalType):
    """UNAUTHENTICATED at refresh."""

    of = refusals.RefreshRejected


@strawberry.type(
    name="RefreshReused",
    description="The refresh token was used before: its session was ended for safety.",
)
class RefreshReusedType(RefusalType):
    """REFRESH_REUSED."""

    of = refusals.RefreshReused


@strawberry.type(
    name="RefreshRaced", description="Another request is refreshing with the same token."
)
class RefreshRacedType(RefusalType):
    """REFRESH_RACED."""

    of = refusals.RefreshRaced


@strawberry.type(name="EmailUnverified", description="The address is not proven yet.")
class EmailUnverifiedType(RefusalType):
    """EMAIL_UNVERIFIED."""

    of = refusals.EmailUnverified

    challenge_id: strawberry.ID = strawberry.field(
        description="The challenge to answer with `verifyOtp`, or to renew with `resendOtp`."
    )
    resend_at: datetime = strawberry.field(description="When another code may be asked for.")


@strawberry.type(name="CodeInvalid", description="The code is not right.")
class CodeInvalidType(RefusalType):
    """OTP_INVALID."""

    of = refusals.CodeInvalid

    attempts_left: int = strawberry.field(description="Tries left before the code is void.")


@strawberry.type(name="CodeExpired", description="The code has expired or was used already.")
class CodeExpiredType(RefusalType):
    """OTP_EXPIRED."""

    of = refusals.CodeExpired


@strawberry.type(name="CodeAttemptsExceeded", description="Too many wrong codes.")
class CodeAttemptsExceededType(RefusalType):
    """OTP_ATTEMPTS_EXCEEDED."""

    of = refusals.CodeAttemptsExceeded


@strawberry.type(
    name="AccountLocked",
    description="Too many wrong passwords or codes from this network or device. The account's own "
    "devices are not held up, and the answer is the same for an address without an account.",
)
class AccountLockedType(RefusalType):
    """ACCOUNT_LOCKED."""

    of = refusals.AccountLocked


@strawberry.type(
    name="SecondFactorRequired",
    description="The password is right, and the account asks for a second factor: send the ticket "
    "to `completeLogIn` with a code of the authenticator app, or a recovery code.",
)
class SecondFactorRequiredType(RefusalType):
    """SECOND_FACTOR_REQUIRED."""

    of = refusals.SecondFactorRequired

    ticket: str = strawberry.field(
        description="Stands for the right password: good once, for 5 minutes and 5 tries. It is "
        "void when the password is changed."
    )
    expires_at: datetime = strawberry.field(description="When the ticket is void.")


@strawberry.type(
    name="LogInTicketRejected",
    description="The ticket is unknown, expired, used, or its tries are: log in again.",
)
class LogInTicketRejectedType(RefusalType):
    """UNAUTHENTICATED at the second factor."""

    of = refusals.LogInTicketRejected


@strawberry.type(
    name="SecondFactorLocked",
    description="Too many wrong codes of the authenticator app: 5 in 15 minutes. Recovery codes "
    "and passkeys go on working.",
)
class SecondFactorLockedType(RefusalType):
    """OTP_ATTEMPTS_EXCEEDED of an authenticator app."""

    of = refusals.SecondFactorLocked


@strawberry.type(
    name="SecondFactorUnreadable",
    description="The service has lost the key of this authenticator app's secret, so no code of it "
    "is right any more. A recovery code stands in for it: log in with one, call `disableTotp` with "
    "another, and enrol the app anew.",
)
class SecondFactorUnreadableType(RefusalType):
    """SECOND_FACTOR_UNREADABLE."""

    of = refusals.SecondFactorUnreadable


@strawberry.type(
    name="RecoveryCodeInvalid", description="The recovery code is not right, or was used before."
)
class RecoveryCodeInvalidType(RefusalType):
    """OTP_INVALID of a recovery code."""

    of = refusals.RecoveryCodeInvalid


@strawberry.type(
    name="SecondFactorInPlace", description="The account has an authenticator app already."
)
class SecondFactorInPlaceType(RefusalType):
    """CONFLICT of two authenticator apps."""

    of = refusals.SecondFactorInPlace


@strawberry.type(
    name="SecondFactorMissing",
    description="The account has no authenticator app, or its enrolment was left for 15 minutes.",
)
class SecondFactorMissingType(RefusalType):
    """NOT_FOUND of an authenticator app."""

    of = refusals.SecondFactorMissing


@strawberry.type(
    name="PasskeyRejected",
    description="The passkey does not open an account here. It does not say why: an unknown "
    "passkey is answered like a wrong signature.",
)
class PasskeyRejectedType(RefusalType):
    """UNAUTHENTICATED of a passkey."""

    of = refusals.PasskeyRejected


@strawberry.type(
    name="PasskeyUnfit", description="The passkey could not be checked, or is known already."
)
class PasskeyUnfitType(RefusalType):
    """VALIDATION_FAILED of a passkey."""

    of = refusals.PasskeyUnfit


@strawberry.type(name="PasskeyLimitReached", description="The account holds no more passkeys.")
class PasskeyLimitReachedType(RefusalType):
    """QUOTA_EXCEEDED of passkeys."""

    of = refusals.PasskeyLimitReached

    limit: int = strawberry.field(description="How many an account holds.")


@strawberry.type(
    name="AccountSuspended",
    description="The account is suspended by an admin. It is told only to who has proven to be its "
    "owner.",
)
class AccountSuspendedType(RefusalType):
    """ACCOUNT_SUSPENDED."""

    of = refusals.AccountSuspended


@strawberry.type(
    name="Forbidden",
    description="This is for admins only. It does not say whether the role or the address is "
    "lacking.",
)
class ForbiddenType(RefusalType):
    """FORBIDDEN to whoever may not administer."""

    of = refusals.Forbidden


@strawberry.type(
    name="ReauthenticationRequired",
    description="The last log-in of this session is too long ago: 15 minutes (a setting).",
)
class ReauthenticationRequiredType(RefusalType):
    """REAUTHENTICATION_REQUIRED."""

    of = refusals.ReauthenticationRequired


@strawberry.type(name="OwnAccount", description="An admin cannot do this to their own account.")
class OwnAccountType(RefusalType):
    """FORBIDDEN to an admin, of their own account."""

    of = refusals.OwnAccount


@strawberry.type(name="AccountNotFound", description="No account has this id.")
class AccountNotFoundType(RefusalType):
    """NOT_FOUND of an account, for admins."""

    of = refusals.AccountNotFound


@strawberry.type(
    name="DeadLetterNotFound",
    description="No dead letter has this id: it was retried or discarded already, or never was "
    "one.",
)
class DeadLetterNotFoundType(RefusalType):
    """NOT_FOUND of a dead letter, for admins."""

    of = refusals.DeadLetterNotFound


@strawberry.type(
    name="JobLives", description="Another job waits or runs that does the same as the dead one."
)
class JobLivesType(RefusalType):
    """CONFLICT of a dead letter and a living job."""

    of = refusals.JobLives


@strawberry.type(
    name="MailNotOwed",
    description="The dead letter is a mail that has expired, or whose code may have come: it is "
    "not sent any more.",
)
class MailNotOwedType(RefusalType):
    """NOT_RETRYABLE."""

    of = refusals.MailNotOwed


@strawberry.type(name="RateLimited", description="Too many requests for now.")
class RateLimitedType(RefusalType):
    """RATE_LIMITED."""

    of = refusals.RateLimited


@strawberry.type(name="QuotaExceeded", description="The plan allows no more for now.")
class QuotaExceededType(RefusalType):
    """QUOTA_EXCEEDED."""

    of = refusals.QuotaExceeded

    limit: int = strawberry.field(description="What the plan allows.")
    period: str = strawberry.field(description="In which time, in words: `a day`, `at once`.")


@strawberry.type(
    name="UpstreamUnavailable", description="A part of the service does not answer at the moment."
)
class UpstreamUnavailableType(RefusalType):
    """UPSTREAM_UNAVAILABLE."""

    of = refusals.UpstreamUnavailable


@strawberry.type(name="NotFound", description="Nothing with this id is the viewer's.")
class NotFoundType(RefusalType):
    """NOT_FOUND."""

    of = refusals.NotFound


@strawberry.type(name="Conflict", description="The idempotency key belongs to another request.")
class ConflictType(RefusalType):
    """CONFLICT."""

    of = refusals.Conflict


@strawberry.type(name="NotCancelable", description="The story has come to its end already.")
class NotCancelableType(RefusalType):
    """NOT_CANCELABLE."""

    of = refusals.NotCancelable


@strawberry.type(name="CursorInvalid", description="The cursor was not made by this API.")
class CursorInvalidType(RefusalType):
    """CURSOR_INVALID."""

    of = refusals.CursorInvalid


PUBLISHED: dict[type[Refusal], type[RefusalType]] = {
    kind.of: kind for kind in RefusalType.__subclasses__()
}
"""How each domain refusal is published."""


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
