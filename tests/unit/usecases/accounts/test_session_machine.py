"""Families of refresh tokens under anything that may happen to them."""

from uuid import UUID

from domain.sessions import AccessClaims, TokenPair
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk
from tests.figures import Figures
from tests.session_machine import Chain, SessionMachine, hold
from usecases.accounts.change_password import ChangePassword
from usecases.accounts.end_other_sessions import EndOtherSessions
from usecases.accounts.end_session import EndSession
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.revocation import Revocation
from usecases.deliveries.owe import OweMail

OTHER_PASSWORD = "nine loud herons at dusk"


class FakeWorld:
    """Implements `World` with the account desk of the unit tests."""

    def __init__(self) -> None:
        self.desk = desk = AccountDesk()
        self.clock = desk.clock
        self.passwords = [PASSWORD, OTHER_PASSWORD]
        revocation = Revocation(desk.database, desk.session_ends, desk.clock)
        self._end_session = EndSession(desk.reauthenticate, desk.database, revocation)
        self._end_others = EndOtherSessions(desk.reauthenticate, desk.database, revocation)
        self._change_password = ChangePassword(
            desk.reauthenticate,
            desk.database,
            desk.passwords,
            PasswordRules(),
            revocation,
            OweMail(clock=desk.clock, sender_domain="storyloom.example"),
        )

    async def open(self) -> None:
        await self.desk.account()

    async def log_in(self) -> TokenPair:
        begun = await self.desk.log_in(email=EMAIL, password=self.passwords[0], device=DEVICE)
        return begun.tokens

    async def refresh(self, token: str) -> TokenPair:
        return await self.desk.refresh_tokens(token, DEVICE)

    async def log_out(self, token: str) -> bool:
        return await self.desk.log_out(None, token, DEVICE)

    async def authenticate(self, token: str) -> AccessClaims:
        return await self.desk.authenticate(token)

    async def end_session(self, claims: AccessClaims, session_id: UUID) -> int:
        return await self._end_session(claims, session_id, self.passwords[0], DEVICE)

    async def end_others(self, claims: AccessClaims) -> int:
        return await self._end_others(claims, self.passwords[0], DEVICE)

    async def change_password(self, claims: AccessClaims) -> int:
        current, new = self.passwords
        ended = await self._change_password(claims, current=current, new=new, device=DEVICE)
        self.passwords.reverse()
        return ended

    async def chains(self) -> dict[UUID, Chain]:
        tables = self.desk.database.tables
        return {
            session.id: Chain(
                session.ended_at,
                sum(
                    link.session_id == session.id and link.used_at is None
                    for link in tables.tokens.values()
                ),
            )
            for session in tables.sessions.values()
        }

    async def aclose(self) -> None:
        """Leave nothing: it is all in memory."""


class OnFakes(SessionMachine):
    """The machine on fakes."""

    new_world = staticmethod(FakeWorld)


def test_no_family_ever_has_two_live_leaves_or_lives_again(figures: Figures) -> None:
    hold(OnFakes, figures, where="on fakes", quick=20)
