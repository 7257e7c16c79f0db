"""Passkeys: keys of a device or a password manager that log in without a password (WebAuthn)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field

from domain.entity import Entity, Value
from domain.text import one_line

MOST_PASSKEYS = 10
"""How many an account holds."""

PasskeyName = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(one_line)]


class Assertion(Value):
    """What an authenticator said when it signed: all of it covered by its signature.

    `sign_count` is 0 from authenticators that do not count. `backup_eligible` says whether the key
    may be copied to other devices, `backed_up` whether it is.
    """

    sign_count: int = Field(ge=0)
    backup_eligible: bool
    backed_up: bool


class Passkey(Entity):
    """A public key of an account, and what its authenticator said of it last.

    `user_handle` is what the authenticator knows the account by: random, the same for all passkeys
    of an account, and not its id, since it is shown to whoever holds the device.
    """

    account_id: UUID
    user_handle: bytes = Field(repr=False, max_length=64)
    credential_id: bytes = Field(max_length=1023)
    public_key: bytes
    sign_count: int = Field(ge=0)
    transports: list[str] = Field(default_factory=list)
    backup_eligible: bool
    backed_up: bool
    name: PasskeyName
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None = None

    def may_be_copied(self, said: Assertion) -> bool:
        """Whether the signature counter did not go on (WebAuthn 6.1.1).

        Then two devices hold the key, and count apart.
        """
        counts = said.sign_count > 0 or self.sign_count > 0
        return counts and said.sign_count <= self.sign_count

    def use(self, said: Assertion, now: datetime) -> None:
        """Note that it has logged in."""
        self.sign_count, self.backed_up, self.last_used_at = said.sign_count, said.backed_up, now


class NewPasskey(Value):
    """A key that an authenticator has made for us, checked."""

    credential_id: bytes
    public_key: bytes
    transports: list[str]
    said: Assertion


class PasskeyInvitation(Value):
    """Who a new passkey is for: kept with the challenge that its registration answers."""

    account_id: UUID
    user_handle: bytes = Field(repr=False)
