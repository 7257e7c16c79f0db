"""Devices, phones, exports and the end of an account, as a client meets them."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from domain.codes import CodePurpose
from domain.sessions import AccessClaims
from schema.accounts.mutations import AccountMutations
from schema.accounts.queries import AccountQueries
from schema.context import Client, Context
from schema.refusals import PUBLISHED
from schema.scalars import SCALARS
from tests.fakes.accounts import EMAIL, PASSWORD, AccountDesk
from tests.fakes.reads import FakeReads
from usecases.catalog import UseCases

SCHEMA = strawberry.Schema(
    query=AccountQueries,
    mutation=AccountMutations,
    types=[*PUBLISHED.values()],
    config=StrawberryConfig(scalar_map=SCALARS),
)
REFUSAL = "... on Refusal { code message path retryable retryAfter }"
LOG_IN = f"""mutation ($input: LogInInput!) {{ logIn(input: $input) {{ __typename
  ... on LogInSuccess {{ deviceToken tokens {{ accessToken }} }} {REFUSAL} }} }}"""
PHONE_CODE = f"""mutation ($input: RequestPhoneCodeInput!) {{ requestPhoneCode(input: $input) {{
  ... on RequestPhoneCodeSuccess {{ challenge {{ id phoneNumber codeLength }} }} {REFUSAL} }} }}"""
PROVE = f"""mutation ($input: ProvePhoneInput!) {{ provePhone(input: $input) {{
  ... on ProvePhoneSuccess {{ phone {{ number verifiedAt }} }} {REFUSAL} }} }}"""
REMOVE = f"""mutation ($input: RemovePhoneInput!) {{ removePhone(input: $input) {{
  ... on RemovePhoneSuccess {{ phone {{ number }} }} {REFUSAL} }} }}"""
DELETE = f"""mutation ($input: RequestAccountDeletionInput!) {{
  requestAccountDeletion(input: $input) {{ ... on RequestAccountDeletionSuccess {{ ended
    deletion {{ requestedAt dueAt }} }} {REFUSAL} }} }}"""
STAY = f"""mutation {{ cancelAccountDeletion {{
  ... on CancelAccountDeletionSuccess {{ deletion {{ dueAt }} }} {REFUSAL} }} }}"""
EXPORT = f"""mutation ($input: ExportAccountDataInput!) {{ exportAccountData(input: $input) {{
  ... on ExportAccountDataSuccess {{ fileName mediaType document }} {REFUSAL} }} }}"""
VIEWER = "{ viewer { phone { number verifiedAt } deletion { requestedAt dueAt } } }"


@dataclass
class Person:
    """Somebody with a client."""

    desk: AccountDesk
    claims: AccessClaims | None = None

    async def ask(self, query: str, **input_: object) -> dict[str, Any]:
        """Run an operation and return its field; none of these may be an error."""
        context = Context(
            use_cases=cast("UseCases", self.desk),
            reads=FakeReads(self.desk.database),
            client=Client("203.0.113.7", "Firefox"),
            request_id="request",
            claims=self.claims,
        )
        result = await SCHEMA.execute(query, {"input": input_}, context_value=context)
        assert result.errors is None
        assert result.data is not None
        [field] = result.data.values()
        assert isinstance(field, dict)
        return field

    async def log_in(self, password: str = PASSWORD, **input_: object) -> dict[str, Any]:
        return await self.ask(LOG_IN, email=EMAIL, password=password, **input_)


@pytest.fixture
async def person() -> Person:
    desk = AccountDesk()
    await desk.account()
    person = Person(desk)
    tokens = (await person.log_in())["tokens"]
    person.claims = await desk.authenticate(tokens["accessToken"])
    return person


async def test_a_device_keeps_its_token_and_is_let_in_where_strangers_are_not(
    person: Person,
) -> None:
    token = (await person.log_in())["deviceToken"]
    for _ in range(5):
        wrong = await person.log_in("something else entirely")
        assert wrong["__typename"] == "WrongCredentials"
    locked = await person.log_in()
    assert (locked["__typename"], locked["code"]) == ("AccountLocked", "ACCOUNT_LOCKED")
    assert (locked["retryable"], locked["retryAfter"]) == (True, 15 * 60)
    assert locked["message"].endswith("try again in 900 seconds.")
    assert (await person.log_in(deviceToken=token))["deviceToken"] == token


async def test_a_phone_is_proven_shown_and_forgotten(person: Person) -> None:
    asked = await person.ask(PHONE_CODE, phoneNumber="+49 1512 3456789", password=PASSWORD)
    assert asked["challenge"]["phoneNumber"] == "+4915123456789"
    account_id = person.desk.accounts[0].id
    challenge = await person.desk.codes.current(CodePurpose.PHONE, account_id)
    assert challenge is not None
    code = await person.desk.codes.issue(challenge)
    proven = await person.ask(PROVE, challengeId=asked["challenge"]["id"], code=code)
    phone = {"number": "+4915123456789", "verifiedAt": "2026-03-14T15:09:26.000Z"}
    assert proven == {"phone": phone}
    assert await person.ask(VIEWER) == {"phone": phone, "deletion": None}
    assert await person.ask(REMOVE, password=PASSWORD) == {"phone": None}


async def test_a_challenge_that_is_none_of_ours_answers_like_one_that_is_over(
    person: Person,
) -> None:
    refused = await person.ask(PROVE, challengeId="x", code="123456")
    assert (refused["code"], refused["path"]) == ("OTP_EXPIRED", ["input", "challengeId"])


async def test_an_account_is_left_and_kept(person: Person) -> None:
    wrong = await person.ask(DELETE, password="something else entirely")
    assert (wrong["code"], wrong["path"]) == ("UNAUTHENTICATED", ["input", "password"])
    asked = await person.ask(DELETE, password=PASSWORD)
    deletion = {
        "requestedAt": "2026-03-14T15:09:26.000Z",
        "dueAt": "2026-03-28T15:09:26.000Z",
    }
    assert asked == {"deletion": deletion, "ended": 0}
    assert await person.ask(VIEWER) == {"phone": None, "deletion": deletion}
    assert await person.ask(STAY) == {"deletion": None}
    person.desk.clock.advance(timedelta(days=20))
    assert await person.desk.erase_accounts() == 0


async def test_an_export_is_a_file_three_times_a_day(person: Person) -> None:
    for _ in range(3):
        file = await person.ask(EXPORT, password=PASSWORD)
        assert file["fileName"] == "storyloom-account-2026-03-14.json"
        assert json.loads(file["document"])["account"]["email"] == EMAIL
    refused = await person.ask(EXPORT, password=PASSWORD)
    assert (refused["code"], refused["retryAfter"]) == ("RATE_LIMITED", 24 * 3600)


@pytest.mark.parametrize(
    ("operation", "input_"),
    [
        (PHONE_CODE, {"phoneNumber": "+49 1512 3456789", "password": PASSWORD}),
        (PROVE, {"challengeId": "x", "code": "123456"}),
        (REMOVE, {"password": PASSWORD}),
        (DELETE, {"password": PASSWORD}),
        (STAY, {}),
        (EXPORT, {"password": PASSWORD}),
    ],
)
async def test_all_of_it_is_for_those_who_are_logged_in(
    person: Person, operation: str, input_: dict[str, str]
) -> None:
    person.claims = None
    before = len(person.desk.owed)
    assert (await person.ask(operation, **input_))["code"] == "UNAUTHENTICATED"
    [account] = person.desk.accounts
    assert (len(person.desk.owed), account.is_leaving) == (before, False)
