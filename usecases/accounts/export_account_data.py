"""Hand an account's data to its owner."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from loguru import logger
from pydantic import BaseModel

from domain.audit import Act
from domain.refusals import RateLimited, Unauthenticated
from domain.sessions import AccessClaims, Device
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database

FORMAT = "storyloom.account"
VERSION = 1
"""Of the document's structure, docs/account-export.md: a change that readers notice raises it."""

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Export:
    """A file for its owner."""

    file_name: str
    media_type: str
    document: str


@dataclass(frozen=True, slots=True)
class ExportAccountData:
    """Writes everything that is kept of an account as JSON (GDPR, articles 15 and 20).

    Secrets are left out, as whoever finds the file must not get into the account by it. At most
    `most` exports a day.
    """

    reauthenticate: Reauthenticate
    database: Database
    clock: Clock
    most: int = 3

    async def __call__(self, claims: AccessClaims, *, password: str, device: Device) -> Export:
        """Return the file.

        Raises WrongCredentials, AccountLocked, Unauthenticated, RateLimited or UpstreamUnavailable.
        """
        await self.reauthenticate(claims, password, device)
        now = self.clock.now()
        async with self.database.begin() as work:
            account = await work.accounts.lock(claims.account_id)
            if account is None:
                raise Unauthenticated
            times = await work.dossiers.exports_since(account.id, now - A_DAY)
            if len(times) >= self.most:
                free_at = times[-self.most] + A_DAY
                raise RateLimited(retry_after=max(1, int((free_at - now).total_seconds())))
            await work.audit.record(
                Act.DATA_EXPORTED, account.id, session_id=claims.session_id, device=device
            )
            dossier = await work.dossiers.of_account(account.id)
        [itself] = dossier.pop("account")
        told = _told(
            {
                "format": FORMAT,
                "version": VERSION,
                "exported_at": now,
                "account": itself,
                **dossier,
            }
        )
        logger.bind(user_id=str(account.id)).info("Account data exported")
        return Export(
            file_name=f"storyloom-account-{now:%Y-%m-%d}.json",
            media_type="application/json",
            document=json.dumps(told, ensure_ascii=False, indent=2),
        )


def _told(value: Any) -> Any:  # noqa: ANN401 - whatever a column may hold
    """Return a value as JSON knows it, with the names that the schema has."""
    told = value
    match value:
        case BaseModel():
            told = _told(value.model_dump())
        case dict():
            told = {_published(key): _told(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            told = [_told(part) for part in value]
        case Enum():
            told = value.value
        case UUID():
            told = str(value)
        case bytes():
            told = urlsafe_b64encode(value).rstrip(b"=").decode()
        case datetime():
            text = value.astimezone(UTC).isoformat(timespec="milliseconds")
            told = text.replace("+00:00", "Z")
    return told


def _published(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
