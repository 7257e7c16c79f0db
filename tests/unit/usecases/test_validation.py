"""How faults of input are told."""

from enum import StrEnum
from typing import Annotated

import pytest
from pydantic import AfterValidator, Field

from domain.entity import Value
from domain.refusals import InputIssue, InvalidInput
from usecases.validation import checked


class Colour(StrEnum):
    """A closed set."""

    RED = "red"
    BLUE = "blue"


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


class Part(Value):
    """Something nested."""

    part_name: str = Field(min_length=1, max_length=3)


class Thing(Value):
    """Something with every kind of rule."""

    main_colour: Colour = Colour.RED
    size: Annotated[int, Field(ge=2, le=8), AfterValidator(_even)] = 2
    spare_parts: tuple[Part, ...] = Field(default=(), min_length=0, max_length=2)


SECRET = "a-value-that-is-not-repeated"


def issues(**values: object) -> list[InputIssue]:
    with pytest.raises(InvalidInput) as refused:
        checked(Thing, values)
    assert all(SECRET not in issue.message for issue in refused.value.issues)
    return list(refused.value.issues)


def test_good_input_is_the_model() -> None:
    assert checked(Thing, {"size": 4}) == Thing(size=4)


@pytest.mark.parametrize(
    ("values", "path", "code", "message"),
    [
        ({"main_colour": SECRET}, ("mainColour",), "enum", "Must be one of 'red' or 'blue'."),
        ({"size": 1}, ("size",), "greater_than_equal", "Must be at least 2."),
        ({"size": 10}, ("size",), "less_than_equal", "Must be at most 8."),
        ({"size": 3}, ("size",), "value_error", "Must be even."),
        ({"size": SECRET}, ("size",), "int_parsing", "Is not valid."),
        ({SECRET: 1}, (SECRET,), "extra_forbidden", "There is no such field."),
        ({"spare_parts": [{}]}, ("spareParts", 0, "partName"), "missing", "This is required."),
        (
            {"spare_parts": [{"part_name": "ok"}, {"part_name": SECRET}]},
            ("spareParts", 1, "partName"),
            "string_too_long",
            "Must have at most 3 characters.",
        ),
        (
            {"spare_parts": [{"part_name": ""}]},
            ("spareParts", 0, "partName"),
            "string_too_short",
            "Must not be empty.",
        ),
        (
            {"spare_parts": [{"part_name": "a"}] * 3},
            ("spareParts",),
            "too_long",
            "Must have at most 2 entries.",
        ),
    ],
)
def test_each_fault_is_told_by_its_field_in_words(
    values: dict[str, object], path: tuple[str | int, ...], code: str, message: str
) -> None:
    assert issues(**values) == [InputIssue(("input", *path), code, message)]


def test_all_faults_are_told_at_once_with_those_of_other_rules() -> None:
    other = InputIssue(("input", "password"), "password_too_short", "Must be longer.")
    with pytest.raises(InvalidInput) as refused:
        checked(Thing, {"size": 1, "main_colour": "green"}, also=[other])
    assert [issue.path for issue in refused.value.issues] == [
        ("input", "mainColour"),
        ("input", "size"),
        ("input", "password"),
    ]
    assert refused.value.path == ("input", "mainColour")
    with pytest.raises(InvalidInput) as refused:
        checked(Thing, {}, also=[other])
    assert refused.value.issues == (other,)


def test_the_prefix_is_where_the_values_came_in() -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(Thing, {"size": 1}, prefix=("first",))
    assert refused.value.path == ("first", "size")
