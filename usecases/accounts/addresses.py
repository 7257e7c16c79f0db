"""E-mail addresses: which are accepted, and when two are the same."""

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from domain.look_alikes import imitates


def comparable(text: str) -> str:
    """Return the address in the one form in which we store, compare and write to it.

    The domain is in lower case and ASCII (IDNA 2008), the local part in NFC and lower case: by
    RFC 5321 case could matter there, but no mail provider tells people apart by it, and people
    don't remember how they typed it. Raises ValueError, which never repeats the address.
    """
    try:
        address = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        raise ValueError("must be an e-mail address, like name@example.org") from None
    if imitates(address.domain):
        raise PydanticCustomError(
            "domain_look_alike",
            "must not have a domain that mixes alphabets, or imitates one by another",
        )
    return f"{address.local_part.lower()}@{address.ascii_domain}"


LONGEST = 254
"""Characters (RFC 5321, 4.5.3.1), as typed and as stored."""

Address = Annotated[
    str, Field(max_length=LONGEST), AfterValidator(comparable), Field(max_length=LONGEST)
]
