"""Passwords: changed with the old one, and reset without it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from domain.audit import Act
from domain.refusals import AccountLocked, RefreshRejected, Unauthenticated, WrongCredentials
from domain.sessions import Device
from tests.integration.accounts.town import (
    CHALLENGE,
    EMAIL,
    NEW_PASSWORD,
    PASSWORD,
    Client,
    Town,
)
from usecases.accounts.open_session import LoggedIn

CHANGED = "Your password was changed"


# --- with the old one -----------------------------------------------------------------------------


async def test_a_new_password_ends_all_other_sessions_and_tells_the_owner(
    place: Town, mira: Client
) -> None:
    phone = Client(place)
    await phone.log_in()
    await place.mails()
    ended = await mira.ask(
        "changePassword", "ended", currentPassword=PASSWORD, newPassword=NEW_PASSWORD
    )

    assert ended == {"__typename": "ChangePasswordSuccess", "ended": 1}
    assert (await mira.email(), await phone.email()) == (EMAIL, None)
    assert await place.told() == [(EMAIL, CHANGED)]
    assert (await Client(place).log_in())["__typename"] == "WrongCredentials"
    assert (await Client(place).log_in(password=NEW_PASSWORD))["__typename"] == "LogInSuccess"


async def test_no_log_in_slips_through_while_the_password_changes(
    place: Town, mira: Client
) -> None:
    use_cases, device = place.container.use_cases, Device(client_address="::1", user_agent="")
    old, new = PASSWORD, NEW_PASSWORD
    for _ in range(5):
        claims = await use_cases.authenticate(mira.token or "")
        logging_in = [
            asyncio.create_task(use_cases.log_in(email=EMAIL, password=old, device=device))
            for _ in range(6)
        ]
        await use_cases.change_password(claims, current=old, new=new, device=device)
        for begun in await asyncio.gather(*logging_in, return_exceptions=True):
            if not isinstance(begun, LoggedIn):
                assert isinstance(begun, WrongCredentials | AccountLocked)
                continue
            with pytest.raises(Unauthenticated):
                await use_cases.authenticate(begun.tokens.access_token)
            with pytest.raises(RefreshRejected):
                await use_cases.refresh_tokens(begun.tokens.refresh_token)
        assert len(await mira.sessions()) == 1
        old, new = new, old


async def test_a_wrong_old_password_changes_nothing(place: Town, mira: Client) -> None:
    answer = await mira.ask("changePassword", currentPassword="wrong", newPassword=NEW_PASSWORD)

    assert answer["__typename"] == "WrongCredentials"
    assert answer["path"] == ["input", "currentPassword"]
    assert (await Client(place).log_in())["__typename"] == "LogInSuccess"


async def test_a_new_password_obeys_the_rules_and_is_new(mira: Client) -> None:
    faults = {}
    for new in ("short", "password12345", "mira readers", "x" * 129, PASSWORD):
        answer = await mira.ask("changePassword", currentPassword=PASSWORD, newPassword=new)
        [issue] = answer["issues"]
        assert issue["path"] == ["input", "newPassword"]
        faults[new[:13]] = issue["code"]
    assert faults == {
        "short": "password_too_short",
        "password12345": "password_too_common",
        "mira readers": "password_like_account",
        "x" * 13: "password_too_long",
        PASSWORD[:13]: "password_unchanged",
    }


# --- without the old one --------------------------------------------------------------------------


async def reset(client: Client, email: str = EMAIL) -> str:
    """Ask for a code and return the id of its challenge."""
    answer = await client.ask("requestPasswordReset", CHALLENGE, email=email)
    return str(answer["challenge"]["id"])


async def test_a_forgotten_password_is_replaced_by_a_code(place: Town, mira: Client) -> None:
    await place.mails()
    stranger = Client(place)
    challenge = await reset(stranger, "MIRA@readers.example")
    code = await place.code()
    assert len(code) == 8
    answer = await stranger.ask(
        "completePasswordReset",
        "ended",
        challengeId=challenge,
        code=code,
        newPassword=NEW_PASSWORD,
    )

    assert answer == {"__typename": "CompletePasswordResetSuccess", "ended": 1}
    assert await mira.email() is None
    assert (await mira.refresh(refreshToken=mira.refresh_token or ""))["code"] == "UNAUTHENTICATED"
    assert await place.told() == [(EMAIL, CHANGED)]
    assert (await Client(place).log_in())["__typename"] == "WrongCredentials"
    assert (await mira.log_in(password=NEW_PASSWORD))["__typename"] == "LogInSuccess"
    again = await stranger.ask(
        "completePasswordReset", challengeId=challenge, code=code, newPassword=PASSWORD
    )
    assert again["__typename"] == "CodeExpired"


async def test_known_and_unknown_addresses_are_answered_alike(place: Town, mira: Client) -> None:
    del mira
    await place.mails()
    stranger, answers, statements = Client(place), [], []
    for email in (EMAIL, "nobody@readers.example"):
        with _counted() as count:
            asked = await stranger.ask("requestPasswordReset", CHALLENGE, email=email)
        statements.append(list(count))
        challenge = asked["challenge"]
        guess = {"challengeId": challenge.pop("id"), "code": "00000000"}
        tries = [
            await stranger.ask("completePasswordReset", newPassword=new, **guess)
            for new in ("short", NEW_PASSWORD, NEW_PASSWORD)
        ]
        assert challenge.pop("email") == email
        for moment in ("expiresAt", "resendAt"):
            challenge[moment] = len(challenge[moment])
        resent = await stranger.ask("resendOtp", challengeId=guess["challengeId"])
        answers.append((asked, tries, resent))
    assert answers[0] == answers[1]
    assert statements[0] == statements[1]
    assert len(statements[0]) > 4
    [mail] = await place.mails()
    assert mail.recipient == EMAIL
    assert Act.PASSWORD_RESET_REQUESTED in await place.acts(None)


async def test_names_are_not_told_by_the_refusal_of_a_password(place: Town) -> None:
    await place.account(display_name="Persimmon Zugzwang")
    answers = []
    for email in (EMAIL, "nobody@readers.example"):
        stranger = Client(place)
        challenge = await reset(stranger, email)
        answers.append(
            await stranger.ask(
                "completePasswordReset",
                challengeId=challenge,
                code="00000000",
                newPassword="Persimmon Zugzwang",
            )
        )
    assert answers[0] == answers[1]
    assert answers[0]["__typename"] == "CodeInvalid"


async def test_a_bad_password_costs_neither_the_code_nor_a_try(place: Town, mira: Client) -> None:
    await place.mails()
    challenge = await reset(mira)
    code = await place.code()
    for _ in range(7):
        answer = await mira.ask(
            "completePasswordReset", challengeId=challenge, code=code, newPassword="short"
        )
        assert answer["issues"] == [
            {"path": ["input", "newPassword"], "code": "password_too_short"}
        ]
    answer = await mira.ask(
        "completePasswordReset", challengeId=challenge, code=code, newPassword=NEW_PASSWORD
    )
    assert answer["__typename"] == "CompletePasswordResetSuccess"


async def test_five_wrong_codes_are_all_that_is_looked_at(place: Town, mira: Client) -> None:
    await place.mails()
    challenge = await reset(mira)
    code = await place.code()
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    answers = [
        (
            await mira.ask(
                "completePasswordReset",
                challengeId=challenge,
                code=each,
                newPassword=NEW_PASSWORD,
            )
        )["__typename"]
        for each in (*[wrong] * 5, code)
    ]
    assert answers == [*["CodeInvalid"] * 5, "CodeAttemptsExceeded"]
    assert (await Client(place).log_in())["__typename"] == "LogInSuccess"


async def test_a_code_for_one_thing_serves_no_other(place: Town, mira: Client) -> None:
    await place.mails()
    challenge = await reset(mira)
    code = await place.code()
    for mutation in ("verifyOtp", "completeEmailChange"):
        answer = await mira.ask(mutation, challengeId=challenge, code=code)
        assert answer["__typename"] == "CodeExpired"
    answer = await mira.ask(
        "completePasswordReset", challengeId=challenge, code=code, newPassword=NEW_PASSWORD
    )
    assert answer["__typename"] == "CompletePasswordResetSuccess"


async def test_a_resent_code_replaces_the_one_before(place: Town, mira: Client) -> None:
    await place.mails()
    challenge = await reset(mira)
    old = await place.code()
    assert (await mira.ask("resendOtp", challengeId=challenge))["__typename"] == "ResendOtpSuccess"
    new = await place.code()
    answers = [
        await mira.ask(
            "completePasswordReset", challengeId=challenge, code=each, newPassword=NEW_PASSWORD
        )
        for each in (old, new)
    ]
    assert [answer["__typename"] for answer in answers] == [
        "CodeInvalid",
        "CompletePasswordResetSuccess",
    ]


async def test_a_reset_lets_a_locked_out_owner_in(place: Town, mira: Client) -> None:
    await place.mails()
    stranger = Client(place)
    guesses = [(await stranger.log_in(password=f"guess {n}"))["__typename"] for n in range(6)]
    assert guesses[-1] == "AccountLocked"
    challenge = await reset(mira)
    await stranger.ask(
        "completePasswordReset",
        challengeId=challenge,
        code=await place.code(),
        newPassword=NEW_PASSWORD,
    )
    assert (await stranger.log_in(password=NEW_PASSWORD))["__typename"] == "LogInSuccess"


async def test_every_step_is_on_record(place: Town) -> None:
    account = await place.account()
    client = Client(place)
    await client.log_in()
    await client.ask("changePassword", currentPassword="wrong", newPassword=NEW_PASSWORD)
    await client.ask("changePassword", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
    await place.mails()
    challenge = await reset(client)
    await client.ask(
        "completePasswordReset",
        challengeId=challenge,
        code=await place.code(),
        newPassword=PASSWORD,
    )
    assert await place.acts(account.id) == [
        Act.LOGGED_IN,
        Act.LOG_IN_FAILED,
        Act.PASSWORD_CHANGED,
        Act.PASSWORD_RESET_REQUESTED,
        Act.SESSION_ENDED,
        Act.PASSWORD_RESET,
    ]


@contextmanager
def _counted() -> Iterator[list[str]]:
    """Collect the statements that PostgreSQL is sent."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)
