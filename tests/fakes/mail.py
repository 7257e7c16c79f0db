"""Mail without a mail server."""

from collections.abc import Sequence

from domain.accounts import Account
from domain.deliveries import Delivery
from domain.stories import Chapter, Story
from usecases.ports import Mail, MailFault


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


class FakeLetters:
    """Implements `Letters`: each mail says in one line what it was made from."""

    def sign_up_code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail:
        return _mail(delivery, "code", f"{code} for {valid_minutes} min")

    def address_in_use(self, delivery: Delivery) -> Mail:
        return _mail(delivery, "address in use", "")

    def session_revoked(self, delivery: Delivery) -> Mail:
        return _mail(delivery, "session revoked", "")

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
