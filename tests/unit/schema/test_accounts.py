"""Accounts as a client meets them: the operations, their answers, and what they do not tell."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import get_object_definition

from domain.accounts import Account
from domain.codes import CodePurpose
from domain.refusals import Refusal
from domain.sessions import AccessClaims
from schema.accounts.mutations import AccountMutations
from schema.accounts.queries import AccountQueries
from schema.accounts.types import AccountType
from schema.context import Client, Context
from schema.scalars import SCALARS
from tests.fakes.accounts import EMAIL, PASSWORD, AccountDesk
from tests.fakes.reads import FakeReads
from usecases.catalog import UseCases

SCHEMA = strawberry.Schema(
    query=AccountQueries,
    mutation=AccountMutations,
    config=StrawberryConfig(scalar_map=SCALARS),
)

REFUSAL = "...on Refusal { code message path retryable retryAfter }"
SIGN_UP = f"""mutation ($input: SignUpInput!) {{ signUp(input: $input) {{ __typename
  ...on SignUpSuccess {{ challenge {{ id email expiresAt resendAt codeLength }} }}
  ...on InvalidInput {{ issues {{ path code }} }} {REFUSAL} }} }}"""
VERIFY = f"""mutation ($input: VerifyOtpInput!) {{ verifyOtp(input: $input) {{ __typename
  ...on VerifyOtpSuccess {{ account {{ id email verifiedAt }} }}
  ...on CodeInvalid {{ attemptsLeft }} {REFUSAL} }} }}"""
RESEND = f"""mutation ($input: ResendOtpInput!) {{ resendOtp(input: $input) {{ __typename
  ...on ResendOtpSuccess {{ challenge {{ id email expiresAt resendAt codeLength }} }}
  {REFUSAL} }} }}"""
LOG_IN = f"""mutation ($input: LogInInput!) {{ logIn(input: $input) {{ __typename
  ...on LogInSuccess {{ account {{ id }} tokens {{ accessToken accessExpiresAt refreshToken
    refreshExpiresAt }} }}
  ...on EmailUnverified {{ challengeId resendAt }} {REFUSAL} }} }}"""
REFRESH = f"""mutation ($input: RefreshTokensInput!) {{ refreshTokens(input: $input) {{ __typename
  ...on RefreshTokensSuccess {{ tokens {{ accessToken refreshToken }} }} {REFUSAL} }} }}"""
LOG_OUT = f"""mutation ($input: LogOutInput) {{ logOut(input: $input) {{ __typename
  ...on LogOutSuccess {{ wasLoggedIn }} {REFUSAL} }} }}"""
VIEWER = "{ viewer { id email displayName interests createdAt verifiedAt } }"


@dataclass
class Browser:
    """A client of the schema; with an access token, the requests carry it."""

    desk: AccountDesk = field(default_factory=AccountDesk)
    token: str | None = None

    async def run(self, query: str, **variables: object) -> tuple[Any, list[GraphQLError]]:
        claims: AccessClaims | None = None
        rejection: Refusal | None = None
        if self.token is not None:
            try:
                claims = await self.desk.authenticate(self.token)
            except Refusal as refusal:
                rejection = refusal
        names = ("sign_up", "verify_otp", "resend_otp", "log_in", "refresh_tokens", "log_out")
        use_cases = SimpleNamespace(**{name: getattr(self.desk, name) for name in names})
        context = Context(
            use_cases=cast("UseCases", use_cases),
            reads=FakeReads(self.desk.database),
            client=Client("203.0.113.7", "Firefox"),
            request_id="request",
            claims=claims,
            rejection=rejection,
        )
        result = await SCHEMA.execute(query, variables, context_value=context)
        return result.data, [error for error in result.errors or [] if error is not None]

    async def ask(self, query: str, **input_: object) -> dict[str, Any]:
        """Run a mutation and return its payload; no answer of these may be an error."""
        data, errors = await self.run(query, input=input_)
        assert errors == []
        [payload] = data.values()
        assert isinstance(payload, dict)
        return payload

    async def sign_up(self, email: str = EMAIL, password: str = PASSWORD) -> dict[str, Any]:
        return await self.ask(SIGN_UP, email=email, password=password, displayName="Mira")

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> dict[str, Any]:
        return await self.ask(LOG_IN, email=email, password=password)


@pytest.fixture
def browser() -> Browser:
    return Browser()


async def test_from_sign_up_to_log_out(browser: Browser) -> None:
    challenge = (await browser.sign_up())["challenge"]
    [account] = browser.desk.accounts
    current = await browser.desk.codes.current(CodePurpose.SIGN_UP, account.id)
    assert current is not None
    code = await browser.desk.codes.issue(current)  # as the worker does when it mails
    verified = await browser.ask(VERIFY, challengeId=challenge["id"], code=code)
    assert verified["account"]["verifiedAt"] == "2026-03-14T15:09:26.000Z"

    tokens = (await browser.log_in())["tokens"]
    assert tokens["accessExpiresAt"] == "2026-03-14T15:24:26.000Z"
    assert tokens["refreshExpiresAt"] == "2026-04-13T15:09:26.000Z"
    browser.token = tokens["accessToken"]
    data, errors = await browser.run(VIEWER)
    assert errors == []
    assert data["viewer"] == {
        "id": verified["account"]["id"],
        "email": EMAIL,
        "displayName": "Mira",
        "interests": [],
        "createdAt": "2026-03-14T15:09:26.000Z",
        "verifiedAt": "2026-03-14T15:09:26.000Z",
    }

    renewed = (await browser.ask(REFRESH, refreshToken=tokens["refreshToken"]))["tokens"]
    browser.token = renewed["accessToken"]
    data, _ = await browser.run(LOG_OUT)
    assert data == {"logOut": {"__typename": "LogOutSuccess", "wasLoggedIn": True}}
    refused = await browser.ask(REFRESH, refreshToken=renewed["refreshToken"])
    assert (refused["__typename"], refused["code"]) == ("RefreshRejected", "UNAUTHENTICATED")
    data, [error] = await browser.run(VIEWER)
    assert data == {"viewer": None}
    assert isinstance(error.original_error, Refusal)
    assert error.original_error.code == "UNAUTHENTICATED"


async def test_sign_up_and_resend_answer_alike_for_known_and_unknown_addresses(
    browser: Browser,
) -> None:
    await browser.desk.account(email="known@readers.example")
    answers = []
    for email in ("known@readers.example", "other@readers.example"):
        signed_up = await browser.sign_up(email)
        soon = await browser.ask(RESEND, challengeId=signed_up["challenge"]["id"])
        wrong = await browser.ask(VERIFY, challengeId=signed_up["challenge"]["id"], code="999999")
        answers.append((signed_up, soon, wrong))
    browser.desk.clock.advance(timedelta(minutes=1))
    for answer in answers:
        challenge = answer[0]["challenge"]
        resent = await browser.ask(RESEND, challengeId=challenge["id"])
        assert resent["__typename"] == "ResendOtpSuccess"
        assert resent["challenge"]["id"] == challenge.pop("id")
        assert resent["challenge"]["email"] == challenge.pop("email")
        assert resent["challenge"]["resendAt"] == "2026-03-14T15:11:26.000Z"
    assert answers[0] == answers[1]
    signed_up, soon, wrong = answers[0]
    assert signed_up == {
        "__typename": "SignUpSuccess",
        "challenge": {
            "expiresAt": "2026-03-14T15:19:26.000Z",
            "resendAt": "2026-03-14T15:10:26.000Z",
            "codeLength": 6,
        },
    }
    assert (soon["__typename"], soon["retryAfter"]) == ("RateLimited", 60)
    assert soon["message"] == "Too many requests: try again in 60 seconds."
    assert (wrong["__typename"], wrong["attemptsLeft"]) == ("CodeInvalid", 4)
    assert wrong["path"] == ["input", "code"]


async def test_log_in_answers_alike_for_known_and_unknown_addresses(browser: Browser) -> None:
    await browser.desk.account()
    await browser.desk.account(active=False, email="pending@readers.example")
    answers = [
        await browser.log_in(email, "something else entirely")
        for email in (EMAIL, "pending@readers.example", "nobody@readers.example")
    ]
    assert (
        answers
        == [
            {
                "__typename": "WrongCredentials",
                "code": "UNAUTHENTICATED",
                "message": "The address or the password is not right.",
                "path": [],
                "retryable": False,
                "retryAfter": None,
            }
        ]
        * 3
    )


async def test_an_unproven_address_is_led_to_its_challenge(browser: Browser) -> None:
    challenge = (await browser.sign_up())["challenge"]
    answer = await browser.log_in()
    assert (answer["__typename"], answer["code"]) == ("EmailUnverified", "EMAIL_UNVERIFIED")
    assert (answer["challengeId"], answer["resendAt"]) == (
        challenge["id"],
        challenge["resendAt"],
    )


async def test_faults_of_the_input_are_told_by_field(browser: Browser) -> None:
    answer = await browser.ask(
        SIGN_UP, email="mira", password="short", displayName="", interests=["x" * 21]
    )
    assert answer["__typename"] == "InvalidInput"
    assert answer["issues"] == [
        {"path": ["input", "email"], "code": "value_error"},
        {"path": ["input", "displayName"], "code": "string_too_short"},
        {"path": ["input", "interests", "0"], "code": "string_too_long"},
        {"path": ["input", "password"], "code": "password_too_short"},
    ]


@pytest.mark.parametrize("challenge_id", ["", "1", "\ud800", "x" * 10_000, "Q2hhbGxlbmdlOjE"])
async def test_a_challenge_that_is_none_of_ours_has_expired(
    browser: Browser, challenge_id: str
) -> None:
    for answer in (
        await browser.ask(VERIFY, challengeId=challenge_id, code="123456"),
        await browser.ask(RESEND, challengeId=challenge_id),
    ):
        assert (answer["__typename"], answer["path"]) == ("CodeExpired", ["input", "challengeId"])


async def test_a_refresh_token_that_is_used_again_ends_the_session(browser: Browser) -> None:
    tokens = (await browser.desk.logged_in()).tokens
    await browser.ask(REFRESH, refreshToken=tokens.refresh_token)
    browser.desk.clock.advance(timedelta(seconds=11))
    answer = await browser.ask(REFRESH, refreshToken=tokens.refresh_token)
    assert (answer["__typename"], answer["code"]) == ("RefreshReused", "REFRESH_REUSED")


async def test_log_out_needs_a_token_of_either_kind(browser: Browser) -> None:
    tokens = (await browser.desk.logged_in()).tokens
    data, _ = await browser.run(LOG_OUT)
    assert data["logOut"]["__typename"] == "Unauthenticated"
    browser.token = tokens.access_token
    browser.desk.clock.advance(timedelta(minutes=16))
    data, _ = await browser.run(LOG_OUT)
    assert (data["logOut"]["__typename"], data["logOut"]["retryable"]) == ("TokenExpired", True)
    assert await browser.ask(LOG_OUT, refreshToken=tokens.refresh_token) == {
        "__typename": "LogOutSuccess",
        "wasLoggedIn": True,
    }
    assert await browser.ask(LOG_OUT, refreshToken=tokens.refresh_token) == {
        "__typename": "LogOutSuccess",
        "wasLoggedIn": False,
    }


async def test_without_a_token_nobody_is_the_viewer(browser: Browser) -> None:
    assert await browser.run(VIEWER) == ({"viewer": None}, [])


async def test_an_expired_token_is_an_error_of_the_viewer(browser: Browser) -> None:
    browser.token = (await browser.desk.logged_in()).tokens.access_token
    browser.desk.clock.advance(timedelta(minutes=16))
    data, [error] = await browser.run(VIEWER)
    assert data == {"viewer": None}
    assert isinstance(error.original_error, Refusal)
    assert error.original_error.code == "TOKEN_EXPIRED"


def test_an_account_shows_fields_of_the_entity_but_neither_hash_nor_status() -> None:
    definition = get_object_definition(AccountType, strict=True)
    published = {field.python_name for field in definition.fields if not field.base_resolver}
    grouped = {"phone", "deletion"}  # each made of two fields
    apart = {field for field in Account.model_fields if field.startswith((*grouped,))}
    assert len(apart) == 4
    hidden = {"password_hash", "status", "role", "suspended_at"}
    assert published - grouped == set(Account.model_fields) - hidden - apart
