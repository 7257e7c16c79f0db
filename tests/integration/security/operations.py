"""Every operation of the schema: how it is asked, and what each of the cast is told.

What an operation needs is prepared beforehand, without the API, so that nobody is refused for any
other reason than who they are.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from pyotp import TOTP

from domain.codes import CodePurpose
from domain.refusals import SecondFactorRequired
from domain.sessions import AccessClaims
from schema.nodes import ACCOUNT, global_id
from tests.authenticator import Authenticator
from tests.fakes.accounts import DEVICE
from tests.integration.accounts.town import NEW_PASSWORD, PASSWORD, Town
from tests.integration.security.cast import ACCOUNTS, ADMINS, Cast, Who, mutation_of
from tests.jobs import claim_of
from usecases.deliveries.send_delivery import SendDeliveryTask

Variables = Mapping[str, Any]
Prepare = Callable[[Cast, Who], Awaitable[Variables]]
Expected = Mapping[Who, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the matrix: `changes` is False for what only reads."""

    document: str
    prepare: Prepare
    expected: Expected
    changes: bool = True

    def must_change_nothing(self, who: Who) -> bool:
        """Whether an asker must leave everything as it was."""
        return not self.changes or self.expected[who] not in {"ok", "EMAIL_UNVERIFIED"}


def _answers(**changes: str) -> Expected:
    """Return what everybody is told: `ok` to those with a good token, unless it says otherwise."""
    usual = {
        **dict.fromkeys(Who, "ok"),
        Who.ANONYMOUS: "UNAUTHENTICATED",
        Who.EXPIRED: "TOKEN_EXPIRED",
        Who.REVOKED: "UNAUTHENTICATED",
        Who.WRONG_AUDIENCE: "UNAUTHENTICATED",
    }
    return usual | {Who(name): told for name, told in changes.items()}


PUBLIC: Expected = dict.fromkeys(Who, "ok")
"""Who asks does not matter: what they present in the input does."""

OWN = _answers()
"""Everybody acts on what is their own, and so harms nobody else."""


PROVEN = _answers(unverified="UNAUTHENTICATED")
"""Only accounts with a proven address have this."""

ADMINISTERS = _answers(
    unverified="UNAUTHENTICATED",
    user="FORBIDDEN",
    other="FORBIDDEN",
    stale_admin="REAUTHENTICATION_REQUIRED",
    foreign_admin="FORBIDDEN",
)
"""Admins alone, who have logged in lately, from where they are allowed to work."""


def _owners(told: str) -> Expected:
    """Return what is told where the thing is USER's: to others, and to admins, it is not there."""
    return _answers(unverified=told, other=told, **dict.fromkeys(ADMINS, told))


def _holder(who: Who) -> Who:
    """Return whose account a column acts for; a bad token is one of USER's."""
    return who if who in ACCOUNTS else Who.USER


def _input(**given: object) -> Prepare:
    async def prepare(_: Cast, __: Who) -> Variables:
        return {"input": given}

    return prepare


async def _nothing(_: Cast, __: Who) -> Variables:
    return {}


async def _leaving(cast: Cast, who: Who) -> Variables:
    """Have whoever acts ask to be deleted."""
    async with cast.town.container.database.begin() as work:
        account = await work.accounts.lock(cast.account(who).id)
        assert account is not None
        account.leave(cast.town.container.clock.now(), timedelta(days=14))
    return {}


def _ids(what: str, **more: object) -> Prepare:
    """Name USER's story, session or passkey in the input."""

    async def prepare(cast: Cast, _: Who) -> Variables:
        return {"input": {f"{what}Id": cast.ids[what], **more}}

    return prepare


# --- codes ----------------------------------------------------------------------------------------


async def _challenge(cast: Cast, purpose: CodePurpose, to: str, account: UUID) -> dict[str, str]:
    codes = cast.town.container.codes
    challenge = await codes.open(purpose, to, account)
    return {"challengeId": str(challenge.id), "code": await codes.issue(challenge)}


def _address(what: str, who: Who) -> str:
    return f"{what}-{who.replace(' ', '-')}@readers.example"


async def _sign_up(_: Cast, who: Who) -> Variables:
    return {
        "input": {
            "email": _address("new", who),
            "password": PASSWORD,
            "displayName": "Somebody new",
        }
    }


async def _verify_otp(cast: Cast, who: Who) -> Variables:
    email = _address("proving", who)
    account = await _stranger(cast.town, email, active=False)
    return {"input": await _challenge(cast, CodePurpose.SIGN_UP, email, account)}


async def _resend_otp(cast: Cast, who: Who) -> Variables:
    answer = (await _verify_otp(cast, who))["input"]
    return {"input": {"challengeId": answer["challengeId"]}}


async def _request_reset(_: Cast, who: Who) -> Variables:
    return {"input": {"email": _address("nobody", who)}}


async def _complete_reset(cast: Cast, who: Who) -> Variables:
    email = _address("forgetful", who)
    account = await _stranger(cast.town, email)
    answer = await _challenge(cast, CodePurpose.PASSWORD_RESET, email, account)
    return {"input": {**answer, "newPassword": NEW_PASSWORD}}


async def _request_email_change(_: Cast, who: Who) -> Variables:
    return {"input": {"newEmail": _address("moved", who), "password": PASSWORD}}


async def _complete_email_change(cast: Cast, who: Who) -> Variables:
    user = cast.accounts[Who.USER].id
    return {"input": await _challenge(cast, CodePurpose.EMAIL_CHANGE, _address("there", who), user)}


async def _prove_phone(cast: Cast, who: Who) -> Variables:
    number = f"+4930123456{list(Who).index(who):02}"
    user = cast.accounts[Who.USER].id
    return {"input": await _challenge(cast, CodePurpose.PHONE, number, user)}


async def _request_phone_code(_: Cast, who: Who) -> Variables:
    number = f"+4930123457{list(Who).index(who):02}"
    return {"input": {"phoneNumber": number, "password": PASSWORD}}


# --- log-in ---------------------------------------------------------------------------------------


async def _stranger(town: Town, email: str, *, active: bool = True) -> UUID:
    """Store somebody outside the cast."""
    account = await town.account(email)
    if not active:
        async with town.container.engine.begin() as connection:
            await connection.exec_driver_sql(
                "UPDATE accounts SET status = 'pending', verified_at = NULL WHERE id = $1",
                (account.id,),
            )
    return account.id


async def _claims(cast: Cast, email: str) -> AccessClaims:
    """Sign somebody in who is outside the cast."""
    use_cases = cast.town.container.use_cases
    await _stranger(cast.town, email)
    begun = await use_cases.log_in(email=email, password=PASSWORD, device=DEVICE)
    return await use_cases.authenticate(begun.tokens.access_token)


async def _log_in(cast: Cast, who: Who) -> Variables:
    return {"input": {"email": cast.account(who).email, "password": PASSWORD}}


async def _app_of(cast: Cast, claims: AccessClaims, *, confirmed: bool = True) -> tuple[TOTP, str]:
    """Enrol an app; return it, and a recovery code where it is confirmed."""
    container = cast.town.container
    secret = await container.use_cases.begin_totp_enrollment(
        claims, password=PASSWORD, device=DEVICE
    )
    app = TOTP(secret.secret)
    if not confirmed:
        return app, ""
    now = container.clock.now()
    codes = await container.use_cases.confirm_totp_enrollment(
        claims, code=app.at(now, counter_offset=-1), device=DEVICE
    )
    return app, codes[0]


async def _complete_log_in(cast: Cast, who: Who) -> Variables:
    email = _address("careful", who)
    _, recovery_code = await _app_of(cast, await _claims(cast, email))
    try:
        await cast.town.container.use_cases.log_in(email=email, password=PASSWORD, device=DEVICE)
    except SecondFactorRequired as required:
        return {"input": {"ticket": required.ticket, "proof": {"recoveryCode": recovery_code}}}
    raise AssertionError("the second factor was not asked for")


async def _authenticator(cast: Cast, claims: AccessClaims) -> tuple[Authenticator, dict[str, Any]]:
    """Return an authenticator and the credential that it made for an account."""
    container = cast.town.container
    options = await container.use_cases.begin_passkey_registration(
        claims, password=PASSWORD, device=DEVICE
    )
    authenticator = Authenticator(container.settings.allowed_origins[0])
    return authenticator, authenticator.create(options)


async def _finish_passkey_log_in(cast: Cast, who: Who) -> Variables:
    use_cases = cast.town.container.use_cases
    claims = await _claims(cast, _address("modern", who))
    authenticator, credential = await _authenticator(cast, claims)
    await use_cases.finish_passkey_registration(
        claims, credential=credential, name="Phone", device=DEVICE
    )
    options = await use_cases.begin_passkey_log_in()
    return {"input": {"credential": authenticator.get(options)}}


async def _refresh_tokens(cast: Cast, who: Who) -> Variables:
    email = _address("returning", who)
    await _stranger(cast.town, email)
    begun = await cast.town.container.use_cases.log_in(
        email=email, password=PASSWORD, device=DEVICE
    )
    return {"input": {"refreshToken": begun.tokens.refresh_token}}


# --- second factors -------------------------------------------------------------------------------


async def _confirm_totp(cast: Cast, who: Who) -> Variables:
    app, _ = await _app_of(cast, cast.claims[_holder(who)], confirmed=False)
    return {"input": {"code": app.at(cast.town.container.clock.now())}}


async def _disable_totp(cast: Cast, who: Who) -> Variables:
    recovery_code = await _with_app(cast, who)
    return {"input": {"password": PASSWORD, "proof": {"recoveryCode": recovery_code}}}


async def _with_app(cast: Cast, who: Who) -> str:
    """Give an account an app, anew for each who acts for it; return a recovery code."""
    await _without_app(cast, who)
    return (await _app_of(cast, cast.claims[_holder(who)]))[1]


async def _without_app(cast: Cast, who: Who) -> None:
    async with cast.town.container.engine.begin() as connection:
        for table in ("totp_factors", "recovery_codes"):
            await connection.exec_driver_sql(
                f"DELETE FROM {table} WHERE account_id = $1",  # noqa: S608 - names of ours
                (cast.account(who).id,),
            )


async def _renew_recovery_codes(cast: Cast, who: Who) -> Variables:
    await _without_app(cast, who)
    app, _ = await _app_of(cast, cast.claims[_holder(who)])
    return {"input": {"password": PASSWORD, "code": app.at(cast.town.container.clock.now())}}


async def _finish_passkey_registration(cast: Cast, who: Who) -> Variables:
    _, credential = await _authenticator(cast, cast.claims[_holder(who)])
    return {"input": {"credential": credential, "name": "Phone"}}


# --- administration -------------------------------------------------------------------------------


async def _managed(cast: Cast, who: Who) -> Variables:
    """Name somebody outside the cast, who is suspended."""
    account_id = await _stranger(cast.town, _address("managed", who))
    async with cast.town.container.database.begin() as work:
        account = await work.accounts.lock(account_id)
        assert account is not None
        account.suspend(cast.town.container.clock.now())
    return {"input": {"accountId": global_id(ACCOUNT, account_id), "reason": "as agreed"}}


async def _open(cast: Cast, who: Who) -> Variables:
    """Name somebody outside the cast."""
    account_id = await _stranger(cast.town, _address("managed", who))
    return {"input": {"accountId": global_id(ACCOUNT, account_id), "reason": "as agreed"}}


async def _dead_letter(cast: Cast, who: Who) -> Variables:
    """Name a dead letter, one for each who asks."""
    container = cast.town.container
    async with container.database.begin() as work:
        job = await work.jobs.add(SendDeliveryTask(delivery_id=uuid4()))
    claim = await claim_of(container.job_desk, job)
    assert claim is not None
    await container.job_desk.bury(claim[1], "hopeless")
    return {"input": {"jobId": str(job.id), "reason": f"as agreed with {who}"}}


async def _user(cast: Cast, _: Who) -> Variables:
    return {"id": cast.ids["account"]}


# --- the table ------------------------------------------------------------------------------------

AGAIN = _input(password=PASSWORD)
"""The password is asked for again, and is right."""


def _mutation(name: str, prepare: Prepare, expected: Expected) -> Operation:
    takes_input = prepare not in {_nothing, _leaving}
    return Operation(mutation_of(name, takes_input=takes_input), prepare, expected)


async def _story(cast: Cast, _: Who) -> Variables:
    return {"id": cast.ids["story"]}


async def _session(cast: Cast, _: Who) -> Variables:
    return {"id": cast.ids["session"]}


async def _everything(cast: Cast, _: Who) -> Variables:
    return {"ids": [*cast.ids.values()]}


READS = {
    "viewer": Operation("{ viewer { id } }", _nothing, _answers(anonymous="null"), changes=False),
    "story": Operation(
        "query ($id: ID!) { story(id: $id) { id } }", _story, _owners("null"), changes=False
    ),
    "node": Operation(
        "query ($id: ID!) { node(id: $id) { id } }", _session, _owners("null"), changes=False
    ),
    "nodes": Operation(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        _everything,
        _owners("null"),
        changes=False,
    ),
    "administration": Operation(
        "query ($id: ID!) { administration { account(by: { id: $id }) {"
        " email sessions { id } auditLog { nodes { act } } }"
        " jobs { dead } deadLetters { nodes { error } } runningJobs { nodes { kind } } } }",
        _user,
        ADMINISTERS,
    ),
}

ACTS = {
    name: _mutation(name, prepare, expected)
    for name, prepare, expected in (
        ("signUp", _sign_up, PUBLIC),
        ("verifyOtp", _verify_otp, PUBLIC),
        ("resendOtp", _resend_otp, PUBLIC),
        ("logIn", _log_in, {**PUBLIC, Who.UNVERIFIED: "EMAIL_UNVERIFIED"}),
        ("completeLogIn", _complete_log_in, PUBLIC),
        ("beginPasskeyLogIn", _nothing, PUBLIC),
        ("finishPasskeyLogIn", _finish_passkey_log_in, PUBLIC),
        ("refreshTokens", _refresh_tokens, PUBLIC),
        ("requestPasswordReset", _request_reset, PUBLIC),
        ("completePasswordReset", _complete_reset, PUBLIC),
        ("logOut", _nothing, OWN),
        ("endSession", _ids("session", password=PASSWORD), _owners("NOT_FOUND")),
        ("endOtherSessions", AGAIN, OWN),
        ("logOutEverywhere", AGAIN, OWN),
        ("changePassword", _input(currentPassword=PASSWORD, newPassword=NEW_PASSWORD), OWN),
        ("requestEmailChange", _request_email_change, OWN),
        ("completeEmailChange", _complete_email_change, _owners("OTP_EXPIRED")),
        ("beginTotpEnrollment", AGAIN, OWN),
        ("confirmTotpEnrollment", _confirm_totp, OWN),
        ("disableTotp", _disable_totp, OWN),
        ("renewRecoveryCodes", _renew_recovery_codes, OWN),
        ("beginPasskeyRegistration", AGAIN, OWN),
        ("finishPasskeyRegistration", _finish_passkey_registration, OWN),
        ("renamePasskey", _ids("passkey", name="Old phone"), _owners("NOT_FOUND")),
        ("removePasskey", _ids("passkey", password=PASSWORD), _owners("NOT_FOUND")),
        ("requestPhoneCode", _request_phone_code, OWN),
        ("provePhone", _prove_phone, _owners("OTP_EXPIRED")),
        ("removePhone", AGAIN, OWN),
        ("requestAccountDeletion", AGAIN, PROVEN),
        ("cancelAccountDeletion", _leaving, PROVEN),
        ("exportAccountData", AGAIN, OWN),
        ("requestStory", _input(), PROVEN),
        ("cancelStory", _ids("story"), _owners("NOT_FOUND")),
        ("reauthenticate", AGAIN, OWN),
        ("endAccountSessions", _open, ADMINISTERS),
        ("suspendAccount", _open, ADMINISTERS),
        ("reinstateAccount", _managed, ADMINISTERS),
        ("retryDeadLetter", _dead_letter, ADMINISTERS),
        ("discardDeadLetter", _dead_letter, ADMINISTERS),
    )
}

WATCHES = {
    "storyEvents": Operation(
        "subscription ($id: ID!) { storyEvents(storyId: $id) { __typename } }",
        _story,
        _owners("NOT_FOUND"),
        changes=False,
    ),
    "viewerEvents": Operation(
        "subscription { viewerEvents { __typename } }", _nothing, OWN, changes=False
    ),
}
