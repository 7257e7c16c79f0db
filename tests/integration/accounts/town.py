"""The whole service over HTTP, on a real PostgreSQL and a real Redis; only its mails stay here."""

import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID

from httpx2 import AsyncClient, Response
from pydantic import SecretStr

from api.app import create_app
from bootstrap.container import Container, open_container
from bootstrap.duties import open_duties
from domain.accounts import Account
from domain.audit import Act
from domain.jobs import Queue
from schema.cookies import NAME
from tests.factories import an_account
from tests.fakes.mail import FakeMailer
from tests.integration.api.service import logs_restored, served, settings
from usecases.deliveries.send_delivery import SendDelivery, SendDeliveryTask
from usecases.ports.mail import Mail

EMAIL = "mira@readers.example"
PASSWORD = "three quiet foxes at sea"
NEW_PASSWORD = "seven lanterns over Lisbon"
ORIGIN = "https://app.storyloom.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
REFUSAL = """... on Refusal { code message path retryable retryAfter
  ... on InvalidInput { issues { path code } } }"""
PAIR = "tokens { accessToken refreshToken refreshExpiresAt }"
CHALLENGE = "challenge { id email expiresAt resendAt codeLength }"


@dataclass
class Town:
    """A running service, its workers' part in mails, and the people's mailboxes."""

    container: Container
    url: str
    http: AsyncClient
    mailer: FakeMailer
    send: SendDelivery

    async def account(self, email: str = EMAIL, **known: Any) -> Account:  # noqa: ANN401
        """Store a proven account with PASSWORD."""
        digest = await self.container.use_cases.sign_up.passwords.hash(PASSWORD)
        account = an_account(email=email, password_hash=digest, **known)
        account.activate(self.container.clock.now())
        async with self.container.database.begin() as work:
            await work.accounts.add(account)
        return account

    async def mails(self) -> list[Mail]:
        """Send what is owed, as a worker does, and return it."""
        desk, before = self.container.job_desk, len(self.mailer.taken)
        while claim := await desk.claim(Queue.MAIL, [SendDeliveryTask.terms]):
            job, lease = claim
            await self.send(SendDeliveryTask.model_validate(job.task).delivery_id, lease)
            await desk.finish(lease)
        return self.mailer.taken[before:]

    async def told(self) -> list[tuple[str, str]]:
        """Send what is owed; return to whom, and the subject."""
        return sorted((mail.recipient, mail.subject) for mail in await self.mails())

    async def code(self) -> str:
        """Send what is owed, and return the code in it."""
        [code] = [match for mail in await self.mails() for match in codes_in(mail)]
        return code

    async def acts(self, account_id: UUID | None) -> list[Act]:
        """Return what the audit trail tells of an account, oldest first."""
        async with self.container.engine.connect() as connection:
            rows = await connection.exec_driver_sql(
                "SELECT act FROM audit_entries WHERE account_id IS NOT DISTINCT FROM $1"
                " ORDER BY sequence",
                (account_id,),
            )
            return [Act(act) for (act,) in rows]


@dataclass
class Client:
    """Somebody's app or browser. With a `jar` it keeps the refresh cookie, as browsers do."""

    town: Town
    headers: dict[str, str] = field(default_factory=lambda: {"user-agent": FIREFOX})
    token: str | None = None
    refresh_token: str | None = None
    jar: str | None = None
    response: Response | None = None

    async def run(self, query: str, **variables: object) -> dict[str, Any]:
        """Send an operation and return its answer."""
        headers = dict(self.headers)
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        if self.jar is not None:
            headers["cookie"] = f"other=1; {NAME}={self.jar}"
        self.response = await self.town.http.post(
            f"{self.town.url}/graphql",
            json={"query": query, "variables": variables},
            headers=headers,
        )
        for cookie in self.cookies:
            if cookie.key == NAME:
                self.jar = cookie.value or None
        answer: dict[str, Any] = self.response.json()
        return answer

    @property
    def cookies(self) -> list[Any]:
        """The cookies that the last answer set."""
        assert self.response is not None
        return [
            morsel
            for line in self.response.headers.get_list("set-cookie")
            for morsel in SimpleCookie(line).values()
        ]

    async def ask(self, mutation: str, success: str = "", **input_: object) -> dict[str, Any]:
        """Run a mutation and return its payload: its success with those fields, or a refusal."""
        name = mutation[0].upper() + mutation[1:]
        spread = f"... on {name}Success {{ {success} }}" if success else ""
        query = (
            f"mutation ($input: {name}Input!) {{ {mutation}(input: $input) {{ __typename {spread}"
            f" {REFUSAL} }} }}"
        )
        answer = await self.run(query, input=input_)
        assert "errors" not in answer, answer
        payload: dict[str, Any] = answer["data"][mutation]
        return payload

    async def log_in(
        self, email: str = EMAIL, password: str = PASSWORD, **more: str
    ) -> dict[str, Any]:
        """Log in, and keep the tokens."""
        answer = await self.ask("logIn", PAIR, email=email, password=password, **more)
        self._keep(answer)
        return answer

    async def refresh(self, **given: str) -> dict[str, Any]:
        """Refresh, and keep the tokens."""
        answer = await self.ask("refreshTokens", PAIR, **given)
        self._keep(answer)
        return answer

    async def email(self) -> str | None:
        """Return the viewer's address, or None where the access token is not good."""
        answer = await self.run("{ viewer { email } }")
        viewer = (answer["data"] or {})["viewer"]
        return str(viewer["email"]) if viewer else None

    async def sessions(self) -> list[dict[str, Any]]:
        """Return the viewer's sessions."""
        answer = await self.run(
            "{ viewer { sessions {"
            " id device location createdAt lastUsedAt expiresAt isCurrent } } }"
        )
        found: list[dict[str, Any]] = answer["data"]["viewer"]["sessions"]
        return found

    async def session_id(self) -> UUID:
        """Return the session that the access token belongs to."""
        assert self.token is not None
        return (await self.town.container.use_cases.authenticate(self.token)).session_id

    def _keep(self, answer: Mapping[str, Any]) -> None:
        if tokens := answer.get("tokens"):
            self.token, self.refresh_token = tokens["accessToken"], tokens["refreshToken"]


def codes_in(mail: Mail) -> list[str]:
    """Return the codes in a mail."""
    return re.findall(r"^    (\d{6,8})$", mail.text, re.MULTILINE)


def _key(name: str) -> SecretStr:
    return SecretStr(urlsafe_b64encode(sha256(name.encode()).digest()).decode())


@asynccontextmanager
async def town(postgres_url: str, redis_url: str, **changes: object) -> AsyncIterator[Town]:
    """Open a service; its hashes are cheap, and codes follow each other at once.

    The API and the town have connections of their own, as two processes do.
    """
    chosen = settings(
        database_url=postgres_url,
        redis_url=redis_url,
        token_signing_key=_key("tokens"),
        code_pepper=_key("codes"),
        smtp_host="127.0.0.1",
        argon2_memory_kib=8,
        argon2_time_cost=1,
        code_cooldown_seconds=0,
        rate_limit_burst=1000,
        authentication_burst=1000,
        story_burst=1000,
        allowed_origins=(ORIGIN,),
        log_level="ERROR",
    ).model_copy(update=changes)
    with logs_restored():
        async with (
            served(create_app(chosen), lifespan="on") as server,
            open_container(chosen, part="worker") as container,
            open_duties(container) as duties,
            AsyncClient() as http,
        ):
            port = server.servers[0].sockets[0].getsockname()[1]
            mailer = FakeMailer()
            send = replace(duties.send_delivery, mailer=mailer)
            yield Town(container, f"http://127.0.0.1:{port}", http, mailer, send)
