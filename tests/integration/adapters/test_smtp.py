"""SmtpMailer in real conversations with a server that misbehaves at every verb."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict, Unpack

import pytest

from adapters.smtp import Security, SmtpMailer, sender_domain
from tests.certificates import server_and_client
from tests.smtp_server import SmtpServer, Verb
from usecases.ports.mail import Mail, MailFault

MAIL = Mail(
    message_id="<01960000-0000-7000-8000-000000000001@storyloom.test>",
    date=datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC),
    recipient="mira@readers.test",
    subject="Der Löwe & die Maus",
    language="de",
    text="Es war einmal.\n.\n..ein Punkt am Anfang\n" + "wort " * 400,
    html="<p>Es war <em>einmal</em>.</p>",
)
INTRODUCTION = (Verb.CONNECT, Verb.EHLO)
ABOUT_THE_MAIL = (Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.DOT)
BEFORE_THE_DOT = (Verb.CONNECT, Verb.EHLO, Verb.MAIL, Verb.RCPT, Verb.DATA)
AFTER_THE_DOT = (Verb.CONTENT, Verb.DOT)


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


class Settings(TypedDict, total=False):
    """What a test may set of a mailer."""

    security: Security
    timeout: float
    total: float
    tls_context: ssl.SSLContext
    username: str
    password: str


def mailer(server: SmtpServer, **settings: Unpack[Settings]) -> SmtpMailer:
    """Return a mailer for the server, with little patience."""
    chosen: Settings = {"security": "none", "timeout": 0.2, **settings}
    return SmtpMailer(
        host="127.0.0.1",
        port=server.port,
        sender="Storyloom <stories@storyloom.test>",
        **chosen,
    )


async def fault_of(mailer: SmtpMailer, mail: Mail = MAIL) -> MailFault:
    with pytest.raises(MailFault) as caught:
        await mailer.send(mail)
    return caught.value


def classes(fault: MailFault) -> dict[str, bool]:
    """Return the classes that the fault belongs to."""
    flags = {name: getattr(fault, name) for name in ("permanent", "ambiguous", "alarming")}
    return {name: True for name, is_set in flags.items() if is_set}


# --- what goes right ------------------------------------------------------------------------------


async def test_a_mail_arrives_whole_with_clean_headers(server: SmtpServer) -> None:
    await mailer(server).send(MAIL)

    mail = await server.mail_to("mira@readers.test")
    headers = {name: value for name, value in mail.message.items() if name != "Content-Type"}
    assert headers == {
        "Date": "Sat, 14 Mar 2026 15:09:26 +0000",
        "Message-ID": MAIL.message_id,
        "From": "Storyloom <stories@storyloom.test>",
        "To": "mira@readers.test",
        "Subject": "Der Löwe & die Maus",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Language": "de",
    }
    assert mail.sender == "stories@storyloom.test"
    assert mail.recipients == ["mira@readers.test"]
    assert mail.message.get_content_type() == "multipart/alternative"
    assert mail.text == MAIL.text + "\n"
    assert mail.html == MAIL.html + "\n"
    assert server.verbs[-1] is Verb.QUIT


async def test_the_mail_is_ascii_with_short_lines(server: SmtpServer) -> None:
    await mailer(server).send(MAIL)

    content = (await server.mail_to("mira@readers.test")).content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert b"\n" not in content.replace(b"\r\n", b"")


async def test_a_mail_sent_again_is_the_same_mail(server: SmtpServer) -> None:
    for _ in range(2):
        await mailer(server).send(MAIL)

    first, second = server.mails_to("mira@readers.test")
    assert first.message_id == second.message_id == MAIL.message_id
    assert first.message["Date"] == second.message["Date"]


async def test_a_long_message_id_stays_whole(server: SmtpServer) -> None:
    message_id = f"<01960000-0000-7000-8000-000000000001@{'long.' * 12}storyloom.test>"
    await mailer(server).send(replace(MAIL, message_id=message_id))

    assert (await server.mail_to("mira@readers.test")).message_id == message_id


@pytest.mark.parametrize("verb", [Verb.QUIT])
async def test_a_silent_good_bye_is_a_success(server: SmtpServer, verb: Verb) -> None:
    server.hang(verb)
    await mailer(server).send(MAIL)
    server.cut(verb)
    await mailer(server).send(MAIL)
    server.answer(verb, "421 4.3.2 shutting down")
    await mailer(server).send(MAIL)

    assert len(server.mails) == 3


async def test_a_domain_beyond_ascii_goes_out_in_ascii(server: SmtpServer) -> None:
    await mailer(server).send(replace(MAIL, recipient="mira@straße.example"))

    mail = await server.mail_to("mira@xn--strae-oqa.example")
    assert mail.message["To"] == "mira@xn--strae-oqa.example"


async def test_a_local_part_beyond_ascii_needs_a_server_that_takes_it() -> None:
    mail = replace(MAIL, recipient="zoë@readers.test")
    async with SmtpServer(smtputf8=True) as server:
        await mailer(server).send(mail)
        assert (await server.mail_to("zoë@readers.test")).subject == MAIL.subject
    async with SmtpServer() as server:
        assert classes(await fault_of(mailer(server), mail)) == {"permanent": True}
        assert server.mails == []


# --- what the server answers ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", INTRODUCTION + ABOUT_THE_MAIL)
@pytest.mark.parametrize("line", ["421 4.3.2 shutting down", "451 4.3.0 not now"])
async def test_a_passing_no_is_worth_another_try(server: SmtpServer, verb: Verb, line: str) -> None:
    server.answer(verb, line)

    fault = await fault_of(mailer(server))
    assert classes(fault) == {}
    assert fault.status == line[:9]
    assert server.mails == []

    await mailer(server).send(MAIL)
    assert len(server.mails) == 1


@pytest.mark.parametrize("verb", ABOUT_THE_MAIL)
async def test_a_no_to_the_mail_is_final(server: SmtpServer, verb: Verb) -> None:
    server.answer(verb, "550 5.1.1 no such reader")

    fault = await fault_of(mailer(server))
    assert classes(fault) == {"permanent": True}
    assert fault.status == "550 5.1.1"
    assert server.mails == []


@pytest.mark.parametrize("verb", ABOUT_THE_MAIL)
async def test_a_no_by_policy_alarms_too(server: SmtpServer, verb: Verb) -> None:
    server.answer(verb, "550 5.7.1 listed")

    fault = await fault_of(mailer(server))
    assert classes(fault) == {"permanent": True, "alarming": True}
    assert fault.status == "550 5.7.1"


@pytest.mark.parametrize("verb", INTRODUCTION)
@pytest.mark.parametrize("line", ["550 5.1.1 no", "554 5.7.1 no service for you"])
async def test_a_no_to_ourselves_alarms_and_costs_no_mail(
    server: SmtpServer, verb: Verb, line: str
) -> None:
    server.answer(verb, line)

    assert classes(await fault_of(mailer(server))) == {"alarming": True}


async def test_a_no_without_an_enhanced_status_has_its_code_alone(server: SmtpServer) -> None:
    server.answer(Verb.RCPT, "550 unknown, see 5.7.1 of our policy")

    fault = await fault_of(mailer(server))
    assert classes(fault) == {"permanent": True}
    assert fault.status == "550"


@pytest.mark.parametrize(
    ("verb", "expected"), [(Verb.RCPT, {}), (Verb.DATA, {}), (Verb.DOT, {"ambiguous": True})]
)
async def test_rubbish_decides_nothing(
    server: SmtpServer, verb: Verb, expected: dict[str, bool]
) -> None:
    server.answer(verb, "rubbish")

    assert classes(await fault_of(mailer(server))) == expected


async def test_what_is_recorded_holds_no_address(server: SmtpServer) -> None:
    server.answer(Verb.RCPT, "550 5.1.1 <mira@readers.test>: mira@readers.test rejected")

    fault = await fault_of(mailer(server))
    assert fault.detail == "RCPT TO: 550 5.1.1 <<address>>: <address> rejected"
    assert str(fault) == fault.detail


# --- silence and broken connections ---------------------------------------------------------------


@pytest.mark.parametrize("verb", BEFORE_THE_DOT)
async def test_silence_before_the_dot_is_worth_another_try(server: SmtpServer, verb: Verb) -> None:
    server.hang(verb)

    fault = await fault_of(mailer(server))
    assert classes(fault) == {}
    assert fault.status == ""


@pytest.mark.parametrize("verb", BEFORE_THE_DOT)
async def test_a_cut_before_the_dot_is_worth_another_try(server: SmtpServer, verb: Verb) -> None:
    server.cut(verb)

    assert classes(await fault_of(mailer(server))) == {}


@pytest.mark.parametrize("verb", AFTER_THE_DOT)
async def test_silence_after_the_dot_is_ambiguous(server: SmtpServer, verb: Verb) -> None:
    server.hang(verb)

    assert classes(await fault_of(mailer(server))) == {"ambiguous": True}


@pytest.mark.parametrize("verb", AFTER_THE_DOT)
async def test_a_cut_after_the_dot_is_ambiguous(server: SmtpServer, verb: Verb) -> None:
    server.cut(verb)

    assert classes(await fault_of(mailer(server))) == {"ambiguous": True}
    assert len(server.mails) == (verb is Verb.DOT)


async def test_a_server_that_is_down_is_worth_another_try(server: SmtpServer) -> None:
    await server.stop()
    assert classes(await fault_of(mailer(server))) == {}

    await server.start()
    await mailer(server).send(MAIL)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("verb", "expected"), [(Verb.CONNECT, {}), (Verb.RCPT, {}), (Verb.DOT, {"ambiguous": True})]
)
async def test_one_mail_takes_no_longer_than_its_total(
    server: SmtpServer, verb: Verb, expected: dict[str, bool]
) -> None:
    server.hang(verb)

    async with asyncio.timeout(5):
        fault = await fault_of(mailer(server, timeout=60, total=0.2))
    assert classes(fault) == expected


# --- TLS and log-in -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return server_and_client(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_goes_out_over_tls_after_log_in(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext], security: Security
) -> None:
    theirs, ours = certificates
    async with SmtpServer(
        tls=theirs, implicit_tls=security == "tls", users={"storyloom": "open sesame"}
    ) as server:
        await mailer(
            server,
            security=security,
            tls_context=ours,
            timeout=5,
            username="storyloom",
            password="open sesame",
        ).send(MAIL)

        assert (await server.mail_to("mira@readers.test")).subject == MAIL.subject
        assert (Verb.STARTTLS in server.verbs) is (security == "starttls")
        assert Verb.AUTH in server.verbs


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_untrusted_certificate_alarms_and_sends_nothing(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext], security: Security
) -> None:
    theirs, _ = certificates
    async with SmtpServer(tls=theirs, implicit_tls=security == "tls") as server:
        fault = await fault_of(mailer(server, security=security, timeout=5))

        assert classes(fault) == {"alarming": True}
        assert Verb.MAIL not in server.verbs


async def test_a_server_without_starttls_gets_no_mail_in_clear(server: SmtpServer) -> None:
    fault = await fault_of(mailer(server, security="starttls"))

    assert classes(fault) == {"alarming": True}
    assert Verb.MAIL not in server.verbs


@pytest.mark.parametrize("line", ["454 4.7.0 try later", "501 5.5.1 no"])
async def test_a_refused_starttls_sends_nothing(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext], line: str
) -> None:
    theirs, ours = certificates
    async with SmtpServer(tls=theirs) as server:
        server.answer(Verb.STARTTLS, line)
        fault = await fault_of(mailer(server, security="starttls", tls_context=ours))

        assert fault.permanent is False
        assert fault.alarming is line.startswith("5")
        assert Verb.MAIL not in server.verbs


async def test_a_wrong_password_alarms_and_costs_no_mail() -> None:
    async with SmtpServer(users={"storyloom": "open sesame"}) as server:
        fault = await fault_of(mailer(server, username="storyloom", password="wrong"))

        assert classes(fault) == {"alarming": True}
        assert fault.status == "535 5.7.8"
        assert "wrong" not in fault.detail


# --- the sender -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("Storyloom <stories@storyloom.example>", "storyloom.example"),
        ("stories@storyloom.example", "storyloom.example"),
        ("Bücher <a@bücher.example>", "xn--bcher-kva.example"),
    ],
)
def test_the_sender_has_a_domain(sender: str, domain: str) -> None:
    assert sender_domain(sender) == domain


@pytest.mark.parametrize("sender", ["", "Storyloom", "Storyloom <>", "stories@"])
def test_a_sender_without_an_address_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="not a mail address"):
        sender_domain(sender)


@pytest.mark.parametrize("sender", ["", "Storyloom", "stories@"])
def test_a_mailer_without_a_sender_is_not_made(sender: str) -> None:
    with pytest.raises(ValueError, match="not a mail address"):
        SmtpMailer(host="127.0.0.1", port=25, sender=sender, security="none")


async def test_a_sender_beyond_ascii_goes_out_in_ascii(server: SmtpServer) -> None:
    await SmtpMailer(
        host="127.0.0.1", port=server.port, sender="Bücher <a@bücher.example>", security="none"
    ).send(MAIL)

    [mail] = server.mails
    assert mail.sender == "a@xn--bcher-kva.example"
    assert mail.message["From"] == "Bücher <a@xn--bcher-kva.example>"
