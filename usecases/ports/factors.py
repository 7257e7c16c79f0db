"""Second factors and passkeys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.accounts import Account
from domain.passkeys import Assertion, NewPasskey, Passkey, PasskeyInvitation
from domain.second_factors import (
    LogInTicket,
    TotpFactor,
    TotpSecret,
)


class TotpCodes(Protocol):
    """Time-based one-time codes (RFC 6238). Their secrets are seen here only."""

    def draw(self, account: Account) -> TotpSecret:
        """Draw a secret for the account's app."""
        ...

    def step(self, factor: TotpFactor, code: str) -> int | None:
        """Return the newest time step around now that the code is right for.

        Raises SecretUnreadable where no key of ours opens the secret.
        """
        ...

    def renewed(self, factor: TotpFactor) -> bytes:
        """Return the secret sealed under today's key: as it is, unless an earlier key sealed it."""
        ...


class RecoveryCodes(Protocol):
    """The format of recovery codes."""

    def draw(self) -> str: ...
    def digest(self, account_id: UUID, code: str) -> bytes:
        """Return what is stored of it; the same however people write it down."""
        ...


class FactorTries(Protocol):
    """Counts wrong codes by account. Both raise UpstreamUnavailable when nobody can tell."""

    async def take(self, account_id: UUID) -> int:
        """Count a try, before its code is looked at; return how many are left after it.

        Raises SecondFactorLocked when there was none left.
        """
        ...

    async def forget(self, account_id: UUID) -> None:
        """Begin anew, after a right code."""
        ...


class LogInTickets(Protocol):
    """Log-ins that still owe their second factor. All raise UpstreamUnavailable."""

    async def issue(self, ticket: LogInTicket) -> tuple[str, datetime]:
        """Return the text that stands for the ticket, and when it is void."""
        ...

    async def show(self, text: str) -> tuple[LogInTicket, int]:
        """Use up a try; return the ticket and the tries left. Raises LogInTicketRejected."""
        ...

    async def redeem(self, text: str) -> None:
        """Use the ticket up: one caller can. Raises LogInTicketRejected for all others."""
        ...


class PasskeyChallenges(Protocol):
    """What authenticators are asked to sign, each once. All raise UpstreamUnavailable."""

    async def open(self, invitation: PasskeyInvitation | None) -> bytes:
        """Draw a challenge to register a passkey by, or without an invitation to log in by."""
        ...

    async def redeem(self, challenge: bytes) -> PasskeyInvitation | None:
        """Use a challenge up, and return the invitation it was for.

        Raises CeremonyFailed for one that is unknown, expired or used.
        """
        ...


class PasskeyCeremonies(Protocol):
    """The two ceremonies of WebAuthn. Options and responses are its JSON, as browsers have them.

    Whatever is wrong with a response raises CeremonyFailed.
    """

    def draw_user_handle(self) -> bytes: ...
    def creation_options(
        self, account: Account, user_handle: bytes, challenge: bytes, held: Sequence[Passkey]
    ) -> Mapping[str, object]:
        """Return what a browser needs to make a passkey, on no authenticator that holds one."""
        ...

    def request_options(self, challenge: bytes) -> Mapping[str, object]:
        """Return what a browser needs to log in with whichever passkey its owner chooses."""
        ...

    def challenge_of(self, response: object) -> bytes:
        """Return the challenge that a response says it answers; nothing is checked yet."""
        ...

    def credential_of(self, response: object) -> bytes:
        """Return the id of the credential that a response claims; nothing is checked yet."""
        ...

    def register(self, response: object, challenge: bytes) -> NewPasskey:
        """Check what an authenticator made."""
        ...

    def verify(self, response: object, challenge: bytes, passkey: Passkey) -> Assertion:
        """Check a signature; the counter is the caller's to judge."""
        ...


class SecretUnreadable(Exception):  # noqa: N818 - an answer
    """The secret of an app was sealed under a key that is no longer among ours."""


class CeremonyFailed(Exception):  # noqa: N818 - an answer
    """A response is malformed, or does not prove what it should. The text is for the log."""
