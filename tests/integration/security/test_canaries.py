"""Nothing of what people type, and no secret of theirs, is ever written into a log."""

import io
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import orjson
import pytest
from loguru import logger
from pyotp import TOTP
from websockets.asyncio.client import connect

from bootstrap.duties import open_duties
from bootstrap.logs import configure_logs
from domain.jobs import Queue
from tests.fakes.mail import FakeTexts
from tests.fakes.storyteller import FakeStoryteller
from tests.integration.accounts.town import CHALLENGE, PAIR, Client, Town, town
from tests.integration.api.service import GRAPHQL_WS
from tests.jobs import claimed
from usecases.ports.mail import MailFault
from usecases.stories.write_story import WriteStoryTask

EMAIL = "canary.mira@canaries.example"
MOVED = "canary.moved@canaries.example"
PASSWORD = "canary flies over the sea"
NEXT_PASSWORD = "canary sleeps under the sea"
LAST_PASSWORD = "canary sings beside the sea"
PHONE = "+4930987654321"
PLACE = "198.51.100.77"
WISHES = {
    "idea": "A canary flies to Oslo",
    "setting": "canary meadow",
    "moral": "canary moral",
    "themes": ["canary theme"],
    "avoid": ["canary fear"],
}
STORY = "The canary text of a story."


@dataclass
class Journal:
    """What was written, and what must not be in it; all words of ours have a canary in them."""

    out: io.StringIO = field(default_factory=io.StringIO)
    secrets: list[str] = field(default_factory=lambda: ["canary", EMAIL, MOVED, PHONE, PLACE])

    def keep(self, *secrets: str | None) -> None:
        """Remember something that was handed out."""
        self.secrets += [secret for secret in secrets if secret]

    def leaks(self) -> list[str]:
        """Return what can be read in the journal, in any case; codes as words of their own."""
        text = self.out.getvalue()
        return [
            secret
            for secret in self.secrets
            if re.search(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", text, re.IGNORECASE)
            or (not secret.isdigit() and secret.casefold() in text.casefold())
        ]


@pytest.fixture
async def place(postgres_url: str, redis_url: str) -> AsyncIterator[Town]:
    async with town(postgres_url, redis_url) as running:
        yield running


@pytest.fixture
def journal(place: Town) -> Journal:
    """Log as in production, but everything that there is to log."""
    journal = Journal()
    verbose = place.container.settings.model_copy(update={"log_level": "DEBUG"})
    configure_logs(verbose, journal.out)
    return journal


async def test_nothing_that_people_type_or_hold_is_in_the_logs(
    place: Town, journal: Journal
) -> None:
    texts = FakeTexts()
    place.send = replace(place.send, texts=texts)
    browser = Client(place)
    browser.headers["x-forwarded-for"] = PLACE
    await _sign_up(browser, journal)
    await _log_in(browser, journal)
    await _misfortunes(browser, journal)
    await _second_factor(browser, journal)
    await _phone_and_address(browser, journal)
    await _story(browser, journal)
    await _reset(browser, journal)
    await _goodbye(browser, journal)

    journal.keep(*re.findall(r"\d{6}", texts.taken[0].text))
    written = journal.out.getvalue()
    assert written.count("Request served") > 25
    assert '"message":"A story is ready"' in written
    assert "Unexpected error" in written
    assert journal.leaks() == []


def test_the_test_would_see_them() -> None:
    journal = Journal()
    journal.keep("004711")
    journal.out.write("A CANARY, and code 004711; not 10047112, not a-004711-b")

    assert journal.leaks() == ["canary", "004711"]
    journal.out = io.StringIO("10047112 a-004711-b")
    assert journal.leaks() == []


async def _sign_up(browser: Client, journal: Journal) -> None:
    asked = await browser.ask(
        "signUp",
        CHALLENGE,
        email=EMAIL,
        password=PASSWORD,
        displayName="Canary Mira",
        interests=["canaries"],
    )
    browser.town.mailer.faults.append(MailFault("no such user", status="550 5.1.1", permanent=True))
    await browser.town.mails()
    await browser.ask("resendOtp", challengeId=asked["challenge"]["id"])
    code = await browser.town.code()
    journal.keep(code)
    await browser.ask("verifyOtp", challengeId=asked["challenge"]["id"], code="canary")
    proven = await browser.ask("verifyOtp", challengeId=asked["challenge"]["id"], code=code)
    assert proven["__typename"] == "VerifyOtpSuccess"


async def _log_in(browser: Client, journal: Journal) -> None:
    wrong = await browser.log_in(EMAIL, "canary guesses wrong")
    assert wrong["__typename"] == "WrongCredentials"
    begun = await browser.ask("logIn", f"{PAIR} deviceToken", email=EMAIL, password=PASSWORD)
    browser.token = begun["tokens"]["accessToken"]
    first = begun["tokens"]["refreshToken"]
    journal.keep(browser.token, first, begun["deviceToken"])
    for _ in range(2):
        refreshed = await browser.refresh(refreshToken=browser.refresh_token or first)
        journal.keep(refreshed["tokens"]["accessToken"], refreshed["tokens"]["refreshToken"])
    reused = await Client(browser.town).refresh(refreshToken=first)
    assert reused["code"] == "REFRESH_REUSED"
    again = await browser.log_in(EMAIL, PASSWORD)
    journal.keep(again["tokens"]["accessToken"], again["tokens"]["refreshToken"])


async def _misfortunes(browser: Client, journal: Journal) -> None:
    """What goes wrong on the way: requests that are none, and a fault of ours."""
    url, http = f"{browser.town.url}/graphql", browser.town.http
    for body in (
        b"canary",
        b'{"query": "canary {"}',
        b'{"query": "{ canary(email: \\"canary\\") }"}',
        b'{"query": "query ($canary: Int!) { viewer { id } }", "variables": {"canary": "canary"}}',
    ):
        await http.post(
            f"{url}?token=canary", content=body, headers={"content-type": "application/json"}
        )
    await http.get(f"{browser.town.url}/canary", headers={"authorization": "Bearer canary.a.b"})
    await http.get(url, headers={"cookie": "__Host-canary=canary", "user-agent": "canary"})
    async with browser.town.container.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE accounts RENAME COLUMN display_name TO name")
    broken = await browser.run(
        "mutation ($input: SignUpInput!) { signUp(input: $input) { __typename } }",
        input={"email": EMAIL, "password": PASSWORD, "displayName": "Canary"},
    )
    async with browser.town.container.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE accounts RENAME COLUMN name TO display_name")
    assert broken["errors"][0]["extensions"]["code"] == "INTERNAL"
    del journal


async def _second_factor(browser: Client, journal: Journal) -> None:
    begun = await browser.ask("beginTotpEnrollment", "enrollment { secret uri }", password=PASSWORD)
    secret = begun["enrollment"]["secret"]
    app, now = TOTP(secret), browser.town.container.clock.now()
    journal.keep(secret, begun["enrollment"]["uri"], app.at(now))
    confirmed = await browser.ask("confirmTotpEnrollment", "recoveryCodes", code=app.at(now))
    codes: Sequence[str] = confirmed["recoveryCodes"]
    journal.keep(*codes)
    required = await browser.ask("logIn", "", email=EMAIL, password=PASSWORD)
    assert required["code"] == "SECOND_FACTOR_REQUIRED"
    await browser.ask("disableTotp", password=PASSWORD, proof={"recoveryCode": codes[0]})


async def _phone_and_address(browser: Client, journal: Journal) -> None:
    await browser.ask("requestPhoneCode", phoneNumber=PHONE, password=PASSWORD)
    await browser.town.mails()
    changed = await browser.ask("requestEmailChange", CHALLENGE, newEmail=MOVED, password=PASSWORD)
    code = await browser.town.code()
    journal.keep(code)
    moved = await browser.ask(
        "completeEmailChange", challengeId=changed["challenge"]["id"], code=code
    )
    assert moved["__typename"] == "CompleteEmailChangeSuccess"


async def _story(browser: Client, journal: Journal) -> None:
    asked = await browser.ask("requestStory", "story { id }", **WISHES)
    container = browser.town.container
    async with open_duties(container) as duties:
        job, lease = await claimed(container.job_desk, Queue.STORIES)
        write = replace(duties.write_story, storyteller=FakeStoryteller([[STORY]]))
        await write(WriteStoryTask.model_validate(job.task).story_id, lease)
    url = browser.town.url.replace("http", "ws", 1)
    async with connect(f"{url}/graphql", subprotocols=[GRAPHQL_WS], compression=None) as socket:
        for frame in (
            {"type": "connection_init", "payload": {"accessToken": browser.token}},
            {
                "id": "1",
                "type": "subscribe",
                "payload": {
                    "query": "subscription ($id: ID!) { storyEvents(storyId: $id) { __typename } }",
                    "variables": {"id": asked["story"]["id"]},
                },
            },
        ):
            await socket.send(orjson.dumps(frame).decode())
            await socket.recv()
    assert '"words":' in journal.out.getvalue()


async def _reset(browser: Client, journal: Journal) -> None:
    await browser.ask("changePassword", currentPassword=PASSWORD, newPassword=NEXT_PASSWORD)
    await browser.town.mails()
    asked = await browser.ask("requestPasswordReset", CHALLENGE, email=MOVED)
    code = await browser.town.code()
    journal.keep(code)
    done = await browser.ask(
        "completePasswordReset",
        challengeId=asked["challenge"]["id"],
        code=code,
        newPassword=LAST_PASSWORD,
    )
    assert done["__typename"] == "CompletePasswordResetSuccess"


async def _goodbye(browser: Client, journal: Journal) -> None:
    again = await browser.log_in(MOVED, LAST_PASSWORD)
    journal.keep(again["tokens"]["accessToken"], again["tokens"]["refreshToken"])
    await browser.ask("exportAccountData", "", password=LAST_PASSWORD)
    await browser.ask("requestAccountDeletion", password=LAST_PASSWORD)
    await browser.town.mails()
    logger.info("Last line")
