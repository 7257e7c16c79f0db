"""Letters by Jinja, their styles inlined for mail programs that drop style sheets."""

from collections.abc import Sequence

from css_inline import CSSInliner
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from domain.accounts import Account
from domain.deliveries import Delivery
from domain.stories import Chapter, Story
from domain.text import WORDS_A_MINUTE, scrub
from usecases.ports import Mail

NOTICE_LANGUAGE = "en"
LONGEST_SUBJECT = 150
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
        self._templates.globals["public_url"] = public_url.rstrip("/")

    def sign_up_code(self, delivery: Delivery, code: str, valid_minutes: int) -> Mail:
        """Write the mail that carries a code. It says nothing that the asker could have chosen."""
        return self._mail(
            delivery,
            "sign_up_code",
            "Your Storyloom code",
            code=code,
            groups=_grouped(code),
            minutes=valid_minutes,
        )

    def address_in_use(self, delivery: Delivery) -> Mail:
        """Write to an address's owner that somebody signed up with it again."""
        return self._mail(delivery, "address_in_use", "You already have a Storyloom account")

    def session_revoked(self, delivery: Delivery) -> Mail:
        """Write that a session was ended because its refresh token was used twice."""
        return self._mail(delivery, "session_revoked", "You were signed out of Storyloom")

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
