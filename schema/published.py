"""How classes are published: under their own names, and by what they say of themselves."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, dataclass_transform

import strawberry
from strawberry.types.union import StrawberryUnion

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def as_type(kind: type[T]) -> type[T]:
    """Publish a class as a type: its docstring is what clients read of it."""
    return strawberry.type(kind, name=_name(kind), description=_sentences(kind))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def as_interface(kind: type[T]) -> type[T]:
    """Publish a class as an interface."""
    return strawberry.interface(kind, name=_name(kind), description=_sentences(kind))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def as_input(kind: type[T]) -> type[T]:
    """Publish a class as an input."""
    return strawberry.input(kind, name=_name(kind), description=_sentences(kind))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def as_choice(kind: type[T]) -> type[T]:
    """Publish a class as an input of which exactly one field is given."""
    return strawberry.input(kind, name=_name(kind), description=_sentences(kind), one_of=True)


def as_answer(mutation: str) -> StrawberryUnion:
    """Publish a union as what a mutation answers: its success, or a refusal."""
    name = f"{mutation[0].upper()}{mutation[1:]}Payload"
    return strawberry.union(name, description=f"What `{mutation}` answers.")


def as_enum(kind: type[E], description: str, values: Mapping[E, str]) -> type[E]:
    """Publish an enum of the domain. Raises KeyError for a value left out."""
    strawberry.enum(kind, description=description)
    definition: Any = kind.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[kind(value.value)]
    return kind


def _name(kind: type) -> str:
    return kind.__name__.removesuffix("Type")


def _sentences(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())
