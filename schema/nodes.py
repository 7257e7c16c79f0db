"""Global ids: opaque to clients, and refetchable by `node(id:)`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import strawberry

from domain.refusals import NotFound, Path
from schema import published

ACCOUNT = "Account"
STORY = "Story"
SESSION = "Session"
PASSKEY = "Passkey"
"""The names of the types that can be fetched again."""


@published.as_interface
class NodeType:
    """Something that can be fetched again by its id."""

    id: strawberry.ID = strawberry.field(description="Unique among everything, and opaque.")


def global_id(kind: str, key: UUID) -> strawberry.ID:
    """Return the public id of an object: its type's name and its key, in base64url."""
    return strawberry.ID(urlsafe_b64encode(f"{kind}:{key.hex}".encode()).rstrip(b"=").decode())


def split_global_id(public: str) -> tuple[str, UUID] | None:
    """Return the type's name and the key, or None where the id was not made by us."""
    if not public.isascii() or len(public) > 128:  # noqa: PLR2004 - longer than any of ours
        return None
    try:
        kind, _, key = urlsafe_b64decode(public + "=" * (-len(public) % 4)).decode().partition(":")
        found = kind, UUID(hex=key)
    except ValueError:
        return None
    return found if global_id(*found) == public else None


def key_of(kind: str, public: str, *, path: Path) -> UUID:
    """Return the key behind the public id of a `kind`.

    Raises NotFound at `path` for anything else, as for an object of somebody else's.
    """
    found = split_global_id(public)
    if found is None or found[0] != kind:
        raise NotFound(path=path)
    return found[1]
