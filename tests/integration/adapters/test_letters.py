"""Letters: what they say, and that nothing people or models wrote can break out of its place."""

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from adapters.letters import JinjaLetters
from adapters.smtp import compose
from domain.briefs import StoryBrief
from domain.deliveries import Delivery, DeliveryKind
from domain.stories import Chapter, Story
from tests.factories import a_chapter, a_delivery, a_session, a_story, an_account
from usecases.ports.mail import Mail

ACCOUNT = an_account(email="mira@readers.test", display_name="Mira & Tom")
SCRIPT = "<script>alert(1)</script>"
FACTOR_NOTICES = (
    DeliveryKind.TOTP_ENABLED,
    DeliveryKind.TOTP_DISABLED,
    DeliveryKind.RECOVERY_CODE_USED,
    DeliveryKind.RECOVERY_CODES_RENEWED,
    DeliveryKind.SECOND_FACTOR_LOCKED,
    DeliveryKind.PASSKEY_ADDED,
    DeliveryKind.PASSKEY_REMOVED,
    DeliveryKind.PASSKEY_COPIED,
)
NOW = datetime(2026, 3, 14, tzinfo=UTC)
CODE_LETTERS = (
    DeliveryKind.SIGN_UP_CODE,
    DeliveryKind.PASSWORD_RESET_CODE,
    DeliveryKind.EMAIL_CHANGE_CODE,
)
NOTICES = (
    DeliveryKind.ADDRESS_IN_USE,
    DeliveryKind.ADDRESS_WANTED,
    DeliveryKind.SESSION_REVOKED,
    DeliveryKind.PASSWORD_CHANGED,
    DeliveryKind.EMAIL_CHANGE_ASKED,
    DeliveryKind.EMAIL_CHANGED,
    DeliveryKind.ACCOUNT_CLOSED,
    DeliveryKind.PHONE_PROVEN,
    DeliveryKind.PHONE_REMOVED,
    DeliveryKind.ACCOUNT_SUSPENDED,
    DeliveryKind.ACCOUNT_REINSTATED,
)
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
SESSION = a_session(ACCOUNT.id, user_agent=CHROME, client_address="203.0.113.77", created_at=NOW)
LEAVER = an_account(
    deletion_requested_at=NOW, deletion_due_at=datetime(2026, 3, 28, 15, 9, tzinfo=UTC)
)


@pytest.fixture(scope="module")
def letters() -> JinjaLetters:
    return JinjaLetters("https://storyloom.test/")


def delivery(kind: DeliveryKind = DeliveryKind.STORY_READY) -> Delivery:
    return a_delivery(ACCOUNT.id, kind=kind, recipient=ACCOUNT.email)


def story_mail(letters: JinjaLetters, story: Story, *chapters: Chapter) -> Mail:
    return letters.story_ready(delivery(), ACCOUNT, story, chapters)


def every_mail(letters: JinjaLetters) -> list[Mail]:
    story = a_story(ACCOUNT.id, title="The Fox", words=300, storyteller="offline")
    return [
        *(letters.code(delivery(kind), "042917", 10) for kind in CODE_LETTERS),
        *(letters.notice(delivery(kind)) for kind in NOTICES),
        *(letters.notice(delivery(kind)) for kind in FACTOR_NOTICES),
        letters.new_device(delivery(DeliveryKind.NEW_DEVICE), SESSION),
        letters.deletion_requested(delivery(DeliveryKind.DELETION_REQUESTED), LEAVER),
        story_mail(letters, story, a_chapter(story.id)),
    ]


class Page(HTMLParser):
    """What a mail program sees: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self._skip = False
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skip = tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._skip = self._skip and tag not in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._text.append(data)


# --- the story ------------------------------------------------------------------------------------


def test_the_story_is_in_the_mail(letters: JinjaLetters) -> None:
    story = a_story(
        ACCOUNT.id, title="The Fox's Lamp", words=620, storyteller="gemini", model="gemini-2.5"
    )
    chapters = [
        a_chapter(story.id, 1, "Once there was a fox.\n\nShe had a lamp."),
        a_chapter(story.id, 2, "The lamp went out."),
    ]
    mail = story_mail(letters, story, *chapters)

    assert mail.subject == "The Fox's Lamp"
    said = [
        "A story for Mira & Tom",
        "The Fox's Lamp",
        "4 minutes to read aloud",
        "Chapter 1",
        "Once there was a fox.",
        "She had a lamp.",
        "Chapter 2",
        "The lamp went out.",
        "Told by Gemini (gemini-2.5), only for you.",
    ]
    shown = Page(mail.html).text
    positions = [shown.rindex(line) for line in said]
    assert positions == sorted(positions)
    assert "https://storyloom.test" in mail.html
    for line in said:
        assert line in mail.text
    assert mail.text.index("She had a lamp.") < mail.text.index("Chapter 2")


def test_its_headings_are_headings_and_its_paragraphs_paragraphs(letters: JinjaLetters) -> None:
    story = a_story(ACCOUNT.id, title="T", words=1, storyteller="offline")
    mail = story_mail(
        letters, story, a_chapter(story.id, 1, "One.\n\nTwo."), a_chapter(story.id, 2)
    )

    tags = [tag for tag, _ in Page(mail.html).tags]
    assert tags.count("h1") == 1
    assert tags.count("h2") == 2
    assert mail.html.count('class="tale') == 3


@pytest.mark.parametrize(
    ("words", "reading"),
    [(20, "1 minute to"), (150, "1 minute to"), (300, "2 minutes to"), (5000, "33 minutes to")],
)
def test_it_says_how_long_it_takes(letters: JinjaLetters, words: int, reading: str) -> None:
    story = a_story(ACCOUNT.id, title="T", words=words, storyteller="offline")
    mail = story_mail(letters, story, a_chapter(story.id))

    assert reading in mail.text
    assert reading in mail.html


def test_it_names_its_language(letters: JinjaLetters) -> None:
    story = a_story(
        ACCOUNT.id, title="T", brief=StoryBrief(language="pt-BR"), storyteller="offline"
    )
    mail = story_mail(letters, story, a_chapter(story.id))

    assert mail.language == "pt-BR"
    assert Page(mail.html).tags[0][1]["lang"] == "pt-BR"


@pytest.mark.parametrize(("text", "decorated"), [("Once.", True), ("كان يا ما كان", False)])
def test_only_scripts_with_capitals_have_a_drop_cap(
    letters: JinjaLetters, text: str, *, decorated: bool
) -> None:
    story = a_story(ACCOUNT.id, title="T", storyteller="offline")
    mail = story_mail(letters, story, a_chapter(story.id, 1, text))

    assert ('class="tale opening"' in mail.html) is decorated


# --- the code -------------------------------------------------------------------------------------


def test_a_code_is_grouped_for_the_eye_and_copied_in_one(letters: JinjaLetters) -> None:
    mail = letters.code(delivery(DeliveryKind.SIGN_UP_CODE), "042917", 10)

    assert "042917" in Page(mail.html).text
    assert re.search(r"<span[^>]*>042</span><span[^>]*>917</span>", mail.html)
    assert re.findall(r"\d{4,}", mail.text) == ["042917"]
    assert "10 minutes" in mail.text


@pytest.mark.parametrize("kind", CODE_LETTERS)
def test_every_code_is_told_once_with_its_time(letters: JinjaLetters, kind: DeliveryKind) -> None:
    mail = letters.code(delivery(kind), "04291753", 10)

    assert "04291753" in Page(mail.html).text
    assert re.findall(r"\d{4,}", mail.text) == ["04291753"]
    assert "10 minutes" in mail.text


def test_letters_of_different_kinds_have_different_subjects(letters: JinjaLetters) -> None:
    subjects = [mail.subject for mail in every_mail(letters)]
    assert len(set(subjects)) == len(subjects)


def test_a_code_stands_in_no_header(letters: JinjaLetters) -> None:
    mail = letters.code(delivery(DeliveryKind.SIGN_UP_CODE), "042917", 1)

    assert "042917" not in mail.subject
    assert "1 minute and" in mail.text


@pytest.mark.parametrize(("code", "groups"), [("1234", ("12", "34")), ("1234567", ("1234", "567"))])
def test_codes_of_other_lengths_are_grouped_too(
    letters: JinjaLetters, code: str, groups: tuple[str, str]
) -> None:
    mail = letters.code(delivery(DeliveryKind.SIGN_UP_CODE), code, 10)

    first, second = groups
    assert re.search(rf"<span[^>]*>{first}</span><span[^>]*>{second}</span>", mail.html)


# --- safety ---------------------------------------------------------------------------------------


def test_nothing_in_a_story_becomes_markup(letters: JinjaLetters) -> None:
    account = an_account(display_name=f"Mira {SCRIPT}"[:60])
    story = a_story(
        account.id, title=f"T {SCRIPT}", storyteller=SCRIPT, model=f'"><img src=x {SCRIPT}'
    )
    chapter = Chapter.of(story.id, 1, f"C {SCRIPT}", f"P {SCRIPT} {{{{ 7 * 7 }}}} &lt;", NOW)
    mail = letters.story_ready(delivery(), account, story, [chapter])

    page = Page(mail.html)
    assert {tag for tag, _ in page.tags} == {
        *("html", "head", "meta", "title", "style", "body"),
        *("div", "table", "tbody", "tr", "td", "h1", "h2", "p", "a"),
    }
    assert f"T {SCRIPT}" in page.text
    assert f"P {SCRIPT} {{{{ 7 * 7 }}}} &lt;" in page.text
    assert f"P {SCRIPT} {{{{ 7 * 7 }}}} &lt;" in mail.text


@pytest.mark.parametrize(
    "title",
    [
        "Fox\r\nBcc: everybody@readers.test",
        "Fox\nBcc: everybody@readers.test",
        "Fox\rBcc: everybody@readers.test",
        "Fox\u2028Bcc: everybody@readers.test",
        "Fox\x85Bcc: everybody@readers.test",
        "Fox \x00 Bcc: everybody@readers.test",
    ],
)
def test_a_title_adds_no_header(letters: JinjaLetters, title: str) -> None:
    story = a_story(ACCOUNT.id, title=title, storyteller="offline")
    mail = story_mail(letters, story, a_chapter(story.id))
    message = compose(Address("Storyloom", "stories", "storyloom.test"), mail)

    assert re.fullmatch(r"Fox ?Bcc: everybody@readers\.test", mail.subject)
    assert message["Bcc"] is None
    assert message["Subject"] == mail.subject


def test_a_title_that_is_too_long_is_cut(letters: JinjaLetters) -> None:
    story = a_story(ACCOUNT.id, title="fox " * 100, storyteller="offline")
    mail = story_mail(letters, story, a_chapter(story.id))

    assert len(mail.subject) == 150
    assert mail.subject.endswith("…")


@pytest.mark.parametrize("title", [None, "", "\r\n", "\x00"])
def test_a_story_without_a_title_has_a_subject(letters: JinjaLetters, title: str | None) -> None:
    story = a_story(ACCOUNT.id, title=title, storyteller="offline")

    assert story_mail(letters, story, a_chapter(story.id)).subject == "Your story"


def test_no_letter_loads_anything_from_anywhere(letters: JinjaLetters) -> None:
    for mail in every_mail(letters):
        for tag, attributes in Page(mail.html).tags:
            assert tag not in {"img", "link", "script", "iframe", "form", "object"}
            assert "src" not in attributes
            assert attributes.get("href", "https://storyloom.test") == "https://storyloom.test"
        assert "url(" not in mail.html
        assert "@import" not in mail.html


def test_a_code_mail_holds_nothing_that_its_asker_chose(letters: JinjaLetters) -> None:
    account = an_account(display_name="Win a prize at evil.test")
    owed = a_delivery(account.id, kind=DeliveryKind.SIGN_UP_CODE, recipient=account.email)
    mail = letters.code(owed, "042917", 10)

    assert "evil" not in mail.html + mail.text + mail.subject


# --- shape ----------------------------------------------------------------------------------------


def test_every_letter_carries_what_its_delivery_says(letters: JinjaLetters) -> None:
    owed = delivery(DeliveryKind.ADDRESS_IN_USE)
    mail = letters.notice(owed)

    assert (mail.message_id, mail.date, mail.recipient) == (
        owed.message_id,
        owed.created_at,
        "mira@readers.test",
    )


def test_every_letter_adapts_to_dark_and_narrow_screens(letters: JinjaLetters) -> None:
    for mail in every_mail(letters):
        assert "prefers-color-scheme: dark" in mail.html
        assert "max-width: 520px" in mail.html
        assert ("meta", {"name": "color-scheme", "content": "light dark"}) in Page(mail.html).tags


def test_every_letter_stands_without_style_sheets(letters: JinjaLetters) -> None:
    for mail in every_mail(letters):
        for tag, attributes in Page(mail.html).tags:
            if tag in {"body", "h1", "p", "a"}:
                assert attributes["style"]


def test_every_letter_has_a_text_that_says_it_all(letters: JinjaLetters) -> None:
    for mail in every_mail(letters):
        assert "<" not in mail.text
        assert mail.text.rstrip().endswith("Storyloom, https://storyloom.test")
        message = compose(Address("Storyloom", "stories", "storyloom.test"), mail)
        assert isinstance(message, EmailMessage)
        assert [part.get_content_type() for part in message.iter_parts()] == [
            "text/plain",
            "text/html",
        ]


def test_a_new_device_is_told_in_words_and_by_its_network_alone(letters: JinjaLetters) -> None:
    mail = letters.new_device(delivery(DeliveryKind.NEW_DEVICE), SESSION)
    for part in (mail.text, mail.html):
        assert "Chrome on Linux" in part
        assert "203.0.113.0/24" in part
        assert "14 March 2026, 00:00 UTC" in part
        assert "203.0.113.77" not in part
    assert "Choose a new one now" in mail.text


def test_what_a_device_says_of_itself_is_no_markup(letters: JinjaLetters) -> None:
    session = a_session(ACCOUNT.id, user_agent=f"{SCRIPT}\r\nBcc: all@readers.test")
    mail = letters.new_device(delivery(DeliveryKind.NEW_DEVICE), session)
    assert SCRIPT not in mail.html
    assert "Bcc" not in mail.text


def test_a_leaver_reads_until_when_they_can_change_their_mind(letters: JinjaLetters) -> None:
    mail = letters.deletion_requested(delivery(DeliveryKind.DELETION_REQUESTED), LEAVER)
    assert "until 28 March 2026, 15:09 UTC" in " ".join(mail.text.split())
    assert "28 March 2026, 15:09 UTC" in mail.html


def test_a_text_with_a_code_costs_one_message(letters: JinjaLetters) -> None:
    text = letters.phone_code(
        a_delivery(ACCOUNT.id, kind=DeliveryKind.PHONE_CODE, recipient="+4915123456789"),
        "04291738",
        10,
    )
    assert text.recipient == "+4915123456789"
    assert text.text.startswith("04291738 is your Storyloom code, valid for 10 minutes.")
    assert len(text.text) <= 160
    assert text.text.isascii()
