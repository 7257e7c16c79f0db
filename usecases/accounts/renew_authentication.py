"""Let a session prove again who bears it."""

from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from domain.accounts import Account
from domain.audit import Act
from domain.refusals import InputIssue, InvalidInput, Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.prove_factor import PROOF, FactorProof, ProveFactor
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.unchanged import lock_unchanged, unchanged
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class RenewAuthentication:
    """Stamps the session of who shows again what their log-in took: it gives no new token.

    That is the password and, where the account has one, the second factor. Wrong ones count as at
    any other time.
    """

    reauthenticate: Reauthenticate
    prove_factor: ProveFactor
    database: Database
    clock: Clock

    async def __call__(
        self, claims: AccessClaims, *, password: str, proof: FactorProof | None, device: Device
    ) -> datetime:
        """Return the time of the stamp.

        Raises WrongCredentials, AccountLocked, InvalidInput where the proof is lacking, what the
        proof is refused with, Unauthenticated where the session has ended, or UpstreamUnavailable.
        """
        checked = await self.reauthenticate(claims, password, device)

        async def stamp(work: Work, stored: Account) -> datetime:
            account = unchanged(stored, checked)
            return await self._stamp(work, account, claims, device, proof)

        if proof is not None:
            stamped_at = await self.prove_factor(checked.id, proof, device, stamp)
        else:
            async with self.database.begin() as work:
                account = await lock_unchanged(work, checked)
                factor = await work.factors.of_account(account.id)
                if factor is not None and factor.is_enabled:
                    raise _lacking_proof()
                stamped_at = await stamp(work, account)
        logger.bind(user_id=str(checked.id), session_id=str(claims.session_id)).info(
            "Authenticated again"
        )
        return stamped_at

    async def _stamp(
        self,
        work: Work,
        account: Account,
        claims: AccessClaims,
        device: Device,
        proof: FactorProof | None,
    ) -> datetime:
        session, now = await work.sessions.lock(claims.session_id), self.clock.now()
        if session is None or session.account_id != account.id or not session.is_live(now):
            raise Unauthenticated
        session.authenticated_at = now
        await work.audit.record(
            Act.REAUTHENTICATED,
            account.id,
            session_id=session.id,
            device=device,
            detail={"method": _method(proof)},
        )
        return now


def _method(proof: FactorProof | None) -> str:
    if proof is None:
        return "password"
    return "password and totp" if proof.code is not None else "password and recovery code"


def _lacking_proof() -> InvalidInput:
    message = "The account has a second factor: send a code of the app, or a recovery code."
    return InvalidInput([InputIssue(PROOF, "second_factor_required", message)])
