"""An operator changes FACTOR_KEY, and people go on using their apps."""

from base64 import urlsafe_b64encode
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from pydantic import SecretStr
from pyotp import TOTP

from tests.integration.accounts.town import EMAIL, PAIR, PASSWORD, REFUSAL, Client, Town, town

OLD, NEW = (urlsafe_b64encode(sha256(name).digest()).decode() for name in (b"old key", b"new key"))
COMPLETE = f"""mutation ($input: CompleteLogInInput!) {{ completeLogIn(input: $input) {{
  __typename ... on LogInSuccess {{ {PAIR} }} {REFUSAL} }} }}"""


@dataclass
class Owner:
    """Somebody with an authenticator app that shows each code once."""

    app: TOTP
    recovery_codes: list[str] = field(default_factory=list)
    step: int = 0

    def code(self) -> dict[str, str]:
        """Return the first code that is good and was not used, from one step ago on."""
        self.step = max(self.step + 1, self.app.timecode(datetime.now(UTC)) - 1)
        return {"code": self.app.generate_otp(self.step)}

    async def log_in(self, place: Town, *proofs: dict[str, str]) -> list[dict[str, Any]]:
        """Log in with the password, and show the proofs in turn; return the answers."""
        client = Client(place)
        asked = await client.run(
            """mutation ($email: EmailAddress!, $password: String!) {
              logIn(input: {email: $email, password: $password}) {
                ... on SecondFactorRequired { ticket } } }""",
            email=EMAIL,
            password=PASSWORD,
        )
        ticket = asked["data"]["logIn"]["ticket"]
        return [
            (await client.run(COMPLETE, input={"ticket": ticket, "proof": proof}))["data"][
                "completeLogIn"
            ]
            for proof in proofs
        ]


async def enrolled(place: Town) -> Owner:
    await place.account()
    client = Client(place)
    await client.log_in()
    drawn = await client.ask("beginTotpEnrollment", "enrollment { secret }", password=PASSWORD)
    owner = Owner(TOTP(drawn["enrollment"]["secret"]))
    confirmed = await client.ask("confirmTotpEnrollment", "recoveryCodes", **owner.code())
    owner.recovery_codes = confirmed["recoveryCodes"]
    return owner


def running(urls: tuple[str, str], key: str, *before: str) -> AbstractAsyncContextManager[Town]:
    before_it = SecretStr(", ".join(before))
    return town(*urls, factor_key=SecretStr(key), factor_key_previous=before_it)


async def test_apps_work_on_under_another_key_once_the_old_one_is_named(
    postgres_url: str, redis_url: str
) -> None:
    urls = (postgres_url, redis_url)
    async with running(urls, OLD) as place:
        owner = await enrolled(place)
    async with running(urls, NEW, OLD) as place:
        [answer] = await owner.log_in(place, owner.code())
        assert answer["__typename"] == "LogInSuccess"
    # Its secret is under the new key by now: the old one is needed no more.
    async with running(urls, NEW) as place:
        [answer] = await owner.log_in(place, owner.code())
        assert answer["__typename"] == "LogInSuccess"


async def test_without_the_old_key_a_recovery_code_stands_in(
    postgres_url: str, redis_url: str
) -> None:
    urls = (postgres_url, redis_url)
    async with running(urls, OLD) as place:
        owner = await enrolled(place)
    async with running(urls, NEW) as place:
        recovery = {"recoveryCode": owner.recovery_codes[0]}
        refused, entered = await owner.log_in(place, owner.code(), recovery)
        assert (refused["code"], refused["retryable"]) == ("SECOND_FACTOR_UNREADABLE", False)
        assert "use recovery codes" in refused["message"]
        assert entered["__typename"] == "LogInSuccess"
        again = Client(place, token=entered["tokens"]["accessToken"])
        disabled = await again.ask(
            "disableTotp",
            password=PASSWORD,
            proof={"recoveryCode": owner.recovery_codes[1]},
        )
        assert disabled["__typename"] == "DisableTotpSuccess"
        assert (await Client(place).log_in())["__typename"] == "LogInSuccess"
