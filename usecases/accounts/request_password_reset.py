"""Ask for a new password, without the old one."""

from dataclasses import dataclass

from loguru import logger

from domain.audit import Act
from domain.codes import Challenge, CodePurpose
from domain.entity import Value
from domain.sessions import Device
from usecases.accounts.addresses import Address
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes
from usecases.ports.transactions import Database
from usecases.validation import checked


class Forgetful(Value):
    """Who says that they have forgotten their password."""

    email: Address


@dataclass(frozen=True, slots=True)
class RequestPasswordReset:
    """Owes a code to the owner of an address.

    Nobody learns whether an address has an account: for one that has none the challenge is a
    decoy, and the same rows are written, whose mail goes to nobody.
    """

    database: Database
    codes: Codes
    owe: OweMail

    async def __call__(self, *, email: str, device: Device) -> Challenge:
        """Return the challenge to answer. Raises InvalidInput, RateLimited, UpstreamUnavailable."""
        email = checked(Forgetful, {"email": email}).email
        async with self.database.begin() as work:
            owner = await work.accounts.active_with_email(email)
        owner_id = owner.id if owner else None
        challenge = await self.codes.open(CodePurpose.PASSWORD_RESET, email, owner_id)
        async with self.database.begin() as work:
            await work.audit.record(Act.PASSWORD_RESET_REQUESTED, owner_id, device=device)
            await self.owe.code(work, challenge, owner)
        logger.bind(challenge_id=str(challenge.id)).info("New password asked for")
        return challenge
