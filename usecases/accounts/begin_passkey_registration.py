"""Begin to add a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.passkeys import MOST_PASSKEYS, PasskeyInvitation
from domain.refusals import PasskeyLimitReached
from domain.sessions import AccessClaims, Device
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.ports.factors import PasskeyCeremonies, PasskeyChallenges
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class BeginPasskeyRegistration:
    """Tells a browser how to make a passkey for the account."""

    reauthenticate: Reauthenticate
    database: Database
    challenges: PasskeyChallenges
    ceremonies: PasskeyCeremonies

    async def __call__(
        self, claims: AccessClaims, *, password: str, device: Device
    ) -> Mapping[str, object]:
        """Return a PublicKeyCredentialCreationOptionsJSON.

        Raises WrongCredentials, PasskeyLimitReached or UpstreamUnavailable.
        """
        account = await self.reauthenticate(claims, password, device)
        async with self.database.begin() as work:
            held = await work.passkeys.of_account(account.id)
        if len(held) >= MOST_PASSKEYS:
            raise PasskeyLimitReached(MOST_PASSKEYS)
        handle = held[0].user_handle if held else self.ceremonies.draw_user_handle()
        invitation = PasskeyInvitation(account_id=account.id, user_handle=handle)
        challenge = await self.challenges.open(invitation)
        return self.ceremonies.creation_options(account, handle, challenge, held)
