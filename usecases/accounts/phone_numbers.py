"""Phone numbers: which are accepted, and the one form in which they are kept."""

from typing import Annotated

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType
from pydantic import AfterValidator, Field

LONGEST = 40
"""Characters, as typed: with spaces, dots, hyphens and brackets."""

AS_TYPED = frozenset("+0123456789 .-()/")

PERSONAL = frozenset(
    {
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
    }
)
"""Numbers that people have. Others cost their caller more, or belong to services: texts to them are
how strangers make money with our bill."""


def dialable(text: str) -> str:
    """Return a number in E.164: "+4915112345678". Raises ValueError, which never repeats it.

    The country code must be there: where its owner is, we don't know.
    """
    try:
        number = phonenumbers.parse(text if AS_TYPED.issuperset(text) else "", None)
    except NumberParseException:
        raise ValueError(
            "must be a phone number with its country code, like +49 1512 3456789"
        ) from None
    if (
        not phonenumbers.is_valid_number(number)
        or number.extension
        or phonenumbers.number_type(number) not in PERSONAL
    ):
        raise ValueError("must be a number that texts can be sent to")
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


PhoneNumber = Annotated[str, Field(max_length=LONGEST), AfterValidator(dialable)]
