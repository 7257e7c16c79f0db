"""Whether nothing was left out between two events."""

from collections.abc import Mapping
from typing import Any

from tests.clients.reader import ENDS


def follows(before: str, cursor: str) -> None:
    """See that nothing was left out between two places. Raises AssertionError."""
    epoch, number = map(int, before.split("-"))
    next_epoch, next_number = map(int, cursor.split("-"))
    goes_on = next_epoch == epoch and next_number == number + 1
    begins = next_epoch > epoch and next_number == 1
    assert goes_on or begins, f"{cursor} came after {before}"


def story_goes_on(before: str | None, last: str | None, event: Mapping[str, Any]) -> None:
    """See that nothing of a story was left out before an event. Raises AssertionError.

    `before` and `last` are the cursor and the kind of the event before it, on whatever connection.
    """
    kind, cursor = event["__typename"], event["cursor"]
    if before is None or kind in {"StoryGap", "StorySnapshot"}:
        return
    shown_with_its_end = kind in ENDS and last == "StorySnapshot" and cursor == before
    if not shown_with_its_end:
        follows(before, cursor)
