"""What somebody read in a mail, or on a telephone: the answer to a challenge."""

from typing import Annotated

from pydantic import AfterValidator

from domain.entity import Value
from domain.refusals import InputIssue
from usecases.validation import checked

LONGEST = 40
"""More characters than any code has, with all the spaces that people put between its digits."""


def _digits(text: str) -> str:
    digits = "".join(text.split())
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError("must be the digits that were sent")
    return digits


class Answer(Value):
    """A code as it was typed; spaces between the digits do no harm."""

    code: Annotated[str, AfterValidator(_digits)]


def checked_code(code: str, *, also: list[InputIssue] | None = None) -> str:
    """Return the digits. `also` are issues of the same input. Raises InvalidInput."""
    return checked(Answer, {"code": code[:LONGEST]}, also=also or []).code
