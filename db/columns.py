"""Column types: how a domain value looks in PostgreSQL."""

from enum import IntEnum, StrEnum
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Dialect, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

V = TypeVar("V")
S = TypeVar("S", bound=StrEnum)
N = TypeVar("N", bound=IntEnum)


class Document(TypeDecorator[V], Generic[V]):
    """A nested pydantic value, as JSONB. Values are frozen, so a change is always an assignment."""

    impl = JSONB
    cache_ok = True

    def __init__(self, kind: type[V]) -> None:
        super().__init__()
        self.kind = kind
        self._adapter = TypeAdapter(kind)

    def process_bind_param(self, value: V | None, dialect: Dialect) -> object:  # noqa: ARG002
        """Turn the value into what JSON knows."""
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: object, dialect: Dialect) -> V | None:  # noqa: ARG002
        """Check what was stored, since older code may have written it."""
        return None if value is None else self._adapter.validate_python(value)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Store a missing value as NULL: JSON's own `null` would answer no IS NULL."""
        return dialect.type_descriptor(JSONB(none_as_null=True))


class Name(TypeDecorator[S], Generic[S]):
    """A member of an enumeration, stored as text by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[S]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: S | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Refuse what is no member, so that no misspelt state is ever stored."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> S | None:  # noqa: ARG002
        """Return the member."""
        return None if value is None else self.kind(value)


class Number(TypeDecorator[N], Generic[N]):
    """A member of an enumeration, stored by its number, so that PostgreSQL can sort by it."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, kind: type[N]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: N | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Refuse what is no member."""
        return None if value is None else int(self.kind(value))

    def process_result_value(self, value: int | None, dialect: Dialect) -> N | None:  # noqa: ARG002
        """Return the member."""
        return None if value is None else self.kind(value)
