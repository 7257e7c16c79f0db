"""Every way in which a mail server fails us: the right class, and no slot held for long."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

import pytest

from adapters.smtp import QUIT_SECONDS, TOTAL_SECONDS, SmtpMailer
from tests.faults.proxy import (
    BlackHole,
    Cut,
    Fault,
    FaultProxy,
    Latency,
    Refuse,
    Reset,
)
from tests.figures import Figures
from tests.smtp_server import SmtpServer, Verb
from usecases.ports.mail import Mail, MailFault

SLOT_SECONDS = 60
"""Longest time that a mail may hold its place in a worker (docs/security.md)."""

TO_THE_DOT = (Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.DOT)
SENT, PASSING, FINAL, ALARMING, AMBIGUOUS = "sent", "passing", "permanent", "alarming", "ambiguous"
MAIL = Mail(
    message_id="<01960000-0000-7000-8000-000000000001@storyloom.test>",
    date=datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC),
    recipient="mira@readers.test",
    subject="The Fox",
    language="en",
    text="Once there was a fox.\n" * 400,
    html="<p>Once there was a fox.</p>\n" * 400,
)


@dataclass
class Postbox:
    """A mailer, what is between it and its server, and how long its slowest mail took."""

    server: SmtpServer
    proxy: FaultProxy
    mailer: SmtpMailer
    longest: float
    """Seconds that a mail may hold its place: all verbs, and the good-bye."""

    slowest: float = 0

    async def outcome(self) -> str:
        """Send a mail and return the classes of what came of it."""
        began = monotonic()
        try:
            await self.mailer.send(MAIL)
        except MailFault as fault:
            flags = [name for name in (FINAL, AMBIGUOUS, ALARMING) if getattr(fault, name)]
            return " and ".join(flags) or PASSING
        finally:
            self.slowest = max(self.slowest, monotonic() - began)
        return SENT


@pytest.fixture
async def postbox(figures: Figures) -> AsyncIterator[Postbox]:
    """Return a mailer behind a proxy: on the full scale as patient as the service's."""
    total = TOTAL_SECONDS if figures.full else 0.4
    async with SmtpServer() as server, FaultProxy("127.0.0.1", server.port) as proxy:
        mailer = SmtpMailer(
            host="127.0.0.1",
            port=proxy.port,
            sender="Storyloom <stories@storyloom.test>",
            security="none",
            timeout=30 if figures.full else 0.2,
            total=total,
        )
        yield Postbox(server, proxy, mailer, total + QUIT_SECONDS)


@pytest.mark.parametrize(
    ("line", "expected", "about_us"),
    [
        ("421 4.3.2 shutting down", PASSING, PASSING),
        ("451 4.3.0 not now", PASSING, PASSING),
        ("550 5.1.1 no such reader", FINAL, ALARMING),
        ("550 5.7.1 listed", f"{FINAL} and {ALARMING}", ALARMING),
    ],
    ids=["421", "451", "550", "5.7.1"],
)
async def test_a_no_has_its_class_at_every_verb(
    postbox: Postbox, figures: Figures, line: str, expected: str, about_us: str
) -> None:
    for verb in TO_THE_DOT:
        postbox.server.answer(verb, line)
        assert await postbox.outcome() == expected, verb
    postbox.server.answer(Verb.EHLO, line)
    assert await postbox.outcome() == about_us
    postbox.server.answer(Verb.QUIT, line)
    assert await postbox.outcome() == SENT

    assert postbox.slowest < postbox.longest <= SLOT_SECONDS
    figures.show(
        f"SMTP {line[:9]} at every verb",
        f"{expected} (EHLO: {about_us}, QUIT: {SENT}), slot held {postbox.slowest:.1f} s at most",
    )


async def test_silence_has_its_class_at_every_verb(postbox: Postbox, figures: Figures) -> None:
    outcomes = {}
    for verb in (Verb.CONNECT, Verb.EHLO, *TO_THE_DOT, Verb.QUIT):
        postbox.server.hang(verb)
        outcomes[verb] = await postbox.outcome()

    before = dict.fromkeys((Verb.CONNECT, Verb.EHLO, Verb.MAIL, Verb.RCPT, Verb.DATA), PASSING)
    assert outcomes == {**before, Verb.DOT: AMBIGUOUS, Verb.QUIT: SENT}
    assert postbox.slowest < postbox.longest <= SLOT_SECONDS
    figures.show(
        "SMTP hangs at every verb",
        f"{PASSING} before the dot, {AMBIGUOUS} after it, {SENT} at QUIT, "
        f"slot held {postbox.slowest:.1f} s at most",
    )


async def test_a_cut_after_the_dot_is_ambiguous_before_it_passing(
    postbox: Postbox, figures: Figures
) -> None:
    postbox.server.cut(Verb.DOT)
    assert await postbox.outcome() == AMBIGUOUS
    assert len(postbox.server.mails) == 1
    for verb in (Verb.CONNECT, Verb.EHLO, Verb.MAIL, Verb.RCPT, Verb.DATA):
        postbox.server.cut(verb)
        assert await postbox.outcome() == PASSING, verb

    figures.show("SMTP cut after the dot", f"{AMBIGUOUS}; before it: {PASSING}")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(Latency(0.003), SENT, id="a slow line"),
        pytest.param(Cut(to_server=30), PASSING, id="a cut in what we say of the mail"),
        pytest.param(Cut(to_server=10_000), AMBIGUOUS, id="a cut in the mail itself"),
        pytest.param(Cut(to_client=10), PASSING, id="a cut in an answer"),
        pytest.param(Reset(), PASSING, id="a reset"),
        pytest.param(Refuse(), PASSING, id="a closed port"),
        pytest.param(BlackHole(), PASSING, id="a black hole"),
    ],
)
async def test_a_bad_line_has_its_class(
    postbox: Postbox,
    figures: Figures,
    request: pytest.FixtureRequest,
    fault: Fault,
    expected: str,
) -> None:
    postbox.proxy.fault = fault
    assert await postbox.outcome() == expected

    assert postbox.slowest < postbox.longest <= SLOT_SECONDS
    figures.show(
        f"SMTP: {request.node.callspec.id}", f"{expected}, slot held {postbox.slowest:.1f} s"
    )
