"""What people call their passkeys."""

from domain.entity import Value
from domain.passkeys import PasskeyName
from usecases.validation import checked


class Naming(Value):
    """A name, as it was typed."""

    name: PasskeyName


def checked_name(name: str) -> str:
    """Return the name. Raises InvalidInput."""
    return checked(Naming, {"name": name}).name
