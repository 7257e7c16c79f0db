"""An account moves to another address, once that is proven."""

import pytest

from domain.audit import Act
from tests.integration.accounts.town import CHALLENGE, EMAIL, PASSWORD, Client, Town, codes_in, town

NEW = "mira@elsewhere.example"
ASKED = "Your account is about to get another address"
CHANGED = "Your account has another address now"
CODE = "Your code for the new address"
WANTED = "Somebody wanted to use your address"


@pytest.fixture(autouse=True)
async def _emptied_mailboxes(place: Town, mira: Client) -> None:
    del mira
    await place.mails()


async def change(client: Client, new_email: str = NEW) -> str:
    """Ask for another address and return the id of the challenge."""
    answer = await client.ask(
        "requestEmailChange", CHALLENGE, newEmail=new_email, password=PASSWORD
    )
    return str(answer["challenge"]["id"])


async def test_the_new_address_is_proven_and_both_are_told(place: Town, mira: Client) -> None:
    phone = Client(place)
    await phone.log_in()
    await place.mails()
    challenge = await change(mira, "Mira@Elsewhere.example")
    mails = await place.mails()
    assert sorted((mail.recipient, mail.subject) for mail in mails) == [(NEW, CODE), (EMAIL, ASKED)]
    [code] = [code for mail in mails for code in codes_in(mail)]
    assert await mira.email() == EMAIL
    answer = await mira.ask(
        "completeEmailChange", "account { email }", challengeId=challenge, code=code
    )

    assert answer["account"] == {"email": NEW}
    assert (await mira.email(), await phone.email()) == (NEW, None)
    assert await place.told() == [(NEW, CHANGED), (EMAIL, CHANGED)]
    assert (await Client(place).log_in())["__typename"] == "WrongCredentials"
    assert (await Client(place).log_in(NEW))["__typename"] == "LogInSuccess"
    assert Act.EMAIL_CHANGED in await place.acts(
        (await place.container.use_cases.authenticate(mira.token or "")).account_id
    )


async def test_taken_and_free_addresses_are_answered_alike(place: Town, mira: Client) -> None:
    await place.account("taken@readers.example")
    answers = []
    for email in ("taken@readers.example", "free@readers.example"):
        asked = await mira.ask("requestEmailChange", CHALLENGE, newEmail=email, password=PASSWORD)
        challenge = asked["challenge"]
        wrong = await mira.ask(
            "completeEmailChange", challengeId=challenge.pop("id"), code="000000"
        )
        assert challenge.pop("email") == email
        for moment in ("expiresAt", "resendAt"):
            challenge[moment] = len(challenge[moment])
        assert wrong.pop("message").startswith("The code is not right.")
        answers.append((asked, wrong))
    assert answers[0] == answers[1]
    assert await place.told() == [
        ("free@readers.example", CODE),
        (EMAIL, ASKED),
        (EMAIL, ASKED),
        ("taken@readers.example", WANTED),
    ]


async def test_only_the_account_that_asked_can_use_the_code(place: Town, mira: Client) -> None:
    challenge = await change(mira)
    code = await place.code()
    await place.account("other@readers.example")
    other = Client(place)
    await other.log_in("other@readers.example")
    for _ in range(6):
        answer = await other.ask("completeEmailChange", challengeId=challenge, code=code)
        assert (answer["__typename"], answer["path"]) == ("CodeExpired", ["input", "challengeId"])
    assert await other.email() == "other@readers.example"
    anonymous = await Client(place).ask("completeEmailChange", challengeId=challenge, code=code)
    assert anonymous["__typename"] == "Unauthenticated"
    answer = await mira.ask("completeEmailChange", challengeId=challenge, code=code)
    assert answer["__typename"] == "CompleteEmailChangeSuccess"


async def test_an_address_that_was_taken_meanwhile_is_refused(place: Town, mira: Client) -> None:
    challenge = await change(mira)
    code = await place.code()
    await place.account(NEW)
    answer = await mira.ask("completeEmailChange", challengeId=challenge, code=code)

    assert (answer["__typename"], answer["code"]) == ("CodeExpired", "OTP_EXPIRED")
    assert await mira.email() == EMAIL


async def test_a_code_for_the_old_address_opens_nothing_after_the_change(
    place: Town, mira: Client
) -> None:
    asked = await mira.ask("requestPasswordReset", CHALLENGE, email=EMAIL)
    reset_code = await place.code()
    challenge = await change(mira)
    code = await place.code()
    await mira.ask("completeEmailChange", challengeId=challenge, code=code)
    answer = await mira.ask(
        "completePasswordReset",
        challengeId=asked["challenge"]["id"],
        code=reset_code,
        newPassword="seven lanterns over Lisbon",
    )
    assert answer["__typename"] == "CodeExpired"
    assert (await Client(place).log_in(NEW))["__typename"] == "LogInSuccess"


async def test_faults_are_refused_before_anything_is_sent(place: Town, mira: Client) -> None:
    wrong = await mira.ask("requestEmailChange", newEmail=NEW, password="wrong")
    assert (wrong["__typename"], wrong["path"]) == ("WrongCredentials", ["input", "password"])
    for email, code in (("nonsense", "value_error"), (EMAIL.upper(), "email_unchanged")):
        answer = await mira.ask("requestEmailChange", newEmail=email, password=PASSWORD)
        assert answer["issues"] == [{"path": ["input", "newEmail"], "code": code}]
    assert await place.told() == []


async def test_an_account_cannot_bomb_strangers_with_codes(place: Town, mira: Client) -> None:
    challenges = [await change(mira, f"stranger{number}@elsewhere.example") for number in range(9)]
    again = await mira.ask("resendOtp", CHALLENGE, challengeId=challenges[0])
    assert again["__typename"] == "ResendOtpSuccess"
    for refused in (
        await mira.ask("requestEmailChange", newEmail=NEW, password=PASSWORD),
        await mira.ask("resendOtp", challengeId=challenges[1]),
    ):
        assert (refused["code"], refused["retryable"]) == ("RATE_LIMITED", True)
        assert 86_000 < refused["retryAfter"] <= 86_401
    assert len([mail for mail in await place.mails() if mail.recipient != EMAIL]) == 9
    assert (await place.account("noa@readers.example")).id
    noa = Client(place)
    await noa.log_in("noa@readers.example")
    assert await change(noa)


async def test_no_more_codes_are_mailed_in_an_hour_than_the_operator_allows(
    postgres_url: str, redis_url: str
) -> None:
    async with town(postgres_url, redis_url, codes_in_all_per_hour=3) as place:
        stranger = Client(place)
        answers = [
            await stranger.ask("requestPasswordReset", "challenge { id }", email=email)
            for email in (EMAIL, "b@readers.example", EMAIL, "c@readers.example", EMAIL)
        ]
        assert [answer["__typename"] for answer in answers] == [
            *["RequestPasswordResetSuccess"] * 3,
            *["RateLimited"] * 2,
        ]
        assert all(3_500 < answer["retryAfter"] <= 3_600 for answer in answers[3:])
