"""Mails and text messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.accounts import Account
from domain.deliveries import Delivery
from domain.sessions import Session
from domain.stories import Chapter, Story


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, ready to be sent; `date` and `message_id` stay the same when it is sent again.

    `language` is a BCP 47 tag.
    """

    message_id: str
    date: datetime
    recipient: str
    subject: str
    language: str
    text: str
    html: str


class Mailer(Protocol):
    """Sends mail. Raises MailFault."""

    async def send(self, mail: Mail) -> None: ...


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message, ready to be sent; `recipient` is a number in E.164."""

    message_id: str
    date: datetime
    recipient: str
    text: str


class TextMessages(Protocol):
    """Sends text messages. Raises MailFault, as a mailer does."""

    async def send(self, message: TextMessage) -> None: ...


class MailFault(Exception):  # noqa: N818 - reads as what it is
    """A mail was not taken.

    `permanent`: the server will never take it. `ambiguous`: it may have taken it all the same.
    `alarming`: the operator must do something about it. `status` is what the server answered
    ("550 5.7.1"), empty where it did not. `detail` may hold the server's words, but no address.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: str = "",
        permanent: bool = False,
        ambiguous: bool = False,
        alarming: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.permanent = permanent
        self.ambiguous = ambiguous
        self.alarming = alarming


class Letters(Protocol):
    """Writes mails from templates, escaped."""

    def code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail: ...
    def notice(self, delivery: Delivery) -> Mail:
        """Write a mail that says the same to everybody."""
        ...

    def phone_code(self, delivery: Delivery, code: str, valid_minutes: int) -> TextMessage: ...
    def new_device(self, delivery: Delivery, session: Session) -> Mail: ...
    def deletion_requested(self, delivery: Delivery, reader: Account) -> Mail: ...
    def story_ready(
        self, delivery: Delivery, reader: Account, story: Story, chapters: Sequence[Chapter]
    ) -> Mail: ...
