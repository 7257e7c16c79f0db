"""Second factors and passkeys as a client meets them, from the settings to the log-in."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import GraphQLError
from pyotp import TOTP
from strawberry.types import get_object_definition

from domain.passkeys import Passkey
from domain.sessions import AccessClaims
from schema.accounts.passkeys import PasskeyType
from schema.context import Client, Context
from schema.schema import schema
from tests.app_owner import STEP
from tests.authenticator import Authenticator
from tests.fakes.accounts import EMAIL, PASSKEY_ORIGIN, PASSWORD, AccountDesk
from tests.fakes.reads import FakeReads
from usecases.catalog import UseCases

REFUSAL = "...on Refusal { code message path retryable retryAfter }"
SUCCESS = "...on LogInSuccess { account { id } tokens { accessToken refreshToken } deviceToken }"
LOG_IN = f"""mutation ($input: LogInInput!) {{ logIn(input: $input) {{ __typename {SUCCESS}
  ...on SecondFactorRequired {{ ticket expiresAt }} {REFUSAL} }} }}"""
COMPLETE = f"""mutation ($input: CompleteLogInInput!) {{ completeLogIn(input: $input) {{
  __typename {SUCCESS} ...on CodeInvalid {{ attemptsLeft }} {REFUSAL} }} }}"""
BEGIN_TOTP = f"""mutation ($input: BeginTotpEnrollmentInput!) {{
  beginTotpEnrollment(input: $input) {{ __typename
  ...on BeginTotpEnrollmentSuccess {{ enrollment {{ secret uri }} }} {REFUSAL} }} }}"""
CONFIRM_TOTP = f"""mutation ($input: ConfirmTotpEnrollmentInput!) {{
  confirmTotpEnrollment(input: $input) {{ __typename
  ...on ConfirmTotpEnrollmentSuccess {{ recoveryCodes }} {REFUSAL} }} }}"""
DISABLE_TOTP = f"""mutation ($input: DisableTotpInput!) {{ disableTotp(input: $input) {{ __typename
  ...on DisableTotpSuccess {{ account {{ secondFactor {{ enabledAt }} }} }} {REFUSAL} }} }}"""
RENEW = f"""mutation ($input: RenewRecoveryCodesInput!) {{ renewRecoveryCodes(input: $input) {{
  __typename ...on RenewRecoveryCodesSuccess {{ recoveryCodes }} {REFUSAL} }} }}"""
BEGIN_PASSKEY = f"""mutation ($input: BeginPasskeyRegistrationInput!) {{
  beginPasskeyRegistration(input: $input) {{ __typename
  ...on BeginPasskeyRegistrationSuccess {{ options }} {REFUSAL} }} }}"""
FINISH_PASSKEY = f"""mutation ($input: FinishPasskeyRegistrationInput!) {{
  finishPasskeyRegistration(input: $input) {{ __typename
  ...on FinishPasskeyRegistrationSuccess {{ passkey {{ id name backedUp lastLogInAt }} }}
  {REFUSAL} }} }}"""
RENAME = f"""mutation ($input: RenamePasskeyInput!) {{ renamePasskey(input: $input) {{ __typename
  ...on RenamePasskeySuccess {{ passkey {{ id name }} }} {REFUSAL} }} }}"""
REMOVE = f"""mutation ($input: RemovePasskeyInput!) {{ removePasskey(input: $input) {{ __typename
  ...on RemovePasskeySuccess {{ removedPasskeyId account {{ passkeys {{ id }} }} }}
  {REFUSAL} }} }}"""
BEGIN_LOG_IN = f"""mutation {{ beginPasskeyLogIn {{ __typename
  ...on BeginPasskeyLogInSuccess {{ options }} {REFUSAL} }} }}"""
FINISH_LOG_IN = f"""mutation ($input: FinishPasskeyLogInInput!) {{ finishPasskeyLogIn(input: $input)
  {{ __typename {SUCCESS} {REFUSAL} }} }}"""
VIEWER = """{ viewer { secondFactor { enabledAt recoveryCodesLeft }
  passkeys { id name createdAt lastLogInAt backedUp } } }"""


@dataclass
class Browser:
    """A client of the whole schema; once logged in, its requests carry the claims."""

    desk: AccountDesk = field(default_factory=AccountDesk)
    claims: AccessClaims | None = None

    async def run(self, query: str, **variables: object) -> tuple[Any, list[GraphQLError]]:
        use_cases = SimpleNamespace(log_in=self.desk.log_in, **self.desk.second_factors)
        context = Context(
            use_cases=cast("UseCases", use_cases),
            reads=FakeReads(self.desk.database),
            client=Client("203.0.113.7", "Firefox"),
            request_id="request",
            claims=self.claims,
        )
        result = await schema.execute(query, variables, context_value=context)
        return result.data, [error for error in result.errors or [] if error is not None]

    async def ask(self, query: str, **input_: object) -> dict[str, Any]:
        """Run a mutation and return its payload; no answer of these may be an error."""
        data, errors = await self.run(query, input=input_)
        assert errors == []
        [payload] = data.values()
        assert isinstance(payload, dict)
        return payload

    async def enrolled(self) -> tuple[TOTP, list[str]]:
        """Enrol an app, and wait for its next code."""
        enrollment = (await self.ask(BEGIN_TOTP, password=PASSWORD))["enrollment"]
        app = TOTP(enrollment["secret"])
        assert enrollment["uri"].startswith("otpauth://totp/Storyloom:mira%40readers.example?")
        code = app.at(self.desk.clock.now())
        codes = (await self.ask(CONFIRM_TOTP, code=code))["recoveryCodes"]
        self.desk.clock.advance(STEP)
        return app, codes


@pytest.fixture
async def browser() -> Browser:
    browser = Browser()
    logged_in = await browser.desk.logged_in()
    browser.claims = AccessClaims(
        account_id=logged_in.account.id,
        session_id=logged_in.session.id,
        expires_at=logged_in.tokens.access_expires_at,
    )
    return browser


async def test_a_second_factor_from_enrolment_to_its_end(browser: Browser) -> None:
    app, codes = await browser.enrolled()
    data, errors = await browser.run(VIEWER)
    assert errors == []
    assert data["viewer"]["secondFactor"] == {
        "enabledAt": "2026-03-14T15:09:26.000Z",
        "recoveryCodesLeft": 10,
    }

    required = await browser.ask(LOG_IN, email=EMAIL, password=PASSWORD)
    assert required["__typename"] == "SecondFactorRequired"
    assert required["code"] == "SECOND_FACTOR_REQUIRED"
    assert required["expiresAt"] == "2026-03-14T15:14:56.000Z"
    proof = {"code": app.at(browser.desk.clock.now())}
    anonymous = Browser(browser.desk)
    data, errors = await anonymous.run(
        COMPLETE.replace("{ id }", "{ email }"),
        input={"ticket": required["ticket"], "proof": proof},
    )
    assert errors == []
    assert data["completeLogIn"]["__typename"] == "LogInSuccess"
    assert data["completeLogIn"]["account"] == {"email": EMAIL}
    again = await anonymous.ask(COMPLETE, ticket=required["ticket"], proof=proof)
    assert (again["__typename"], again["path"]) == ("LogInTicketRejected", ["input", "ticket"])

    browser.desk.clock.advance(STEP)
    code = app.at(browser.desk.clock.now())
    renewed = await browser.ask(RENEW, password=PASSWORD, code=code)
    assert len(renewed["recoveryCodes"]) == 10
    proofs = [{"recoveryCode": codes[0]}, {"recoveryCode": renewed["recoveryCodes"][0]}]
    answers = [await browser.ask(DISABLE_TOTP, password=PASSWORD, proof=proof) for proof in proofs]
    assert (answers[0]["code"], answers[0]["path"]) == (
        "OTP_INVALID",
        ["input", "proof", "recoveryCode"],
    )
    assert answers[1] == {"__typename": "DisableTotpSuccess", "account": {"secondFactor": None}}


async def test_wrong_codes_tell_what_is_left(browser: Browser) -> None:
    app, _ = await browser.enrolled()
    near = {app.at(browser.desk.clock.now(), counter_offset=step) for step in (-1, 0, 1)}
    wrong = next(code for code in map("{:06d}".format, range(4)) if code not in near)
    answers = []
    for _ in range(6):
        ticket = (await browser.ask(LOG_IN, email=EMAIL, password=PASSWORD))["ticket"]
        answers.append(await browser.ask(COMPLETE, ticket=ticket, proof={"code": wrong}))
    assert [answer.get("attemptsLeft") for answer in answers] == [4, 3, 2, 1, 0, None]
    assert answers[0]["path"] == ["input", "proof", "code"]
    assert answers[-1] == {
        "__typename": "SecondFactorLocked",
        "code": "OTP_ATTEMPTS_EXCEEDED",
        "message": "Too many wrong codes: use a recovery code, or try again in 900 seconds.",
        "path": [],
        "retryable": True,
        "retryAfter": 900,
    }


@pytest.mark.parametrize(
    "proof", [{}, {"code": None}, {"code": "123456", "recoveryCode": "x"}], ids=str
)
async def test_a_proof_is_exactly_one_thing(browser: Browser, proof: dict[str, str]) -> None:
    data, errors = await browser.run(COMPLETE, input={"ticket": "slt_x", "proof": proof})
    assert data is None
    assert len(errors) == 1


async def test_a_passkey_from_registration_to_removal(browser: Browser) -> None:
    phone = Authenticator(PASSKEY_ORIGIN)
    begun = await browser.ask(BEGIN_PASSKEY, password=PASSWORD)
    credential = phone.create(json.loads(json.dumps(begun["options"])))
    added = await browser.ask(FINISH_PASSKEY, credential=credential, name="Phone")
    passkey = added["passkey"]
    assert passkey == {
        "id": passkey["id"],
        "name": "Phone",
        "backedUp": False,
        "lastLogInAt": None,
    }

    anonymous = Browser(browser.desk)
    data, _ = await anonymous.run(BEGIN_LOG_IN)
    assertion = phone.get(json.loads(json.dumps(data["beginPasskeyLogIn"]["options"])))
    assert (await anonymous.ask(FINISH_LOG_IN, credential=assertion))["account"]
    again = await anonymous.ask(FINISH_LOG_IN, credential=assertion)
    assert (again["__typename"], again["code"]) == ("PasskeyRejected", "UNAUTHENTICATED")

    renamed = await browser.ask(RENAME, passkeyId=passkey["id"], name="Old phone")
    assert renamed["passkey"] == {"id": passkey["id"], "name": "Old phone"}
    data, _ = await browser.run(VIEWER)
    assert data["viewer"]["passkeys"] == [
        {
            "id": passkey["id"],
            "name": "Old phone",
            "createdAt": "2026-03-14T15:09:26.000Z",
            "lastLogInAt": "2026-03-14T15:09:26.000Z",
            "backedUp": False,
        }
    ]
    data, _ = await browser.run(
        "query ($id: ID!) { node(id: $id) { id ...on Passkey { name } } }", id=passkey["id"]
    )
    assert data["node"] == {"id": passkey["id"], "name": "Old phone"}

    removed = await browser.ask(REMOVE, passkeyId=passkey["id"], password=PASSWORD)
    assert removed == {
        "__typename": "RemovePasskeySuccess",
        "removedPasskeyId": passkey["id"],
        "account": {"passkeys": []},
    }
    gone = await browser.ask(REMOVE, passkeyId=passkey["id"], password=PASSWORD)
    assert (gone["code"], gone["path"]) == ("NOT_FOUND", ["input", "passkeyId"])


async def test_a_credential_may_stand_in_the_document_too(browser: Browser) -> None:
    data, errors = await browser.run(
        'mutation { finishPasskeyLogIn(input: { credential: { id: "x", response: { a: [1] } } })'
        " { __typename } }"
    )
    assert (data, errors) == ({"finishPasskeyLogIn": {"__typename": "PasskeyRejected"}}, [])


@pytest.mark.parametrize("credential", ["text", 1, [], None, True])
async def test_a_credential_is_an_object(browser: Browser, credential: object) -> None:
    data, [error] = await browser.run(FINISH_LOG_IN, input={"credential": credential})
    assert data is None
    assert "credential" in error.message


async def test_nobody_sees_the_passkeys_of_others(browser: Browser) -> None:
    phone = Authenticator(PASSKEY_ORIGIN)
    begun = await browser.ask(BEGIN_PASSKEY, password=PASSWORD)
    credential = phone.create(begun["options"])
    added = await browser.ask(FINISH_PASSKEY, credential=credential, name="Phone")
    stranger = Browser(browser.desk)
    account = await browser.desk.account(email="stranger@readers.example")
    assert browser.claims is not None
    stranger.claims = browser.claims.model_copy(update={"account_id": account.id})
    passkey_id = added["passkey"]["id"]
    data, _ = await stranger.run("query ($id: ID!) { node(id: $id) { id } }", id=passkey_id)
    assert data == {"node": None}
    data, _ = await stranger.run(VIEWER)
    assert data == {"viewer": {"secondFactor": None, "passkeys": []}}
    for answer in (
        await stranger.ask(RENAME, passkeyId=passkey_id, name="Mine"),
        await stranger.ask(REMOVE, passkeyId=passkey_id, password=PASSWORD),
    ):
        assert answer["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("query", "input_"),
    [
        (BEGIN_TOTP, {"password": PASSWORD}),
        (CONFIRM_TOTP, {"code": "123456"}),
        (DISABLE_TOTP, {"password": PASSWORD, "proof": {"code": "123456"}}),
        (RENEW, {"password": PASSWORD, "code": "123456"}),
        (BEGIN_PASSKEY, {"password": PASSWORD}),
        (FINISH_PASSKEY, {"credential": {}, "name": "Phone"}),
        (RENAME, {"passkeyId": "x", "name": "Phone"}),
        (REMOVE, {"passkeyId": "x", "password": PASSWORD}),
    ],
)
async def test_settings_need_an_access_token(query: str, input_: dict[str, object]) -> None:
    answer = await Browser().ask(query, **input_)
    assert (answer["__typename"], answer["code"]) == ("Unauthenticated", "UNAUTHENTICATED")


def test_a_passkey_shows_neither_keys_nor_handle() -> None:
    definition = get_object_definition(PasskeyType, strict=True)
    published = {field.python_name for field in definition.fields}
    assert published == {"id", "name", "created_at", "last_used_at", "backed_up"}
    assert published <= set(Passkey.model_fields)
