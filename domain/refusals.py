"""What a user can cause: each refusal has a stable code and a message that says how to go on.

A refusal is raised inside and becomes typed data at the edge (`schema/refusals.py`). The docstring
of a class is the message its user reads; names in braces are filled from the refusal's attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

Path = tuple[str | int, ...]
"""Where in the input a refusal points: names in camelCase, list indexes from 0."""


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A rule said no."""

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    path: Path = ()
    """Where it points, unless it is raised with another path."""

    def __init__(self, *, path: Path | None = None, retry_after: int | None = None) -> None:
        """`retry_after` is in whole seconds, for retryable ones."""
        super().__init__()
        if path is not None:
            self.path = path
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """The sentence that the user reads."""
        return " ".join((type(self).__doc__ or "").split()).format_map(vars(self))

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class InputIssue:
    """One thing that is wrong with one field of an input."""

    path: Path
    code: str
    message: str


class InvalidInput(Refusal):
    """Some of the input is not valid: see the issues, mend those fields and send it again."""

    code = "VALIDATION_FAILED"

    def __init__(self, issues: Sequence[InputIssue]) -> None:
        super().__init__(path=issues[0].path if issues else ())
        self.issues = tuple(issues)


class Unauthenticated(Refusal):
    """This needs a signed-in account: log in, and send the access token as a bearer token."""

    code = "UNAUTHENTICATED"


class TokenExpired(Refusal):
    """The access token has expired: refresh the tokens and send the request again."""

    code = "TOKEN_EXPIRED"
    retryable = True


class WrongCredentials(Refusal):
    """The address or the password is not right."""

    code = "UNAUTHENTICATED"


class ForeignOrigin(Refusal):
    """The refresh cookie is for pages of the allowed origins only: send a refresh token instead."""

    code = "FORBIDDEN"


class RefreshRejected(Refusal):
    """This refresh token is unknown, expired, or its session has ended: log in again."""

    code = "UNAUTHENTICATED"


class RefreshReused(Refusal):
    """This refresh token was used before, so its session was ended for safety: log in again."""

    code = "REFRESH_REUSED"


class RefreshRaced(Refusal):
    """Another request is refreshing with this token: use that request's answer, or try again."""

    code = "REFRESH_RACED"
    retryable = True


class EmailUnverified(Refusal):
    """The address is not proven yet: enter the code that was mailed to it, or ask for another."""

    code = "EMAIL_UNVERIFIED"

    def __init__(self, challenge_id: UUID, resend_at: datetime) -> None:
        super().__init__()
        self.challenge_id = challenge_id
        self.resend_at = resend_at


class CodeInvalid(Refusal):
    """The code is not right. Tries left: {attempts_left}."""

    code = "OTP_INVALID"

    def __init__(self, attempts_left: int, *, path: Path = ("input", "code")) -> None:
        super().__init__(path=path)
        self.attempts_left = attempts_left


class CodeExpired(Refusal):
    """This code has expired or was used already: ask for another."""

    code = "OTP_EXPIRED"


class CodeAttemptsExceeded(Refusal):
    """Too many wrong codes: wait, then ask for another."""

    code = "OTP_ATTEMPTS_EXCEEDED"
    retryable = True


class AccountLocked(Refusal):
    """Too many wrong passwords or codes from here: try again in {retry_after} seconds."""

    code = "ACCOUNT_LOCKED"
    retryable = True


class SecondFactorRequired(Refusal):
    """The password is right: complete the log-in with a code of your app or a recovery code."""

    code = "SECOND_FACTOR_REQUIRED"

    def __init__(self, ticket: str, expires_at: datetime) -> None:
        super().__init__()
        self.ticket = ticket
        self.expires_at = expires_at


class LogInTicketRejected(Refusal):
    """This log-in has expired, was completed, or had too many wrong codes: log in again."""

    code = "UNAUTHENTICATED"
    path = ("input", "ticket")


class SecondFactorLocked(Refusal):
    """Too many wrong codes: use a recovery code, or try again in {retry_after} seconds."""

    code = "OTP_ATTEMPTS_EXCEEDED"
    retryable = True


class SecondFactorUnreadable(Refusal):
    """Codes of this app cannot be checked any more: use recovery codes to log in and disable it."""

    code = "SECOND_FACTOR_UNREADABLE"


class RecoveryCodeInvalid(Refusal):
    """This recovery code is not right, or was used before: take another one of your list."""

    code = "OTP_INVALID"


class SecondFactorInPlace(Refusal):
    """An authenticator app is in use already: disable it before you enrol another."""

    code = "CONFLICT"


class SecondFactorMissing(Refusal):
    """No authenticator app is enrolled, or its enrolment took too long: begin one first."""

    code = "NOT_FOUND"


class PasskeyRejected(Refusal):
    """This passkey does not open an account here: log in another way, or begin again."""

    code = "UNAUTHENTICATED"


class PasskeyUnfit(Refusal):
    """This passkey could not be checked, or is known already: begin its registration again."""

    code = "VALIDATION_FAILED"
    path = ("input", "credential")


class PasskeyLimitReached(Refusal):
    """An account holds at most {limit} passkeys: remove one before you add another."""

    code = "QUOTA_EXCEEDED"

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit


class AccountSuspended(Refusal):
    """This account is suspended: nobody can log in until an administrator reinstates it."""

    code = "ACCOUNT_SUSPENDED"


class Forbidden(Refusal):
    """This is for administrators only, from where they are allowed to work."""

    code = "FORBIDDEN"


class ReauthenticationRequired(Refusal):
    """Your last log-in is too long ago for this: call `reauthenticate`, then send it again."""

    code = "REAUTHENTICATION_REQUIRED"
    retryable = True


class OwnAccount(Refusal):
    """Nobody suspends their own account: ask another administrator."""

    code = "FORBIDDEN"
    path = ("input", "accountId")


class AccountNotFound(Refusal):
    """No account has this id: check it, or look for its address."""

    code = "NOT_FOUND"
    path = ("input", "accountId")


class DeadLetterNotFound(Refusal):
    """No dead letter has this id: it was retried or discarded already, or never was one."""

    code = "NOT_FOUND"
    path = ("input", "jobId")


class JobLives(Refusal):
    """Another job does the same already: wait for it, or discard this one."""

    code = "CONFLICT"
    path = ("input", "jobId")


class MailNotOwed(Refusal):
    """This mail is not sent any more: it has expired, or its code may have come. Discard it."""

    code = "NOT_RETRYABLE"
    path = ("input", "jobId")


class RateLimited(Refusal):
    """Too many requests: try again in {retry_after} seconds."""

    code = "RATE_LIMITED"
    retryable = True


class QuotaExceeded(Refusal):
    """Your plan allows {limit} stories {period}: try again when the time is over."""

    code = "QUOTA_EXCEEDED"
    retryable = True

    def __init__(self, limit: int, period: str, *, retry_after: int | None) -> None:
        super().__init__(retry_after=retry_after)
        self.limit = limit
        self.period = period


class UpstreamUnavailable(Refusal):
    """Something this needs does not answer at the moment: try again shortly."""

    code = "UPSTREAM_UNAVAILABLE"
    retryable = True


class NotFound(Refusal):
    """Nothing with this id is yours: check the id."""

    code = "NOT_FOUND"


class Conflict(Refusal):
    """This idempotency key was used for another request: send a new key."""

    code = "CONFLICT"


class NotCancelable(Refusal):
    """The story has come to its end already: there is nothing left to cancel."""

    code = "NOT_CANCELABLE"


class CursorInvalid(Refusal):
    """This cursor was not made by this API: leave it out to start from the beginning."""

    code = "CURSOR_INVALID"
