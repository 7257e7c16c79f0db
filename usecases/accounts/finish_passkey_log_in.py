"""Log in with a passkey."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.passkeys import Assertion, Passkey
from domain.refusals import PasskeyRejected
from domain.sessions import Device
from usecases.accounts.open_session import LoggedIn, OpenSession
from usecases.deliveries.owe import OweMail
from usecases.ports.factors import CeremonyFailed, PasskeyCeremonies, PasskeyChallenges
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class FinishPasskeyLogIn:
    """Begins a session by a signature. Its user was verified, so no second factor is asked for."""

    database: Database
    challenges: PasskeyChallenges
    ceremonies: PasskeyCeremonies
    open_session: OpenSession
    owe: OweMail
    clock: Clock

    async def __call__(self, *, credential: object, device: Device) -> LoggedIn:
        """Return the account and its tokens. `credential` is an AuthenticationResponseJSON.

        Raises PasskeyRejected, AccountSuspended or UpstreamUnavailable.
        """
        try:
            logged_in = await self._log_in(credential, device)
        except CeremonyFailed as failure:
            logger.info("Passkey refused: {}", failure)
            raise PasskeyRejected from None
        if logged_in is None:
            raise PasskeyRejected
        user_id, session_id = str(logged_in.account.id), str(logged_in.session.id)
        logger.bind(user_id=user_id, session_id=session_id).info("Logged in")
        return logged_in

    async def _log_in(self, credential: object, device: Device) -> LoggedIn | None:
        """Return the session; None where a refusal was noted. Raises CeremonyFailed."""
        challenge = self.ceremonies.challenge_of(credential)
        credential_id = self.ceremonies.credential_of(credential)
        if await self.challenges.redeem(challenge) is not None:
            raise CeremonyFailed("the challenge was for a registration")
        async with self.database.begin() as work:
            account, passkey = await self._known(work, credential_id)
            try:
                said = self.ceremonies.verify(credential, challenge, passkey)
            except CeremonyFailed as failure:
                logger.bind(user_id=str(account.id)).info("Passkey refused: {}", failure)
                await self._note(work, account, device, reason="signature")
                return None
            if passkey.may_be_copied(said):
                await self._warn(work, account, passkey, said, device)
                return None
            passkey.use(said, self.clock.now())
            return await self.open_session(work, account, device, method="passkey")

    async def _known(self, work: Work, credential_id: bytes) -> tuple[Account, Passkey]:
        """Return a passkey with its account, which is held. Raises CeremonyFailed."""
        found = await work.passkeys.with_credential(credential_id)
        account = await work.accounts.lock(found.account_id) if found else None
        # Read again: until the lock was ours, another log-in may have counted it on.
        passkey = await work.passkeys.with_credential(credential_id)
        if account is None or passkey is None or not account.is_active:
            raise CeremonyFailed("the passkey is unknown")
        return account, passkey

    async def _warn(
        self, work: Work, account: Account, passkey: Passkey, said: Assertion, device: Device
    ) -> None:
        logger.bind(
            user_id=str(account.id), counted=passkey.sign_count, said=said.sign_count
        ).warning("The counter of a passkey went back: it may have been copied")
        await self._note(work, account, device, reason="counter")
        await self.owe.notice(work, DeliveryKind.PASSKEY_COPIED, account)

    async def _note(self, work: Work, account: Account, device: Device, *, reason: str) -> None:
        detail = {"method": "passkey", "reason": reason}
        await work.audit.record(Act.LOG_IN_FAILED, account.id, device=device, detail=detail)
