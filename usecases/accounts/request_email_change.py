"""Ask for another address."""

from dataclasses import dataclass

from loguru import logger

from domain.audit import Act
from domain.codes import Challenge, CodePurpose
from domain.deliveries import DeliveryKind
from domain.entity import Value
from domain.refusals import InputIssue, InvalidInput, Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.addresses import Address
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes
from usecases.ports.transactions import Database
from usecases.validation import checked


class NewAddress(Value):
    """Where somebody wants to be reached."""

    new_email: Address


@dataclass(frozen=True, slots=True)
class RequestEmailChange:
    """Owes a code to the new address, and tells the old one at once.

    Nobody learns whether the new address has an account: nothing here depends on it. It is looked
    up when the mail is sent, and its owner is then told instead.
    """

    reauthenticate: Reauthenticate
    database: Database
    codes: Codes
    owe: OweMail

    async def __call__(
        self, claims: AccessClaims, *, new_email: str, password: str, device: Device
    ) -> Challenge:
        """Return the challenge, which only this account can answer.

        Raises InvalidInput, WrongCredentials, Unauthenticated, RateLimited, UpstreamUnavailable.
        """
        email = checked(NewAddress, {"new_email": new_email}).new_email
        account = await self.reauthenticate(claims, password, device)
        if email == account.email:
            message = "Must be another than the current one."
            raise InvalidInput([InputIssue(("input", "newEmail"), "email_unchanged", message)])
        challenge = await self.codes.open(CodePurpose.EMAIL_CHANGE, email, account.id)
        async with self.database.begin() as work:
            if await work.accounts.lock(account.id) is None:  # held, since its codes are counted
                raise Unauthenticated
            await work.audit.record(
                Act.EMAIL_CHANGE_REQUESTED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.EMAIL_CHANGE_ASKED, account)
            await self.owe.code(work, challenge, account)
        logger.bind(user_id=str(account.id), challenge_id=str(challenge.id)).info(
            "Another address asked for"
        )
        return challenge
