"""How events are named and written in Redis."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.entity import Value
from domain.events import Cursor, Recorded, StoryEvent
from domain.refusals import CursorInvalid
from usecases.ports.live import Topic


class Entry(Value):
    """What is stored of an event; its place is the id of the stream's entry."""

    story_id: UUID
    occurred_at: datetime
    event: StoryEvent


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one story's log and of its account's.

    All carry the account as their hash tag: a script touches them together, so a Redis cluster
    must keep them in one slot.
    """

    stream: str
    live: str
    account: str
    numbering: str

    @classmethod
    def of(cls, topic: Topic) -> "Keys":
        """Return the keys of a topic; of an account's, `stream` and `live` are not used."""
        account = f"events:{{{topic.account_id}}}"
        story = f"{account}:story:{topic.story_id}"
        return cls(story, f"{story}:live", account, f"{account}:numbering")


def stream_of(topic: Topic) -> str:
    """Return the stream of a topic, which is also the channel where its events are announced."""
    keys = Keys.of(topic)
    return keys.account if topic.story_id is None else keys.stream


def encode(story_id: UUID, occurred_at: datetime, event: StoryEvent) -> str:
    """Write an event."""
    entry = Entry(story_id=story_id, occurred_at=occurred_at, event=event)
    return entry.model_dump_json()


def decode(cursor: str, origin: str, payload: bytes) -> Recorded:
    """Read an event. Raises ValueError for what this release does not know."""
    entry = Entry.model_validate_json(payload)
    try:
        places = Cursor.parse(cursor), Cursor.parse(origin)
    except CursorInvalid as fault:
        raise ValueError("an event has no place") from fault
    return Recorded(
        cursor=places[0],
        origin=places[1],
        story_id=entry.story_id,
        occurred_at=entry.occurred_at,
        event=entry.event,
    )


def decode_announced(message: bytes) -> Recorded:
    """Read an event as it was announced. Raises ValueError."""
    cursor, origin, payload = message.split(b" ", 2)
    return decode(cursor.decode(), origin.decode(), payload)


def decode_stored(entry_id: bytes, fields: Mapping[bytes, Any]) -> Recorded:
    """Read an entry of a stream. Raises ValueError."""
    cursor = entry_id.decode()
    origin = fields.get(b"origin")
    return decode(cursor, origin.decode() if origin else cursor, fields.get(b"event", b""))
