"""Ask for another code."""

from dataclasses import dataclass
from uuid import UUID

from domain.codes import Challenge, CodePurpose
from domain.refusals import CodeExpired
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import Codes
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class ResendOtp:
    """Owes another code for an open challenge, whatever it is for.

    The owner of an address that somebody signed up with again is owed another mail, too.
    """

    database: Database
    codes: Codes
    owe: OweMail

    async def __call__(self, challenge_id: UUID) -> Challenge:
        """Return the challenge with its new times.

        Raises CodeExpired, CodeAttemptsExceeded, RateLimited or UpstreamUnavailable.
        """
        challenge = await self.codes.reopen(challenge_id)
        if challenge.purpose is CodePurpose.PHONE:
            raise CodeExpired  # texts cost money: they are asked for with the password
        async with self.database.begin() as work:
            await self._mail(work, challenge)
        return challenge

    async def _mail(self, work: Work, challenge: Challenge) -> None:
        await work.accounts.lock_email(challenge.email)  # so that no claim of it is removed now
        owner = await work.accounts.active_with_email(challenge.email)
        # For a decoy this finds nobody, and takes as long.
        claimant = await work.accounts.get(challenge.account_id or challenge.id)
        if challenge.purpose is not CodePurpose.SIGN_UP:
            await self.owe.code(work, challenge, claimant)
        elif owner:
            await self.owe.address_in_use(work, owner)
        elif claimant:
            await self.owe.code(work, challenge, claimant)
