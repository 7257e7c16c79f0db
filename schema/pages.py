"""Pages of lists: what Relay's connections share, and their keyset cursors."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import strawberry

from domain.refusals import CursorInvalid, InputIssue, InvalidInput
from schema.scalars import Cursor

MOST = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@strawberry.type(name="PageInfo", description="Where a page of a list begins and ends.")
class PageInfoType:
    """Relay's page info."""

    has_next_page: bool = strawberry.field(description="Whether more comes after `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Whether there is a page before.")
    start_cursor: Cursor | None = strawberry.field(
        description="The cursor of the page's first entry; null for an empty page."
    )
    end_cursor: Cursor | None = strawberry.field(
        description="The cursor of its last entry: pass it as `after` for the next page."
    )

    @classmethod
    def tell(cls, cursors: Sequence[Cursor], *, more: bool, after: Cursor | None) -> Self:
        """Describe a page of these cursors that began after a place, or at the beginning."""
        return cls(
            has_next_page=more,
            has_previous_page=after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


def check_size(first: int) -> None:
    """Refuse a page that is empty or too long. Raises InvalidInput."""
    if not 1 <= first <= MOST:
        raise InvalidInput(
            [InputIssue(path=("first",), code="out_of_range", message=f"Must be 1 to {MOST}.")]
        )


def write_place(moment: datetime, key: UUID) -> Cursor:
    """Return a place in a list that is sorted by time: microseconds since 1970, and the key."""
    place = f"{(moment - EPOCH) // MICROSECOND}:{key.hex}"
    return Cursor(urlsafe_b64encode(place.encode()).rstrip(b"=").decode())


def read_place(cursor: Cursor) -> tuple[datetime, UUID]:
    """Read a place that a client sent back. Raises CursorInvalid."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, _, key = text.partition(":")
        return EPOCH + int(moment) * MICROSECOND, UUID(hex=key)
    except (ValueError, OverflowError):
        raise CursorInvalid(path=("after",)) from None
