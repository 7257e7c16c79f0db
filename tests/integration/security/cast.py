"""Everybody who may knock at the door, with what each of them holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from typing import Any

import orjson
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bootstrap.settings import Settings
from bootstrap.signing import access_tokens
from domain.accounts import Account, Role
from domain.passkeys import Passkey
from domain.sessions import AccessClaims, Session, SessionEnd
from domain.stories import Story
from schema.nodes import ACCOUNT, PASSKEY, SESSION, STORY, global_id
from tests.factories import a_passkey, a_session, a_story, an_account
from tests.integration.accounts.town import PASSWORD, REFUSAL, Town
from tests.integration.api.service import GRAPHQL_WS


class Who(StrEnum):
    """The columns of the matrix.

    UNVERIFIED holds a good token of an account whose address is not proven, which no log-in gives.
    STALE_ADMIN has logged in a day ago, FOREIGN_ADMIN asks from an address that is not allowed.
    The last three hold a token of USER's that is not good any more, or not for us.
    """

    ANONYMOUS = "anonymous"
    UNVERIFIED = "unverified"
    USER = "user"
    OTHER = "other"
    ADMIN = "admin"
    STALE_ADMIN = "stale_admin"
    FOREIGN_ADMIN = "foreign_admin"
    EXPIRED = "expired"
    REVOKED = "revoked"
    WRONG_AUDIENCE = "wrong audience"


ADMINS = (Who.ADMIN, Who.STALE_ADMIN, Who.FOREIGN_ADMIN)
ACCOUNTS = (Who.UNVERIFIED, Who.USER, Who.OTHER, *ADMINS)
"""Who has an account of their own."""

HERE = (ip_network("127.0.0.0/8"),)
"""Where the tests run: from there admins may work, and proxies may say who called them."""

ELSEWHERE = "198.51.100.9"


@dataclass
class Cast:
    """The people, and what USER owns."""

    town: Town
    accounts: dict[Who, Account]
    tokens: dict[Who, str]
    claims: dict[Who, AccessClaims]
    story: Story
    passkey: Passkey
    spare: Session

    @property
    def ids(self) -> dict[str, str]:
        """The public ids of USER's things."""
        return {
            "account": global_id(ACCOUNT, self.accounts[Who.USER].id),
            "story": global_id(STORY, self.story.id),
            "session": global_id(SESSION, self.spare.id),
            "passkey": global_id(PASSKEY, self.passkey.id),
        }

    def account(self, who: Who) -> Account:
        """Return the account behind a token, USER's where the token is a bad one of USER's."""
        return self.accounts.get(who, self.accounts[Who.USER])

    async def ask(self, who: Who, query: str, variables: Mapping[str, Any]) -> str:
        """Run a query or a mutation of one root field; return what became of it."""
        headers = self._address(who)
        if who in self.tokens:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        response = await self.town.http.post(
            f"{self.town.url}/graphql",
            json={"query": query, "variables": variables},
            headers=headers,
        )
        return outcome(response.json())

    async def watch(self, who: Who, query: str, variables: Mapping[str, Any]) -> str:
        """Run a subscription until its first event; return what became of it."""
        payload = {"accessToken": self.tokens[who]} if who in self.tokens else None
        url = self.town.url.replace("http", "ws", 1)
        async with connect(
            f"{url}/graphql",
            subprotocols=[GRAPHQL_WS],
            compression=None,
            additional_headers=self._address(who),
        ) as socket:
            await socket.send(
                orjson.dumps({"type": "connection_init", "payload": payload}).decode()
            )
            frame = {
                "id": "1",
                "type": "subscribe",
                "payload": {"query": query, "variables": variables},
            }
            try:
                await socket.recv()
                await socket.send(orjson.dumps(frame).decode())
                answer = orjson.loads(await socket.recv())
            except ConnectionClosed:
                return (socket.close_reason or "").partition(":")[0]
        if answer["type"] == "error":
            return str(answer["payload"][0]["extensions"]["code"])
        return outcome(answer["payload"])

    def _address(self, who: Who) -> dict[str, str]:
        """Return what a proxy says of where somebody is."""
        return {"x-forwarded-for": ELSEWHERE} if who is Who.FOREIGN_ADMIN else {}

    async def state(self) -> dict[str, tuple[int, str]]:
        """Return how many rows each table has, and a digest of what is in them."""
        async with self.town.container.engine.connect() as connection:
            names = await connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
            union = " UNION ALL ".join(
                f"SELECT '{name}', count(*), coalesce(md5(string_agg(t::text, '|' "  # noqa: S608
                f"ORDER BY t::text)), '') FROM {name} t"
                for name in names
            )
            rows = await connection.execute(text(union))
            return {name: (count, digest) for name, count, digest in rows}


def outcome(answer: Mapping[str, Any]) -> str:
    """Say what an operation gave: `ok`, `null`, or the code of the error or refusal."""
    if errors := answer.get("errors"):
        return str(errors[0]["extensions"]["code"])
    [data] = answer["data"].values()
    if data is None or (isinstance(data, list) and data == [None] * len(data)):
        return "null"
    if isinstance(data, list):
        return "ok" if None not in data else "partly"
    return str(data["code"]) if isinstance(data, dict) and "code" in data else "ok"


def mutation_of(name: str, *, takes_input: bool = True) -> str:
    """Return a document that runs a mutation, whatever it answers."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    variables, argument = (f"($input: {kind}!)", "(input: $input)") if takes_input else ("", "")
    return f"mutation {variables} {{ {name}{argument} {{ __typename {REFUSAL} }} }}"


async def gather_cast(town: Town) -> Cast:
    """Make the people: each has the same password, so that none is refused for another reason."""
    container = town.container
    now, digest = container.clock.now(), await container.use_cases.sign_up.passwords.hash(PASSWORD)
    accounts = {
        who: an_account(email=f"{who}@readers.example", password_hash=digest, created_at=now)
        for who in ACCOUNTS
    }
    for admin in ADMINS:
        accounts[admin].role = Role.ADMIN
    sessions: dict[Who, Session] = {
        who: a_session(
            accounts.get(who, accounts[Who.USER]).id,
            created_at=now,
            last_used_at=now,
            authenticated_at=now - timedelta(days=who is Who.STALE_ADMIN),
            expires_at=now + timedelta(days=90),
        )
        for who in Who
        if who is not Who.ANONYMOUS
    }
    sessions[Who.REVOKED].end(now, SessionEnd.ENDED_BY_OWNER)
    user = accounts[Who.USER].id
    spare = a_session(user, created_at=now, last_used_at=now, expires_at=now + timedelta(days=90))
    story, passkey = a_story(user, requested_at=now), a_passkey(user, created_at=now)
    async with container.database.begin() as work:
        for who, account in accounts.items():
            if who is not Who.UNVERIFIED:
                account.activate(now)
            account.set_phone("+4930123456", now)
            await work.accounts.add(account)
        for session in (*sessions.values(), spare):
            await work.sessions.add(session)
        await work.stories.add(story)
        await work.passkeys.add(passkey)
    claims: dict[Who, AccessClaims] = {
        who: AccessClaims(
            account_id=session.account_id,
            session_id=session.id,
            expires_at=(now + timedelta(minutes=-1 if who is Who.EXPIRED else 10)).replace(
                microsecond=0
            ),
        )
        for who, session in sessions.items()
    }
    tokens: dict[Who, str] = {
        who: await _signed(town, container.settings, who, of) for who, of in claims.items()
    }
    return Cast(town, accounts, tokens, claims, story, passkey, spare)


async def _signed(town: Town, settings: Settings, who: Who, claims: AccessClaims) -> str:
    if who is Who.WRONG_AUDIENCE:
        settings = settings.model_copy(update={"token_audience": "another-api"})
    container = town.container
    return await access_tokens(settings, container.keyring, container.clock).sign(claims)
