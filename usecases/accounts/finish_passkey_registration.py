"""Add a passkey."""

from dataclasses import dataclass

from loguru import logger

from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.passkeys import MOST_PASSKEYS, NewPasskey, Passkey, PasskeyInvitation
from domain.refusals import PasskeyLimitReached, PasskeyUnfit, Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.passkey_names import checked_name
from usecases.deliveries.owe import OweMail
from usecases.ports.factors import CeremonyFailed, PasskeyCeremonies, PasskeyChallenges
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Taken


@dataclass(frozen=True, slots=True)
class FinishPasskeyRegistration:
    """Checks what an authenticator has made, stores its public key, and tells the owner."""

    database: Database
    challenges: PasskeyChallenges
    ceremonies: PasskeyCeremonies
    owe: OweMail
    clock: Clock

    async def __call__(
        self, claims: AccessClaims, *, credential: object, name: str, device: Device
    ) -> Passkey:
        """Return the passkey. `credential` is a RegistrationResponseJSON, as a browser gives it.

        Raises InvalidInput, PasskeyUnfit, PasskeyLimitReached or UpstreamUnavailable.
        """
        name = checked_name(name)
        try:
            invitation, new = await self._checked(claims, credential)
        except CeremonyFailed as failure:
            logger.bind(user_id=str(claims.account_id)).info("Passkey not added: {}", failure)
            raise PasskeyUnfit from None
        try:
            passkey = await self._add(claims, invitation, new, name, device)
        except Taken:
            # Of another account or of this one: nobody learns which.
            raise PasskeyUnfit from None
        logger.bind(user_id=str(claims.account_id)).info("Passkey added")
        return passkey

    async def _checked(
        self, claims: AccessClaims, credential: object
    ) -> tuple[PasskeyInvitation, NewPasskey]:
        """Return who was invited, and the key that came. Raises CeremonyFailed."""
        challenge = self.ceremonies.challenge_of(credential)
        invitation = await self.challenges.redeem(challenge)
        if invitation is None or invitation.account_id != claims.account_id:
            raise CeremonyFailed("the challenge was for something or somebody else")
        return invitation, self.ceremonies.register(credential, challenge)

    async def _add(
        self,
        claims: AccessClaims,
        invitation: PasskeyInvitation,
        new: NewPasskey,
        name: str,
        device: Device,
    ) -> Passkey:
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None:
                raise Unauthenticated
            if len(await work.passkeys.of_account(account.id)) >= MOST_PASSKEYS:
                raise PasskeyLimitReached(MOST_PASSKEYS)
            passkey = await work.passkeys.add(
                Passkey(
                    account_id=account.id,
                    user_handle=invitation.user_handle,
                    credential_id=new.credential_id,
                    public_key=new.public_key,
                    sign_count=new.said.sign_count,
                    transports=new.transports,
                    backup_eligible=new.said.backup_eligible,
                    backed_up=new.said.backed_up,
                    name=name,
                    created_at=self.clock.now(),
                )
            )
            await work.audit.record(
                Act.PASSKEY_ADDED, account.id, session_id=claims.session_id, device=device
            )
            await self.owe.notice(work, DeliveryKind.PASSKEY_ADDED, account)
        return passkey
