"""Letters by Jinja, their styles inlined for mail programs that drop style sheets."""

from collections.abc import Sequence
from datetime import UTC, datetime

from css_inline import CSSInliner
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from adapters.device_names import UserAgentDeviceNames
from domain.accounts import Account
from domain.deliveries import Delivery, DeliveryKind
from domain.lockouts import network_of
from domain.sessions import Session
from domain.stories import Chapter, Story
from domain.text import WORDS_A_MINUTE, scrub
from usecases.ports.mail import Mail, TextMessage

NOTICE_LANGUAGE = "en"
LONGEST_SUBJECT = 150

SUBJECTS = {
    DeliveryKind.SIGN_UP_CODE: "Your Storyloom code",
    DeliveryKind.PASSWORD_RESET_CODE: "Your code for a new password",
    DeliveryKind.EMAIL_CHANGE_CODE: "Your code for the new address",
    DeliveryKind.ADDRESS_IN_USE: "You already have a Storyloom account",
    DeliveryKind.ADDRESS_WANTED: "Somebody wanted to use your address",
    DeliveryKind.SESSION_REVOKED: "You were signed out of Storyloom",
    DeliveryKind.PASSWORD_CHANGED: "Your password was changed",
    DeliveryKind.EMAIL_CHANGE_ASKED: "Your account is about to get another address",
    DeliveryKind.EMAIL_CHANGED: "Your account has another address now",
    DeliveryKind.NEW_DEVICE: "A new device has logged in to your account",
    DeliveryKind.PHONE_PROVEN: "Your account has a new phone number",
    DeliveryKind.PHONE_REMOVED: "The phone number of your account was removed",
    DeliveryKind.DELETION_REQUESTED: "Your account will be erased",
    DeliveryKind.ACCOUNT_CLOSED: "Your account is closed",
    DeliveryKind.ACCOUNT_SUSPENDED: "Your account is suspended",
    DeliveryKind.ACCOUNT_REINSTATED: "Your account is open again",
    DeliveryKind.TOTP_ENABLED: "A second step was added to your account",
    DeliveryKind.TOTP_DISABLED: "The second step was taken away from your account",
    DeliveryKind.RECOVERY_CODE_USED: "A recovery code of your account was used",
    DeliveryKind.RECOVERY_CODES_RENEWED: "Your account has new recovery codes",
    DeliveryKind.SECOND_FACTOR_LOCKED: "Somebody is guessing codes for your account",
    DeliveryKind.PASSKEY_ADDED: "A passkey was added to your account",
    DeliveryKind.PASSKEY_REMOVED: "A passkey was removed from your account",
    DeliveryKind.PASSKEY_COPIED: "A passkey of your account may have been copied",
}
"""Of codes and notices; the template of each bears the name of its kind."""

STORYTELLERS = {"gemini": "Gemini", "offline": "the storyteller of the house"}


class JinjaLetters:
    """Writes every mail of the service.

    Whatever people or models wrote is escaped in HTML and reduced to one line in headers. Letters
    load nothing from anywhere, so that opening one tells nobody.
    """

    def __init__(self, public_url: str) -> None:
        """`public_url` is where people reach the service."""
        self._inliner = CSSInliner(load_remote_stylesheets=False)
        self._templates = Environment(
            loader=PackageLoader("adapters.letters", "templates"),
            autoescape=select_autoescape(("html.j2",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._device_names = UserAgentDeviceNames()
        self._templates.globals["public_url"] = public_url.rstrip("/")

    def code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail:
        """Write a mail that carries a code. It says nothing that the asker could have chosen."""
        return self._mail(
            delivery,
            delivery.kind.value,
            SUBJECTS[delivery.kind],
            code=code,
            groups=_grouped(code),
            minutes=valid_minutes,
        )

    def notice(self, delivery: Delivery) -> Mail:
        """Write a mail that says the same to everybody."""
        return self._mail(delivery, delivery.kind.value, SUBJECTS[delivery.kind])

    def phone_code(self, delivery: Delivery, code: str, valid_minutes: int) -> TextMessage:
        """Write the text that carries a code: within 160 characters, which cost one message."""
        minutes = "minute" if valid_minutes == 1 else "minutes"
        return TextMessage(
            message_id=delivery.message_id,
            date=delivery.created_at,
            recipient=delivery.recipient,
            text=f"{code} is your Storyloom code, valid for {valid_minutes} {minutes}. "
            "Nobody from Storyloom will ever ask you for it.",
        )

    def new_device(self, delivery: Delivery, session: Session) -> Mail:
        """Write that somebody has logged in on a device that nobody knew."""
        return self._mail(
            delivery,
            delivery.kind.value,
            SUBJECTS[delivery.kind],
            device=_header(self._device_names.name(session.user_agent)),
            network=network_of(session.client_address),
            time=_told(session.created_at),
        )

    def deletion_requested(self, delivery: Delivery, reader: Account) -> Mail:
        """Write until when the reader can change their mind."""
        due = reader.deletion_due_at or delivery.expires_at
        return self._mail(delivery, delivery.kind.value, SUBJECTS[delivery.kind], due=_told(due))

    def story_ready(
        self, delivery: Delivery, reader: Account, story: Story, chapters: Sequence[Chapter]
    ) -> Mail:
        """Write the mail that carries a story."""
        title = _header(story.title or "") or "Your story"
        return self._mail(
            delivery,
            "story_ready",
            title,
            language=story.brief.language,
            reader=reader.display_name,
            title=title,
            chapters=[(chapter.title, _paragraphs(chapter.text)) for chapter in chapters],
            minutes=max(1, round(story.words / WORDS_A_MINUTE)),
            storyteller=_storyteller(story),
        )

    def _mail(
        self,
        delivery: Delivery,
        template: str,
        subject: str,
        *,
        language: str = NOTICE_LANGUAGE,
        **about: object,
    ) -> Mail:
        about |= {"subject": subject, "language": language}
        page = self._templates.get_template(f"{template}.html.j2").render(about)
        return Mail(
            message_id=delivery.message_id,
            date=delivery.created_at,
            recipient=delivery.recipient,
            subject=subject,
            language=language,
            text=self._templates.get_template(f"{template}.txt.j2").render(about),
            html=self._inliner.inline(page),
        )


def _told(moment: datetime) -> str:
    """Write a time as people read it, in UTC: "14 March 2026, 15:09 UTC"."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _header(text: str) -> str:
    """Return what may stand in a header: one line without control characters, not too long."""
    line = " ".join(scrub(text).split())
    return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 1]}…"


def _paragraphs(text: str) -> list[str]:
    return [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]


def _grouped(code: str) -> list[str]:
    """Part a code in the middle, for the eye."""
    middle = (len(code) + 1) // 2
    return [code[:middle], code[middle:]]


def _storyteller(story: Story) -> str:
    name = story.storyteller or ""
    name = STORYTELLERS.get(name, name.replace("_", " ").title())
    return f"{name} ({story.model})" if story.model else name
