"""Second factors and passkeys over real HTTP, from the settings to the next log-in."""

from datetime import datetime
from typing import Any

import pytest
from pyotp import TOTP

from tests.authenticator import Authenticator
from tests.integration.accounts.town import (
    EMAIL,
    ORIGIN,
    PAIR,
    PASSWORD,
    REFUSAL,
    Client,
    Town,
)

LOG_IN = f"""mutation ($input: LogInInput!) {{ logIn(input: $input) {{ __typename
  ... on SecondFactorRequired {{ ticket expiresAt }} {REFUSAL} }} }}"""
COMPLETE = f"""mutation ($input: CompleteLogInInput!) {{ completeLogIn(input: $input) {{ __typename
  ... on LogInSuccess {{ {PAIR} account {{ email }} }} ... on CodeInvalid {{ attemptsLeft }}
  {REFUSAL} }} }}"""
FINISH = f"""mutation ($input: FinishPasskeyLogInInput!) {{ finishPasskeyLogIn(input: $input) {{
  __typename ... on LogInSuccess {{ {PAIR} account {{ email }} }} {REFUSAL} }} }}"""
BEGIN = "mutation { beginPasskeyLogIn { ... on BeginPasskeyLogInSuccess { options } } }"


async def the(client: Client, mutation: str, **input_: object) -> dict[str, Any]:
    """Run a mutation and return its payload."""
    answer = await client.run(mutation, input=input_)
    assert "errors" not in answer, answer
    [payload] = answer["data"].values()
    assert isinstance(payload, dict)
    return payload


async def ticket(place: Town) -> str:
    """Give the password, and return what the second factor is to be sent with."""
    asked = await the(Client(place), LOG_IN, email=EMAIL, password=PASSWORD)
    assert (asked["__typename"], asked["code"]) == (
        "SecondFactorRequired",
        "SECOND_FACTOR_REQUIRED",
    )
    return str(asked["ticket"])


def now(place: Town) -> datetime:
    return place.container.clock.now()


async def enrolled(place: Town, mira: Client) -> tuple[TOTP, list[str]]:
    """Add an app to the account; return it, and the recovery codes."""
    begun = await mira.ask("beginTotpEnrollment", "enrollment { secret uri }", password=PASSWORD)
    app = TOTP(begun["enrollment"]["secret"])
    assert begun["enrollment"]["uri"].startswith("otpauth://totp/Storyloom:mira%40readers.example?")
    confirmed = await mira.ask("confirmTotpEnrollment", "recoveryCodes", code=app.at(now(place)))
    assert len(confirmed["recoveryCodes"]) == 10
    return app, confirmed["recoveryCodes"]


# --- an app ---------------------------------------------------------------------------------------


async def test_an_app_is_asked_for_after_the_password(place: Town, mira: Client) -> None:
    app, _ = await enrolled(place, mira)
    assert await place.told() == [(EMAIL, "A second step was added to your account")]
    assert (await mira.ask("logOut", "wasLoggedIn"))["wasLoggedIn"] is True
    assert await mira.email() is None

    challenge, phone = await ticket(place), Client(place)
    # The next code is good already, however near the turn of the step is.
    right = app.at(now(place), counter_offset=1)
    near = {app.at(now(place), counter_offset=step) for step in range(-2, 4)}
    wrong = next(code for code in map("{:06d}".format, range(7)) if code not in near)
    refused = await the(phone, COMPLETE, ticket=challenge, proof={"code": wrong})
    assert (refused["code"], refused["attemptsLeft"], refused["path"]) == (
        "OTP_INVALID",
        4,
        ["input", "proof", "code"],
    )

    begun = await the(phone, COMPLETE, ticket=challenge, proof={"code": right})
    assert begun["account"] == {"email": EMAIL}
    phone.token = begun["tokens"]["accessToken"]
    assert await phone.email() == EMAIL
    assert "tokens" in await phone.refresh(refreshToken=begun["tokens"]["refreshToken"])

    spent = await the(Client(place), COMPLETE, ticket=challenge, proof={"code": right})
    assert spent["__typename"] == "LogInTicketRejected"
    again = await the(Client(place), COMPLETE, ticket=await ticket(place), proof={"code": right})
    assert (again["__typename"], again["code"]) == ("CodeInvalid", "OTP_INVALID")


async def test_a_recovery_code_logs_in_once(place: Town, mira: Client) -> None:
    _, codes = await enrolled(place, mira)
    proof = {"recoveryCode": codes[0].lower().replace("-", " ")}
    first = await the(Client(place), COMPLETE, ticket=await ticket(place), proof=proof)
    assert first["account"] == {"email": EMAIL}
    again = await the(Client(place), COMPLETE, ticket=await ticket(place), proof=proof)
    assert (again["__typename"], again["path"]) == (
        "RecoveryCodeInvalid",
        ["input", "proof", "recoveryCode"],
    )
    other = {"recoveryCode": codes[1]}
    assert "account" in await the(Client(place), COMPLETE, ticket=await ticket(place), proof=other)
    left = await mira.run("{ viewer { secondFactor { recoveryCodesLeft } } }")
    assert left["data"]["viewer"]["secondFactor"] == {"recoveryCodesLeft": 8}


async def test_without_the_second_factor_a_password_opens_nothing(
    place: Town, mira: Client
) -> None:
    await enrolled(place, mira)
    challenge = await ticket(place)
    impatient = Client(place, token=challenge)
    assert await impatient.email() is None
    assert (await impatient.refresh(refreshToken=challenge))["code"] == "UNAUTHENTICATED"
    assert len(await mira.sessions()) == 1


# --- a passkey ------------------------------------------------------------------------------------


async def with_passkey(mira: Client, authenticator: Authenticator) -> dict[str, Any]:
    """Add a passkey to the account; return what the browser had answered."""
    begun = await mira.ask("beginPasskeyRegistration", "options", password=PASSWORD)
    credential = authenticator.create(begun["options"])
    added = await mira.ask(
        "finishPasskeyRegistration",
        "passkey { name backedUp }",
        credential=credential,
        name="Phone",
    )
    assert added["passkey"] == {"name": "Phone", "backedUp": False}
    return credential


async def options(client: Client) -> dict[str, Any]:
    """Begin to log in with whatever passkey there is."""
    begun: dict[str, Any] = (await client.run(BEGIN))["data"]["beginPasskeyLogIn"]["options"]
    return begun


async def test_a_passkey_logs_in_and_its_answer_is_good_once(place: Town, mira: Client) -> None:
    authenticator, phone = Authenticator(ORIGIN), Client(place)
    await with_passkey(mira, authenticator)
    assertion = authenticator.get(await options(phone))
    begun = await the(phone, FINISH, credential=assertion)
    assert begun["account"] == {"email": EMAIL}
    phone.token = begun["tokens"]["accessToken"]
    assert await phone.email() == EMAIL
    assert len(await phone.sessions()) == 2

    replayed = await the(Client(place), FINISH, credential=assertion)
    assert (replayed["__typename"], replayed["code"]) == ("PasskeyRejected", "UNAUTHENTICATED")
    assert len(await phone.sessions()) == 2


async def test_a_passkey_needs_no_app(place: Town, mira: Client) -> None:
    authenticator = Authenticator(ORIGIN)
    await enrolled(place, mira)
    await with_passkey(mira, authenticator)
    assertion = authenticator.get(await options(mira))
    assert "account" in await the(Client(place), FINISH, credential=assertion)


async def test_a_passkey_is_registered_by_one_answer_once(mira: Client) -> None:
    credential = await with_passkey(mira, Authenticator(ORIGIN))
    again = await mira.ask("finishPasskeyRegistration", credential=credential, name="Copy")
    assert (again["__typename"], again["code"]) == ("PasskeyUnfit", "VALIDATION_FAILED")
    passkeys = await mira.run("{ viewer { passkeys { name } } }")
    assert passkeys["data"]["viewer"]["passkeys"] == [{"name": "Phone"}]


@pytest.mark.parametrize(
    "lies",
    [
        {"origin": "https://storyloom.attacker.example"},
        {"origin": ORIGIN.replace("https", "http")},
        {"rp_id": "attacker.example"},
        {"challenge": "A" * 43},
        {"type": "payment.get"},
        {"flags": 0x01},
    ],
    ids=str,
)
async def test_an_answer_for_another_page_is_refused(
    place: Town, mira: Client, lies: dict[str, Any]
) -> None:
    authenticator = Authenticator(ORIGIN)
    await with_passkey(mira, authenticator)
    phished = authenticator.get(await options(mira), **lies)
    refused = await the(Client(place), FINISH, credential=phished)
    assert (refused["__typename"], refused["code"]) == ("PasskeyRejected", "UNAUTHENTICATED")
    assert len(await mira.sessions()) == 1

    begun = await mira.ask("beginPasskeyRegistration", "options", password=PASSWORD)
    elsewhere = Authenticator(ORIGIN).create(begun["options"], **lies)
    unfit = await mira.ask("finishPasskeyRegistration", credential=elsewhere, name="Theirs")
    assert (unfit["__typename"], unfit["code"]) == ("PasskeyUnfit", "VALIDATION_FAILED")
