"""Complete a log-in by its second factor."""

from dataclasses import dataclass

from loguru import logger

from domain.accounts import Account
from domain.refusals import LogInTicketRejected, SecondFactorMissing
from domain.second_factors import LogInTicket
from domain.sessions import Device
from usecases.accounts.open_session import LoggedIn, OpenSession
from usecases.accounts.prove_factor import FactorProof, ProveFactor
from usecases.ports.factors import LogInTickets
from usecases.ports.transactions import Database, Work


@dataclass(frozen=True, slots=True)
class CompleteLogIn:
    """Begins the session that a log-in has earned with the right password and the right code.

    The ticket is good for its account, until the password is changed, for a few tries, and once.
    """

    database: Database
    tickets: LogInTickets
    prove_factor: ProveFactor
    open_session: OpenSession

    async def __call__(self, *, ticket: str, proof: FactorProof, device: Device) -> LoggedIn:
        """Return the account and its first tokens.

        Raises LogInTicketRejected, InvalidInput, CodeInvalid, RecoveryCodeInvalid,
        SecondFactorLocked, SecondFactorUnreadable, AccountSuspended or UpstreamUnavailable.
        """
        shown, tries_left = await self.tickets.show(ticket)
        await self._check(shown)
        method = "password and totp" if proof.code is not None else "password and recovery code"

        async def begin(work: Work, account: Account) -> LoggedIn:
            _check_fits(shown, account)
            # Before the commit: of two who come with one ticket and two good codes, one gets in.
            await self.tickets.redeem(ticket)
            return await self.open_session(work, account, device, method=method)

        try:
            logged_in = await self.prove_factor(
                shown.account_id, proof, device, begin, tries_left=tries_left
            )
        except SecondFactorMissing:  # disabled since: the password alone opens the account now
            raise LogInTicketRejected from None
        user_id, session_id = str(shown.account_id), str(logged_in.session.id)
        logger.bind(user_id=user_id, session_id=session_id).info("Logged in")
        return logged_in

    async def _check(self, shown: LogInTicket) -> None:
        """Refuse a void ticket before its code is looked at: it costs the account no try."""
        async with self.database.begin() as work:
            _check_fits(shown, await work.accounts.get(shown.account_id))


def _check_fits(ticket: LogInTicket, account: Account | None) -> None:
    if account is None or not account.is_active or ticket != LogInTicket.of(account):
        raise LogInTicketRejected
