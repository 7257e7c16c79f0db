"""Checks input against a model, and says what is wrong in words and places a client knows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domain.refusals import InputIssue, InvalidInput, Path

Model = TypeVar("Model", bound=BaseModel)

SENTENCES = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
    "string_type": "Must be text.",
    "string_too_short": "Must have at least {min_length} characters.",
    "string_too_long": "Must have at most {max_length} characters.",
    "too_short": "Must have at least {min_length} entries.",
    "too_long": "Must have at most {max_length} entries.",
    "enum": "Must be one of {expected}.",
    "literal_error": "Must be one of {expected}.",
    "greater_than": "Must be more than {gt}.",
    "greater_than_equal": "Must be at least {ge}.",
    "less_than": "Must be less than {lt}.",
    "less_than_equal": "Must be at most {le}.",
    "domain_look_alike": "Must not have a domain that mixes alphabets, or imitates one by another.",
}
"""What people read for each kind of pydantic error; none repeats the value."""


def checked(
    model: type[Model],
    values: Mapping[str, Any],
    *,
    prefix: Path = ("input",),
    also: Sequence[InputIssue] = (),
) -> Model:
    """Make a `model` of the values, which came in the argument at `prefix`.

    `also` are issues that another rule found in the same input. Raises InvalidInput with all that
    is wrong at once.
    """
    try:
        made = model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput([*issues_of(error, prefix=prefix), *also]) from None
    if also:
        raise InvalidInput(also)
    return made


def issues_of(error: ValidationError, *, prefix: Path = ("input",)) -> list[InputIssue]:
    """Tell a pydantic error as issues: camelCase paths, sentences for people, no values."""
    return [
        InputIssue(
            path=(*prefix, *(_published(step) for step in fault["loc"])),
            code=fault["type"],
            message=_sentence(fault["type"], fault.get("ctx", {})),
        )
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _published(step: str | int) -> str | int:
    """Return the name a field has in the schema: `display_name` is `displayName` there."""
    if isinstance(step, int):
        return step
    first, *rest = step.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _sentence(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":  # our own rules raise ValueErrors like "must not be blank"
        rule = str(context["error"])
        return f"{rule[:1].upper()}{rule[1:]}."
    if context.get("min_length") == 1:
        return "Must not be empty."
    return SENTENCES.get(kind, "Is not valid.").format_map(context)
