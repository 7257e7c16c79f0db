"""What every entity shares: an identity that sorts by the time it was made."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7


class Entity(BaseModel):
    """Something with an identity that outlives its attributes. Ids are UUIDv7 (RFC 9562)."""

    model_config = ConfigDict(validate_assignment=True)

    id: UUID = Field(default_factory=uuid7)


class Value(BaseModel):
    """Something without identity, compared by its content and never changed in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")
