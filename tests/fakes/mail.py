"""Mail without a mail server."""

from collections.abc import Sequence

from domain.accounts import Account
from domain.deliveries import Delivery
from domain.sessions import Session
from domain.stories import Chapter, Story
from usecases.ports.mail import Mail, MailFault, TextMessage


class FakeMailer:
    """Implements `Mailer`: keeps what it takes; `faults` are raised first, one a mail."""

    def __init__(self, *faults: MailFault) -> None:
        self.faults = list(faults)
        self.offered: list[Mail] = []
        self.taken: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.offered.append(mail)
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(mail)


class FakeTexts:
    """Implements `TextMessages`: keeps what it takes; `faults` are raised first, one a text."""

    def __init__(self, *faults: MailFault) -> None:
        self.faults = list(faults)
        self.taken: list[TextMessage] = []

    async def send(self, message: TextMessage) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(message)


class FakeLetters:
    """Implements `Letters`: each mail says in one line what it was made from."""

    def code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail:
        return _mail(delivery, "code", f"{code} for {valid_minutes} min")

    def notice(self, delivery: Delivery) -> Mail:
        return _mail(delivery, delivery.kind.value.replace("_", " "), "")

    def phone_code(self, delivery: Delivery, code: str, valid_minutes: int) -> TextMessage:
        return TextMessage(
            delivery.message_id,
            delivery.created_at,
            delivery.recipient,
            f"{code} for {valid_minutes} min",
        )

    def new_device(self, delivery: Delivery, session: Session) -> Mail:
        return _mail(delivery, "new device", f"{session.user_agent} {session.client_address}")

    def deletion_requested(self, delivery: Delivery, reader: Account) -> Mail:
        return _mail(delivery, "deletion requested", f"{reader.deletion_due_at}")

    def story_ready(
        self, delivery: Delivery, reader: Account, story: Story, chapters: Sequence[Chapter]
    ) -> Mail:
        text = "\n\n".join(chapter.text for chapter in chapters)
        return _mail(delivery, "story", f"{reader.display_name}: {story.title}: {text}")


def _mail(delivery: Delivery, subject: str, text: str) -> Mail:
    return Mail(
        message_id=delivery.message_id,
        date=delivery.created_at,
        recipient=delivery.recipient,
        subject=subject,
        language="en",
        text=text,
        html=f"<p>{text}</p>",
    )
