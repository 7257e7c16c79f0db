"""Administration: who may, what it does, and what is told of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyotp import TOTP

from domain.accounts import Role
from domain.audit import Act, AuditRecord
from domain.deliveries import DeliveryKind
from domain.refusals import (
    AccountLocked,
    AccountNotFound,
    AccountSuspended,
    CodeInvalid,
    Forbidden,
    InvalidInput,
    OwnAccount,
    ReauthenticationRequired,
    RefreshRejected,
    Refusal,
    SecondFactorMissing,
    SecondFactorRequired,
    Unauthenticated,
    WrongCredentials,
)
from domain.sessions import AccessClaims, Device, SessionEnd
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk
from usecases.accounts.open_session import LoggedIn
from usecases.accounts.prove_factor import FactorProof
from usecases.accounts.revocation import Revocation
from usecases.administration.appoint_admin import AppointAdmin
from usecases.administration.authorize_admin import AuthorizeAdmin, Networks, is_within
from usecases.administration.end_account_sessions import EndAccountSessions
from usecases.administration.find_account import FindAccount
from usecases.administration.list_admins import ListAdmins
from usecases.administration.reinstate_account import ReinstateAccount
from usecases.administration.suspend_account import SuspendAccount
from usecases.deliveries.owe import OweMail

ADMIN = "ada@readers.example"
FRESHNESS = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
ELSEWHERE = Device(client_address="198.51.100.9", user_agent="Firefox")
WHY = "stolen card"


@dataclass
class Office:
    """An admin who is logged in, a reader, and what the one can do to the other."""

    desk: AccountDesk = field(default_factory=AccountDesk)
    networks: Networks = ()

    def __post_init__(self) -> None:
        desk, database, clock = self.desk, self.desk.database, self.desk.clock
        owe = OweMail(clock, "storyloom.example")
        revocation = Revocation(database, desk.session_ends, clock)
        self.authorize = AuthorizeAdmin(database, clock, FRESHNESS, self.networks)
        self.find = FindAccount(self.authorize, database)
        self.end_sessions = EndAccountSessions(self.authorize, database, revocation)
        self.suspend = SuspendAccount(self.authorize, database, revocation, owe, clock)
        self.reinstate = ReinstateAccount(self.authorize, database, owe)
        self.appoint = AppointAdmin(database)
        self.list_admins = ListAdmins(database)
        self.renew = desk.second_factors["renew_authentication"]

    async def open(self) -> None:
        """Let both in."""
        await self.desk.account(email=ADMIN)
        await self.appoint(ADMIN, Role.ADMIN)
        self.reader = await self.desk.account()
        self.admin = await self.claims(ADMIN)

    async def log_in(self, email: str = EMAIL) -> LoggedIn:
        """Log somebody in."""
        return await self.desk.log_in(email=email, password=PASSWORD, device=DEVICE)

    async def claims(self, email: str = EMAIL) -> AccessClaims:
        """Log somebody in; return what their token says."""
        return await self.desk.authenticate((await self.log_in(email)).tokens.access_token)

    async def refusal(self, claims: AccessClaims, device: Device = DEVICE) -> type[Refusal] | None:
        """Return what the guard refuses somebody with."""
        try:
            await self.authorize(claims, device)
        except Refusal as refusal:
            return type(refusal)
        return None

    def trail(self, account_id: UUID) -> list[AuditRecord]:
        """Return what is recorded of an account, oldest first."""
        return [one for one in self.desk.database.audited if one.entry.account_id == account_id]


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.open()
    return office


def detail(record: AuditRecord) -> dict[str, str]:
    assert record.details
    return record.details.detail


# --- the guard ------------------------------------------------------------------------------------


async def test_an_admin_who_has_just_logged_in_may_administer(office: Office) -> None:
    admin = await office.authorize(office.admin, DEVICE)
    assert (admin.account_id, admin.session_id) == (
        office.admin.account_id,
        office.admin.session_id,
    )


async def test_without_the_role_nobody_may(office: Office) -> None:
    assert await office.refusal(await office.claims()) is Forbidden


async def test_a_role_that_is_taken_counts_no_more_whatever_the_token(office: Office) -> None:
    assert await office.refusal(office.admin) is None
    await office.appoint(ADMIN, Role.USER)
    assert await office.refusal(office.admin) is Forbidden
    await office.appoint(ADMIN, Role.ADMIN)
    assert await office.refusal(office.admin) is None


async def test_a_log_in_of_long_ago_is_too_old_and_another_proof_makes_it_new(
    office: Office,
) -> None:
    office.desk.clock.advance(FRESHNESS - SECOND)
    assert await office.refusal(office.admin) is None
    office.desk.clock.advance(SECOND)
    assert await office.refusal(office.admin) is ReauthenticationRequired
    await office.renew(office.admin, password=PASSWORD, proof=None, device=DEVICE)
    assert await office.refusal(office.admin) is None


async def test_a_refresh_makes_no_log_in_new(office: Office) -> None:
    begun = await office.log_in(ADMIN)
    claims = await office.desk.authenticate(begun.tokens.access_token)
    office.desk.clock.advance(FRESHNESS)
    await office.desk.refresh_tokens(begun.tokens.refresh_token)
    assert await office.refusal(claims) is ReauthenticationRequired


async def test_a_session_from_before_this_was_noted_is_too_old(office: Office) -> None:
    async with office.desk.database.begin() as work:
        session = await work.sessions.lock(office.admin.session_id)
        assert session
        session.authenticated_at = None
    assert await office.refusal(office.admin) is ReauthenticationRequired


async def test_from_elsewhere_an_admin_is_told_what_a_reader_is_told() -> None:
    office = Office(networks=[ip_network("203.0.113.0/24")])
    await office.open()
    office.desk.clock.advance(FRESHNESS)
    assert await office.refusal(office.admin) is ReauthenticationRequired
    assert await office.refusal(office.admin, ELSEWHERE) is Forbidden
    assert await office.refusal(await office.claims(), ELSEWHERE) is Forbidden
    assert await office.refusal(await office.claims()) is Forbidden


async def test_an_ended_session_administers_nothing(office: Office) -> None:
    async with office.desk.database.begin() as work:
        session = await work.sessions.lock(office.admin.session_id)
        assert session
        session.end(office.desk.clock.now(), SessionEnd.LOGGED_OUT)
    assert await office.refusal(office.admin) is Unauthenticated


async def test_nobody_administers_by_a_session_of_another(office: Office) -> None:
    reader = await office.claims()
    mixed = office.admin.model_copy(update={"session_id": reader.session_id})
    assert await office.refusal(mixed) is Unauthenticated


@given(st.data())
def test_an_address_is_allowed_exactly_within_the_networks(data: st.DataObject) -> None:
    kind = IPv4Address if data.draw(st.booleans()) else IPv6Address
    bits = kind(0).max_prefixlen
    length = data.draw(st.integers(1, bits))
    start = data.draw(st.integers(0, 2**length - 1)) << (bits - length)
    network = ip_network(f"{kind(start)}/{length}")
    inside = start + data.draw(st.integers(0, 2 ** (bits - length) - 1))
    outside = inside ^ (1 << (bits - length))
    assert is_within(str(kind(inside)), [network])
    assert not is_within(str(kind(outside)), [network])
    if kind is IPv4Address:
        assert is_within(f"::ffff:{kind(inside)}", [network])
    assert not is_within("unknown", [network])
    assert is_within("unknown", [])


# --- proving again --------------------------------------------------------------------------------


async def test_a_wrong_password_stamps_nothing_and_counts_as_at_log_in(office: Office) -> None:
    office.desk.clock.advance(FRESHNESS)
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            await office.renew(office.admin, password="wrong", proof=None, device=DEVICE)
    with pytest.raises(AccountLocked):
        await office.renew(office.admin, password=PASSWORD, proof=None, device=DEVICE)
    assert await office.refusal(office.admin) is ReauthenticationRequired


async def test_with_a_second_factor_the_password_alone_is_not_enough(office: Office) -> None:
    factors, clock = office.desk.second_factors, office.desk.clock
    begin = factors["begin_totp_enrollment"]
    app = TOTP((await begin(office.admin, password=PASSWORD, device=DEVICE)).secret)
    await factors["confirm_totp_enrollment"](office.admin, code=app.at(clock.now()), device=DEVICE)
    clock.advance(FRESHNESS)
    with pytest.raises(InvalidInput) as lacking:
        await office.renew(office.admin, password=PASSWORD, proof=None, device=DEVICE)
    assert lacking.value.path == ("input", "proof")
    good = app.at(clock.now())
    wrong = FactorProof(code="000000" if good != "000000" else "111111")
    with pytest.raises(CodeInvalid):
        await office.renew(office.admin, password=PASSWORD, proof=wrong, device=DEVICE)
    assert await office.refusal(office.admin) is ReauthenticationRequired
    right = FactorProof(code=good)
    await office.renew(office.admin, password=PASSWORD, proof=right, device=DEVICE)
    assert await office.refusal(office.admin) is None
    newest = office.desk.database.audited[-1]
    assert (newest.entry.act, newest.entry.session_id) == (
        Act.REAUTHENTICATED,
        office.admin.session_id,
    )
    assert detail(newest) == {"method": "password and totp"}


async def test_without_a_second_factor_none_is_taken(office: Office) -> None:
    proof = FactorProof(code="123456")
    with pytest.raises(SecondFactorMissing):
        await office.renew(office.admin, password=PASSWORD, proof=proof, device=DEVICE)


async def test_an_ended_session_is_not_made_new(office: Office) -> None:
    async with office.desk.database.begin() as work:
        session = await work.sessions.lock(office.admin.session_id)
        assert session
        session.end(office.desk.clock.now(), SessionEnd.LOGGED_OUT)
    before = office.desk.database.acts
    with pytest.raises(Unauthenticated):
        await office.renew(office.admin, password=PASSWORD, proof=None, device=DEVICE)
    assert office.desk.database.acts == before


# --- looking --------------------------------------------------------------------------------------


async def test_an_account_is_found_by_its_id_or_its_address_and_that_is_told(
    office: Office,
) -> None:
    for sought in (office.reader.id, "Mira@Readers.example"):
        found = await office.find(office.admin, DEVICE, sought=sought)
        assert found
        assert found.id == office.reader.id
        viewed = office.trail(office.reader.id)[-1]
        assert viewed.entry.act is Act.ACCOUNT_VIEWED
        assert detail(viewed) == {"admin": str(office.admin.account_id)}
    before = office.desk.database.acts
    assert await office.find(office.admin, DEVICE, sought="nobody@readers.example") is None
    assert office.desk.database.acts == before
    with pytest.raises(InvalidInput) as refused:
        await office.find(office.admin, DEVICE, sought="not an address")
    assert refused.value.path == ("by", "email")


async def test_an_address_that_nobody_has_proven_leads_to_who_claimed_it_last(
    office: Office,
) -> None:
    claimed = "new@readers.example"
    await office.desk.account(active=False, email=claimed)
    last = await office.desk.account(active=False, email=claimed)
    found = await office.find(office.admin, DEVICE, sought=claimed)
    assert found
    assert found.id == last.id


async def test_who_may_not_sees_nothing_and_leaves_no_trace(office: Office) -> None:
    reader = await office.claims()
    before = office.desk.database.acts
    with pytest.raises(Forbidden):
        await office.find(reader, DEVICE, sought=ADMIN)
    assert office.desk.database.acts == before


# --- acting ---------------------------------------------------------------------------------------


async def test_ended_sessions_end_and_the_owner_logs_in_again(office: Office) -> None:
    sessions = [(await office.log_in()).session.id for _ in range(2)]
    account, ended = await office.end_sessions(
        office.admin, DEVICE, account_id=office.reader.id, reason=WHY
    )
    assert (account.id, ended) == (office.reader.id, 2)
    assert sorted(office.desk.session_ends.announced) == sorted(sessions)
    reasons = {
        session.end_reason
        for session in office.desk.database.tables.sessions.values()
        if session.account_id == office.reader.id
    }
    assert reasons == {SessionEnd.ENDED_BY_ADMIN}
    assert await office.log_in()
    assert await office.refusal(office.admin) is None


async def test_a_suspended_account_is_shut_to_who_has_the_password_and_tells_others_nothing(
    office: Office,
) -> None:
    begun = await office.log_in()
    account, ended = await office.suspend(
        office.admin, DEVICE, account_id=office.reader.id, reason=WHY
    )
    assert (account.is_suspended, ended) == (True, 1)
    assert office.desk.session_ends.announced == [begun.session.id]
    with pytest.raises(RefreshRejected):
        await office.desk.refresh_tokens(begun.tokens.refresh_token)
    sessions = len(office.desk.database.tables.sessions)
    with pytest.raises(WrongCredentials):
        await office.desk.log_in(email=EMAIL, password="wrong", device=DEVICE)
    with pytest.raises(AccountSuspended):
        await office.log_in()
    assert len(office.desk.database.tables.sessions) == sessions
    assert (DeliveryKind.ACCOUNT_SUSPENDED, EMAIL) in office.desk.owed


async def test_with_a_second_factor_it_is_told_after_both(office: Office) -> None:
    claims, clock = await office.claims(), office.desk.clock
    factors = office.desk.second_factors
    begin = factors["begin_totp_enrollment"]
    app = TOTP((await begin(claims, password=PASSWORD, device=DEVICE)).secret)
    await factors["confirm_totp_enrollment"](claims, code=app.at(clock.now()), device=DEVICE)
    await office.suspend(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
    with pytest.raises(SecondFactorRequired) as asked:
        await office.log_in()
    clock.advance(timedelta(seconds=30))
    proof = FactorProof(code=app.at(clock.now()))
    with pytest.raises(AccountSuspended):
        await factors["complete_log_in"](ticket=asked.value.ticket, proof=proof, device=DEVICE)


async def test_each_act_stands_in_both_trails_and_the_admins_device_in_theirs_alone(
    office: Office,
) -> None:
    await office.suspend(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
    suspended = office.trail(office.reader.id)[-1]
    assert suspended.entry.act is Act.ACCOUNT_SUSPENDED
    assert detail(suspended) == {"admin": str(office.admin.account_id), "reason": WHY}
    assert suspended.details
    assert (suspended.details.client_address, suspended.entry.session_id) == ("", None)

    administered = office.trail(office.admin.account_id)[-1]
    assert administered.entry.act is Act.ADMINISTERED
    assert administered.entry.session_id == office.admin.session_id
    assert detail(administered) == {
        "act": "account_suspended",
        "account": str(office.reader.id),
    }
    assert administered.details
    assert administered.details.client_address == DEVICE.client_address


async def test_twice_changes_nothing_and_sends_no_second_mail(office: Office) -> None:
    for _ in range(2):
        await office.suspend(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
    for _ in range(2):
        await office.reinstate(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
    acts = [record.entry.act for record in office.trail(office.reader.id)]
    assert acts == [Act.ACCOUNT_SUSPENDED, Act.ACCOUNT_REINSTATED]
    kinds = [kind for kind, to in office.desk.owed if to == EMAIL]
    assert kinds == [DeliveryKind.ACCOUNT_SUSPENDED, DeliveryKind.ACCOUNT_REINSTATED]


async def test_a_reinstated_account_is_open_again(office: Office) -> None:
    await office.suspend(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
    account = await office.reinstate(
        office.admin, DEVICE, account_id=office.reader.id, reason="a mistake"
    )
    assert not account.is_suspended
    assert await office.log_in()


async def test_nobody_suspends_themselves(office: Office) -> None:
    with pytest.raises(OwnAccount):
        await office.suspend(office.admin, DEVICE, account_id=office.admin.account_id, reason=WHY)
    assert await office.refusal(office.admin) is None


async def test_a_suspended_admin_administers_nothing(office: Office) -> None:
    await office.appoint(EMAIL, Role.ADMIN)
    other = await office.claims()
    await office.suspend(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
    assert await office.refusal(other) is Unauthenticated


async def test_an_address_that_is_not_proven_gets_no_mail_of_it(office: Office) -> None:
    pending = await office.desk.account(active=False, email="new@readers.example")
    before = len(office.desk.owed)
    await office.suspend(office.admin, DEVICE, account_id=pending.id, reason=WHY)
    assert office.desk.database.tables.accounts[pending.id].is_suspended
    assert len(office.desk.owed) == before


async def test_an_account_that_is_not_there_or_about_to_go_is_not_found(office: Office) -> None:
    async with office.desk.database.begin() as work:
        closed = await work.accounts.lock(office.reader.id)
        assert closed
        closed.close()
    for act in (office.end_sessions, office.suspend, office.reinstate):
        for account_id in (office.reader.id, office.admin.session_id):
            with pytest.raises(AccountNotFound):
                await act(office.admin, DEVICE, account_id=account_id, reason=WHY)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
async def test_an_act_takes_a_reason_of_one_line(office: Office, reason: str) -> None:
    for act in (office.end_sessions, office.suspend, office.reinstate):
        with pytest.raises(InvalidInput) as refused:
            await act(office.admin, DEVICE, account_id=office.reader.id, reason=reason)
        assert refused.value.path == ("input", "reason")
    assert office.trail(office.reader.id) == []


async def test_whoever_may_not_changes_nothing(office: Office) -> None:
    reader, before = await office.claims(), len(office.desk.database.acts)
    target = office.admin.account_id
    for act in (office.end_sessions, office.suspend, office.reinstate):
        with pytest.raises(Forbidden):
            await act(reader, DEVICE, account_id=target, reason=WHY)
        office.desk.clock.advance(FRESHNESS)
        with pytest.raises(ReauthenticationRequired):
            await act(office.admin, DEVICE, account_id=office.reader.id, reason=WHY)
        office.desk.clock.advance(-FRESHNESS)
    assert len(office.desk.database.acts) == before
    assert await office.refusal(office.admin) is None


# --- the role -------------------------------------------------------------------------------------


async def test_the_operator_gives_and_takes_the_role_and_each_is_told_once(
    office: Office,
) -> None:
    for role, changed in ((Role.ADMIN, True), (Role.ADMIN, False), (Role.USER, True)):
        account, did = await office.appoint("MIRA@readers.example", role)
        assert (account.role, did) == (role, changed)
    told = [(record.entry.act, detail(record)) for record in office.trail(office.reader.id)]
    operator = {"actor": "operator", "role": "admin"}
    assert told == [(Act.ROLE_GRANTED, operator), (Act.ROLE_REVOKED, operator)]
    assert [admin.email for admin in await office.list_admins()] == [ADMIN]


async def test_an_address_that_nobody_has_proven_gets_no_role(office: Office) -> None:
    await office.desk.account(active=False, email="new@readers.example")
    with pytest.raises(AccountNotFound):
        await office.appoint("new@readers.example", Role.ADMIN)
    with pytest.raises(InvalidInput):
        await office.appoint("rubbish", Role.ADMIN)
    assert [admin.email for admin in await office.list_admins()] == [ADMIN]
