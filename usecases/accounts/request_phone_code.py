"""Ask for a code to prove a phone number."""

from dataclasses import dataclass

from loguru import logger

from domain.codes import Challenge, CodePurpose
from domain.entity import Value
from domain.refusals import Unauthenticated, UpstreamUnavailable
from domain.sessions import AccessClaims, Device
from usecases.accounts.phone_numbers import PhoneNumber
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes
from usecases.ports.transactions import Database
from usecases.validation import checked


class Phone(Value):
    """Where somebody says that they can be reached."""

    phone_number: PhoneNumber


@dataclass(frozen=True, slots=True)
class RequestPhoneCode:
    """Owes a code by text message. Two accounts may have one number: nothing is told of others.

    `is_offered` is False where nothing can send text messages.
    """

    reauthenticate: Reauthenticate
    database: Database
    codes: Codes
    owe: OweMail
    is_offered: bool

    async def __call__(
        self, claims: AccessClaims, *, phone_number: str, password: str, device: Device
    ) -> Challenge:
        """Return the challenge to answer; its `email` is the number.

        Raises InvalidInput, WrongCredentials, AccountLocked, Unauthenticated, RateLimited or
        UpstreamUnavailable.
        """
        phone = checked(Phone, {"phone_number": phone_number})
        if not self.is_offered:
            raise UpstreamUnavailable
        account = await self.reauthenticate(claims, password, device)
        challenge = await self.codes.open(CodePurpose.PHONE, phone.phone_number, account.id)
        async with self.database.begin() as work:
            owner = await work.accounts.lock(account.id)
            if owner is None:
                raise Unauthenticated
            await self.owe.code(work, challenge, owner)
        logger.bind(user_id=str(account.id)).info("Code for a phone number asked for")
        return challenge
