"""An authenticator app in the settings of an account, and at log-in."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from loguru import logger
from pyotp import TOTP

from adapters.totp import PyotpTotpCodes
from domain.audit import Act
from domain.deliveries import DeliveryKind
from domain.refusals import (
    CodeInvalid,
    InvalidInput,
    LogInTicketRejected,
    RecoveryCodeInvalid,
    Refusal,
    SecondFactorInPlace,
    SecondFactorLocked,
    SecondFactorMissing,
    SecondFactorRequired,
    SecondFactorUnreadable,
    UpstreamUnavailable,
    WrongCredentials,
)
from domain.sessions import AccessClaims
from tests.app_owner import STEP, AppOwner, with_app
from tests.fakes.accounts import DEVICE, EMAIL, PASSWORD, AccountDesk
from usecases.accounts.open_session import LoggedIn
from usecases.accounts.prove_factor import FactorProof

OTHER = "another long and quiet phrase"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one account, and the door to it."""

    desk: AccountDesk
    claims: AccessClaims

    async def enrolled(self) -> AppOwner:
        return await with_app(self.desk.second_factors, self.claims, self.desk.clock)

    async def begin(self, password: str = PASSWORD) -> TOTP:
        begin = self.desk.second_factors["begin_totp_enrollment"]
        return TOTP((await begin(self.claims, password=password, device=DEVICE)).secret)

    async def confirm(self, code: str) -> list[str]:
        confirm = self.desk.second_factors["confirm_totp_enrollment"]
        return await confirm(self.claims, code=code, device=DEVICE)

    async def disable(self, proof: FactorProof, password: str = PASSWORD) -> None:
        disable = self.desk.second_factors["disable_totp"]
        await disable(self.claims, password=password, proof=proof, device=DEVICE)

    async def renew(self, code: str, password: str = PASSWORD) -> list[str]:
        renew = self.desk.second_factors["renew_recovery_codes"]
        return await renew(self.claims, password=password, code=code, device=DEVICE)

    async def ticket(self, email: str = EMAIL) -> str:
        """Log in with the password, and return what it answers."""
        with pytest.raises(SecondFactorRequired) as refused:
            await self.desk.log_in(email=email, password=PASSWORD, device=DEVICE)
        return refused.value.ticket

    async def complete(self, ticket: str, proof: FactorProof) -> LoggedIn:
        complete = self.desk.second_factors["complete_log_in"]
        return await complete(ticket=ticket, proof=proof, device=DEVICE)

    @property
    def sessions(self) -> int:
        return len(self.desk.database.tables.sessions)

    @property
    def acts(self) -> list[Act]:
        return [act for act, _ in self.desk.database.acts]

    @property
    def owed(self) -> list[DeliveryKind]:
        """What the owner is told, apart from where they log in."""
        return [kind for kind, _ in self.desk.owed if kind is not DeliveryKind.NEW_DEVICE]


@pytest.fixture
async def settings(desk: AccountDesk) -> Settings:
    logged_in = await desk.logged_in()
    return Settings(desk, await desk.authenticate(logged_in.tokens.access_token))


# --- enrolment ------------------------------------------------------------------------------------


async def test_an_app_is_asked_for_once_a_first_code_has_confirmed_it(settings: Settings) -> None:
    app = await settings.begin()
    assert await settings.desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)
    codes = await settings.confirm(app.at(settings.desk.clock.now()))
    assert len(set(codes)) == 10
    await settings.ticket()
    assert settings.acts[-1] is Act.TOTP_ENABLED
    assert settings.owed == [DeliveryKind.TOTP_ENABLED]


async def test_neither_secret_nor_codes_are_stored(settings: Settings) -> None:
    owner = await settings.enrolled()
    tables = settings.desk.database.tables
    stored = repr([tables.factors, tables.recovery_codes, settings.desk.database.audited])
    for secret in (owner.app.secret, *owner.recovery_codes):
        assert secret not in stored
        assert secret.replace("-", "") not in stored


async def test_an_enrolment_takes_the_password(settings: Settings) -> None:
    with pytest.raises(WrongCredentials) as refused:
        await settings.begin(password=OTHER)
    assert refused.value.path == ("input", "password")
    assert settings.desk.database.tables.factors == {}


async def test_a_secret_that_was_not_confirmed_is_replaced(settings: Settings) -> None:
    first, second = await settings.begin(), await settings.begin()
    now = settings.desk.clock.now()
    with pytest.raises(CodeInvalid) as refused:
        await settings.confirm(first.at(now))
    assert (refused.value.attempts_left, refused.value.path) == (4, ("input", "code"))
    assert await settings.confirm(second.at(now))


async def test_an_enrolment_is_not_confirmed_after_a_quarter_of_an_hour(
    settings: Settings,
) -> None:
    app = await settings.begin()
    now = settings.desk.clock.advance(timedelta(minutes=15))
    claims = settings.claims
    with pytest.raises(SecondFactorMissing):
        await settings.desk.second_factors["confirm_totp_enrollment"](
            claims, code=app.at(now), device=DEVICE
        )


async def test_there_is_nothing_to_confirm_without_a_secret(settings: Settings) -> None:
    with pytest.raises(SecondFactorMissing):
        await settings.confirm("123456")


async def test_an_app_in_use_is_not_replaced(settings: Settings) -> None:
    owner = await settings.enrolled()
    with pytest.raises(SecondFactorInPlace):
        await settings.begin()
    with pytest.raises(SecondFactorInPlace):
        await settings.confirm(owner.code())


async def test_guesses_at_a_first_code_are_limited(settings: Settings) -> None:
    app = await settings.begin()
    now = settings.desk.clock.now()
    near = {app.at(now, counter_offset=step) for step in (-1, 0, 1)}
    wrong = [code for code in map("{:06d}".format, range(10)) if code not in near]
    for code in wrong[:5]:
        with pytest.raises(CodeInvalid):
            await settings.confirm(code)
    with pytest.raises(SecondFactorLocked):
        await settings.confirm(app.at(now))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\ud800", "1" * 9999])
async def test_what_no_app_shows_is_refused_and_costs_no_try(settings: Settings, code: str) -> None:
    app = await settings.begin()
    for _ in range(10):
        with pytest.raises(InvalidInput) as refused:
            await settings.confirm(code)
        assert refused.value.path == ("input", "code")
    shown = app.at(settings.desk.clock.now())
    assert await settings.confirm(f" {shown[:3]} {shown[3:]} ")


# --- log-in ---------------------------------------------------------------------------------------


async def test_a_code_completes_the_log_in(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    assert settings.sessions == 1
    logged_in = await settings.complete(ticket, FactorProof(code=owner.code()))
    assert logged_in.account.email == EMAIL
    assert await settings.desk.authenticate(logged_in.tokens.access_token)
    assert settings.sessions == 2
    entry = settings.desk.database.audited[-1]
    assert entry.entry.act is Act.LOGGED_IN
    assert entry.details is not None
    assert entry.details.detail == {"method": "password and totp"}


async def test_only_the_right_password_learns_of_the_second_factor(settings: Settings) -> None:
    await settings.enrolled()
    for email in (EMAIL, "nobody@readers.example"):
        with pytest.raises(WrongCredentials):
            await settings.desk.log_in(email=email, password=OTHER, device=DEVICE)


async def test_logging_in_often_with_a_second_factor_locks_nobody_out(settings: Settings) -> None:
    await settings.enrolled()
    for _ in range(12):
        await settings.ticket()


async def test_a_code_is_good_once(settings: Settings) -> None:
    owner = await settings.enrolled()
    code = owner.code()
    await settings.complete(await settings.ticket(), FactorProof(code=code))
    with pytest.raises(CodeInvalid):
        await settings.complete(await settings.ticket(), FactorProof(code=code))
    settings.desk.clock.advance(STEP)
    with pytest.raises(CodeInvalid):  # still within the window, but used
        await settings.complete(await settings.ticket(), FactorProof(code=code))
    await settings.complete(await settings.ticket(), FactorProof(code=owner.code()))


async def test_a_code_of_before_the_newest_used_one_is_refused(settings: Settings) -> None:
    owner = await settings.enrolled()
    settings.desk.clock.advance(STEP)
    await settings.complete(await settings.ticket(), FactorProof(code=owner.code()))
    with pytest.raises(CodeInvalid):
        await settings.complete(await settings.ticket(), FactorProof(code=owner.code(-1)))


async def test_the_code_that_enabled_the_app_does_not_log_in(settings: Settings) -> None:
    app = await settings.begin()
    code = app.at(settings.desk.clock.now())
    await settings.confirm(code)
    with pytest.raises(CodeInvalid):
        await settings.complete(await settings.ticket(), FactorProof(code=code))


async def test_a_ticket_is_good_once(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    await settings.complete(ticket, FactorProof(code=owner.code()))
    settings.desk.clock.advance(STEP)
    with pytest.raises(LogInTicketRejected):
        await settings.complete(ticket, FactorProof(code=owner.code()))
    assert settings.sessions == 2


async def test_a_ticket_expires(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    settings.desk.clock.advance(timedelta(minutes=5))
    with pytest.raises(LogInTicketRejected):
        await settings.complete(ticket, FactorProof(code=owner.code()))


async def test_a_ticket_is_void_after_a_change_of_the_password(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    async with settings.desk.database.begin() as work:
        account = await work.accounts.lock(settings.claims.account_id)
        assert account is not None
        account.password_hash = await settings.desk.passwords.hash(OTHER)
    with pytest.raises(LogInTicketRejected):
        await settings.complete(ticket, FactorProof(code=owner.code()))
    assert await settings.desk.tries.take(account.id) == 4  # it cost no try
    assert settings.sessions == 1


async def test_a_ticket_is_void_once_the_second_factor_is_gone(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    await settings.disable(FactorProof(code=owner.code()))
    with pytest.raises(LogInTicketRejected):
        await settings.complete(ticket, FactorProof(code=owner.code()))


async def test_a_ticket_opens_its_own_account_only(settings: Settings) -> None:
    """The code of another account's app, however right it is there, does not complete it."""
    owner = await settings.enrolled()
    stranger = await settings.desk.account(email="stranger@readers.example")
    logged_in = await settings.desk.log_in(email=stranger.email, password=PASSWORD, device=DEVICE)
    claims = await settings.desk.authenticate(logged_in.tokens.access_token)
    theirs = await with_app(settings.desk.second_factors, claims, settings.desk.clock)
    ticket = await settings.ticket(email=EMAIL)
    assert theirs.code() != owner.code()
    with pytest.raises(CodeInvalid):
        await settings.complete(ticket, FactorProof(code=theirs.code()))
    with pytest.raises(RecoveryCodeInvalid):
        await settings.complete(ticket, FactorProof(recovery_code=theirs.recovery_codes[0]))
    logged_in = await settings.complete(ticket, FactorProof(code=owner.code()))
    assert logged_in.account.email == EMAIL


async def test_a_ticket_has_five_tries(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    for _ in range(5):
        with pytest.raises(RecoveryCodeInvalid) as refused:
            await settings.complete(ticket, FactorProof(recovery_code="0000-0000"))
        assert refused.value.path == ("input", "proof", "recoveryCode")
    with pytest.raises(LogInTicketRejected):
        await settings.complete(ticket, FactorProof(code=owner.code()))


async def test_wrong_codes_are_limited_by_account_whatever_the_ticket(settings: Settings) -> None:
    owner = await settings.enrolled()
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(CodeInvalid) as refused:
            await settings.complete(await settings.ticket(), FactorProof(code=owner.wrong()))
        assert refused.value.attempts_left == left
        assert refused.value.path == ("input", "proof", "code")
    with pytest.raises(SecondFactorLocked) as locked:
        await settings.complete(await settings.ticket(), FactorProof(code=owner.code()))
    assert locked.value.retry_after == 900
    assert settings.acts.count(Act.LOG_IN_FAILED) == 5
    assert settings.acts.count(Act.LOCKED_OUT) == 1
    assert settings.owed.count(DeliveryKind.SECOND_FACTOR_LOCKED) == 1
    settings.desk.clock.advance(timedelta(minutes=15))
    await settings.complete(await settings.ticket(), FactorProof(code=owner.code()))


async def test_who_uses_all_tries_up_does_not_keep_the_owner_out(settings: Settings) -> None:
    owner = await settings.enrolled()
    for _ in range(5):
        with pytest.raises(CodeInvalid):
            await settings.complete(await settings.ticket(), FactorProof(code=owner.wrong()))
    recovery = FactorProof(recovery_code=owner.recovery_codes[0])
    assert await settings.complete(await settings.ticket(), recovery)


async def test_without_the_count_no_code_is_looked_at(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    settings.desk.tries.is_down = True
    with pytest.raises(UpstreamUnavailable):
        await settings.complete(ticket, FactorProof(code=owner.code()))
    assert settings.sessions == 1
    settings.desk.tries.is_down = False
    await settings.complete(ticket, FactorProof(code=owner.code()))


async def test_an_account_that_is_not_active_any_more_is_not_logged_in(settings: Settings) -> None:
    owner = await settings.enrolled()
    ticket = await settings.ticket()
    async with settings.desk.database.begin() as work:
        account = await work.accounts.lock(settings.claims.account_id)
        assert account is not None
        account.close()
    with pytest.raises(LogInTicketRejected):
        await settings.complete(ticket, FactorProof(code=owner.code()))


# --- recovery codes -------------------------------------------------------------------------------


async def test_a_recovery_code_stands_in_for_the_app_once(settings: Settings) -> None:
    owner = await settings.enrolled()
    written = owner.recovery_codes[3].lower().replace("-", " ").replace("0", "o")
    await settings.complete(await settings.ticket(), FactorProof(recovery_code=written))
    assert Act.RECOVERY_CODE_USED in settings.acts
    assert settings.owed[-1] is DeliveryKind.RECOVERY_CODE_USED
    with pytest.raises(RecoveryCodeInvalid):
        await settings.complete(await settings.ticket(), FactorProof(recovery_code=written))
    for code in owner.recovery_codes[:3] + owner.recovery_codes[4:]:
        assert await settings.complete(await settings.ticket(), FactorProof(recovery_code=code))
    reads = settings.desk.database.tables.recovery_codes.values()
    assert all(code.used_at is not None for code in reads)


async def test_new_recovery_codes_void_the_old(settings: Settings) -> None:
    owner = await settings.enrolled()
    codes = await settings.renew(owner.code())
    assert set(codes).isdisjoint(owner.recovery_codes)
    assert settings.acts[-1] is Act.RECOVERY_CODES_RENEWED
    assert settings.owed[-1] is DeliveryKind.RECOVERY_CODES_RENEWED
    old = FactorProof(recovery_code=owner.recovery_codes[0])
    with pytest.raises(RecoveryCodeInvalid):
        await settings.complete(await settings.ticket(), old)
    await settings.complete(await settings.ticket(), FactorProof(recovery_code=codes[0]))


async def test_new_recovery_codes_take_both_factors(settings: Settings) -> None:
    owner = await settings.enrolled()
    before = dict(settings.desk.database.tables.recovery_codes)
    with pytest.raises(WrongCredentials):
        await settings.renew(owner.code(), password=OTHER)
    with pytest.raises(CodeInvalid) as refused:
        await settings.renew(owner.wrong())
    assert refused.value.path == ("input", "code")
    with pytest.raises(InvalidInput):
        await settings.renew(owner.recovery_codes[0])
    assert settings.desk.database.tables.recovery_codes == before


# --- the end of it --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["code", "recovery_code"])
async def test_disabling_takes_both_factors_and_leaves_nothing(
    settings: Settings, kind: str
) -> None:
    owner = await settings.enrolled()
    refusal: type[Refusal]
    if kind == "code":
        good, bad = FactorProof(code=owner.code()), FactorProof(code=owner.wrong())
        refusal = CodeInvalid
    else:
        good = FactorProof(recovery_code=owner.recovery_codes[0])
        bad, refusal = FactorProof(recovery_code="nonsense"), RecoveryCodeInvalid
    with pytest.raises(WrongCredentials):
        await settings.disable(good, password=OTHER)
    with pytest.raises(refusal):
        await settings.disable(bad)
    assert settings.desk.database.tables.factors
    await settings.disable(good)
    assert settings.desk.database.tables.factors == {}
    assert settings.desk.database.tables.recovery_codes == {}
    assert settings.acts[-1] is Act.TOTP_DISABLED
    assert settings.owed[-1] is DeliveryKind.TOTP_DISABLED
    assert await settings.desk.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)


async def test_there_is_nothing_to_disable_without_an_app(settings: Settings) -> None:
    for begun in (False, True):
        if begun:
            await settings.begin()
        for proof in (FactorProof(code="123456"), FactorProof(recovery_code="123456")):
            with pytest.raises(SecondFactorMissing):
                await settings.disable(proof)


# --- another key ----------------------------------------------------------------------------------


async def test_a_secret_that_no_key_opens_is_told_to_the_owner_and_the_operator_alone(
    settings: Settings,
) -> None:
    owner = await settings.enrolled()
    ticket, acts, owed = await settings.ticket(), settings.acts, settings.owed
    complete = settings.desk.second_factors["complete_log_in"]
    lost = replace(complete.prove_factor, totp_codes=under_another_key(settings))
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message} {extra}", level="ERROR")
    with pytest.raises(SecondFactorUnreadable) as refused:
        await replace(complete, prove_factor=lost)(
            ticket=ticket, proof=FactorProof(code=owner.code()), device=DEVICE
        )
    logger.remove(sink)
    assert (refused.value.retryable, settings.sessions) == (False, 1)
    assert (settings.acts, settings.owed) == (acts, owed)
    [line] = lines
    assert line.startswith("ERROR No key opens the secret of an authenticator app")
    assert str(settings.claims.account_id) in line
    assert await settings.complete(ticket, FactorProof(recovery_code=owner.recovery_codes[0]))


async def test_an_enrolment_that_a_change_of_the_key_interrupts_is_begun_anew(
    settings: Settings,
) -> None:
    app = await settings.begin()
    confirm = settings.desk.second_factors["confirm_totp_enrollment"]
    with pytest.raises(SecondFactorMissing):
        await replace(confirm, totp_codes=under_another_key(settings))(
            settings.claims, code=app.at(settings.desk.clock.now()), device=DEVICE
        )
    assert Act.TOTP_ENABLED not in settings.acts


def under_another_key(settings: Settings) -> PyotpTotpCodes:
    return PyotpTotpCodes(key=b"another key of 32 random bytes ", clock=settings.desk.clock)
