"""Pages of lists: what Relay's connections share, and their keyset cursors."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self, TypeVar
from uuid import UUID

import strawberry

from domain.refusals import CursorInvalid, InputIssue, InvalidInput
from schema import published
from schema.scalars import Cursor
from usecases.ports.reads import AuditPage, JobsPage, StoriesPage

T = TypeVar("T")
AnyPage = TypeVar("AnyPage", StoriesPage, AuditPage, JobsPage)

First = Annotated[int, strawberry.argument(description="How many are wanted at most, 1 to 100.")]
Place = Annotated[
    Cursor | None, strawberry.argument(description="The place after which the page begins.")
]

MOST = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@published.as_type
class PageInfoType:
    """Where a page of a list begins and ends."""

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


async def read_page(
    read: Callable[[AnyPage], Awaitable[list[T]]],
    page: AnyPage,
    after: Cursor | None,
    place: Callable[[T], tuple[datetime, UUID]],
) -> tuple[list[tuple[Cursor, T]], PageInfoType]:
    """Read a page that begins after a cursor, each of its entries with its own.

    `place` tells by what the list is sorted. Raises InvalidInput for a page that is empty or too
    long, CursorInvalid for a cursor that is none.
    """
    if not 1 <= page.limit <= MOST:
        raise InvalidInput(
            [InputIssue(path=("first",), code="out_of_range", message=f"Must be 1 to {MOST}.")]
        )
    found = await read(
        replace(
            page,
            limit=page.limit + 1,  # one more than is shown tells whether there are more
            after=None if after is None else read_place(after),
        )
    )
    placed = [(write_place(*place(entry)), entry) for entry in found[: page.limit]]
    cursors = [cursor for cursor, _ in placed]
    return placed, PageInfoType.tell(cursors, more=len(found) > page.limit, after=after)


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
