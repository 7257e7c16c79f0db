"""Scalars beyond GraphQL's own: what each holds, and where its form is specified."""

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

EmailAddress = NewType("EmailAddress", str)
LanguageTag = NewType("LanguageTag", str)
Cursor = NewType("Cursor", str)
JsonObject = NewType("JsonObject", dict[str, Any])


def write_time(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds: `2026-01-31T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(value: object) -> datetime:
    """Read a time of RFC 3339. Raises ValueError."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a date and time of RFC 3339 with its offset")
    return moment.astimezone(UTC)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - graphql-core reports ValueErrors
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - graphql-core reports ValueErrors
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, as RFC 3339: `2026-01-31T09:30:00.000Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=write_time,
        parse_value=read_time,
    ),
    EmailAddress: strawberry.scalar(
        name="EmailAddress",
        description="An e-mail address, at most 254 characters.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2",
        serialize=str,
        parse_value=_text,
    ),
    LanguageTag: strawberry.scalar(
        name="LanguageTag",
        description="A language, as BCP 47: `en`, `pt-BR`.",
        specified_by_url="https://www.rfc-editor.org/info/bcp47",
        serialize=str,
        parse_value=_text,
    ),
    JsonObject: strawberry.scalar(
        name="JSONObject",
        description="A JSON object that another specification describes, passed on as it is.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-4",
        serialize=dict,
        parse_value=_object,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A place in a list or in a log of events. Keep it as it is and send it back.",
        serialize=str,
        parse_value=_text,
    ),
}
"""Which Python type is written as which scalar; malformed values are refused with their path."""
