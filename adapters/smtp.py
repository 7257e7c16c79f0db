"""Mail by SMTP (RFC 5321), every way it can go wrong told apart."""

import asyncio
import re
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr
from enum import StrEnum
from typing import Literal

import aiosmtplib
from aiosmtplib import SMTPDataError, SMTPException, SMTPResponseException, SMTPServerDisconnected
from email_validator import validate_email

from usecases.ports.mail import Mail, MailFault

Security = Literal["starttls", "tls", "none"]

TOTAL_SECONDS = 55.0
"""Longest time for one mail, however slowly the server answers each verb."""

QUIT_SECONDS = 3.0
"""Longest wait for a good-bye: the mail is settled by then."""

START_INPUT, COMPLETED = 354, 250
PASSING, FINAL = 4, 5
"""First digits of a server's no: for now, and for good (RFC 5321, 4.2.1)."""

ENHANCED_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")
ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")


class Stage(StrEnum):
    """How far a conversation has come: it decides what a fault means."""

    INTRODUCTION = "introduction"
    """Greeting, EHLO, STARTTLS and AUTH: what the server says is about us, not about the mail."""
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    CONTENT = "content"
    """The final dot is out: without an answer nobody knows who has the mail (RFC 1047)."""


class SmtpMailer:
    """Sends each mail over a connection of its own."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        username: str = "",
        password: str = "",
        security: Security = "starttls",
        timeout: float = 30,
        total: float = TOTAL_SECONDS,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        """`sender` is "Name <address>"; `timeout` bounds each answer, `total` all of them.

        Without a `tls_context` the system's certificate authorities are trusted. Raises ValueError
        where `sender` holds no address.
        """
        name, address = parseaddr(sender)
        self._sender = Address(name, addr_spec=wire_address(address))
        self._host, self._port = host, port
        self._username, self._password = username or None, password or None
        self._security = security
        self._timeout, self._total = timeout, total
        if security != "none" and tls_context is None:
            tls_context = ssl.create_default_context()
        self._tls_context = tls_context
        self._hello = sender_domain(sender)

    async def send(self, mail: Mail) -> None:
        """Hand the mail over. Raises MailFault."""
        conversation = Conversation(self._client(), self._timeout)
        try:
            async with asyncio.timeout(self._total):
                await conversation.hand_over(self._sender.addr_spec, compose(self._sender, mail))
        except SMTPResponseException as refusal:
            fault = refused(refusal, conversation.stage)
            await conversation.leave()
            raise fault from refusal
        except (SMTPException, OSError) as error:
            raise broken(error, conversation.stage) from error
        else:
            await conversation.leave()
        finally:
            conversation.client.close()

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            local_hostname=self._hello,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls_context,
        )


class Conversation:
    """One connection to the server, and how far it has come.

    The verbs are spoken one by one, since `sendmail` does not tell a fault before the content from
    one after it.
    """

    def __init__(self, client: aiosmtplib.SMTP, timeout: float) -> None:
        self.client = client
        self.stage = Stage.INTRODUCTION
        self._timeout = timeout

    async def hand_over(self, sender: str, message: EmailMessage) -> None:
        """Speak until the server has taken the mail. Raises what aiosmtplib raises."""
        client, options = self.client, list[str]()
        recipient = message["To"].addresses[0].addr_spec
        await client.connect()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        if not recipient.isascii():
            if not client.supports_extension("SMTPUTF8"):
                raise MailFault("the server takes ASCII addresses only", permanent=True)
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        self.stage = Stage.MAIL
        await client.mail(sender, options=options)
        self.stage = Stage.RCPT
        await client.rcpt(recipient, encoding="utf-8")
        self.stage = Stage.DATA
        await self._data(message.as_bytes())

    async def _data(self, content: bytes) -> None:
        answer = await self.client.execute_command(b"DATA")
        if answer.code != START_INPUT:
            raise SMTPDataError(answer.code, answer.message)
        if (protocol := self.client.protocol) is None:
            raise SMTPServerDisconnected("Connection lost")
        protocol.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        self.stage = Stage.CONTENT
        answer = await protocol.read_response(timeout=self._timeout)
        if answer.code != COMPLETED:
            raise SMTPDataError(answer.code, answer.message)

    async def leave(self) -> None:
        """Say good-bye; whatever comes of it changes nothing."""
        if self.client.is_connected:
            with suppress(SMTPException, OSError):
                await self.client.quit(timeout=min(self._timeout, QUIT_SECONDS))


def compose(sender: Address, mail: Mail) -> EmailMessage:
    """Build the message (RFC 5322), marked as sent by a machine (RFC 3834)."""
    local, _, domain = wire_address(mail.recipient).rpartition("@")
    message = EmailMessage(policy=SMTP if local.isascii() else SMTPUTF8)
    message["Date"] = mail.date
    message["Message-ID"] = mail.message_id
    message["From"] = sender
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = mail.language
    return message


def refused(refusal: SMTPResponseException, stage: Stage) -> MailFault:
    """Class what the server answered.

    5yz ends the mail only once it is the mail that is talked about: a wrong password must not cost
    every reader a story. 5.7.z is about policy, so the operator has to act.
    """
    words = " ".join(refusal.message.split())
    enhanced = ENHANCED_STATUS.match(words)
    status = f"{refusal.code} {enhanced[0]}" if enhanced else str(refusal.code)
    digit, about_us = refusal.code // 100, stage is Stage.INTRODUCTION
    return MailFault(
        f"{stage}: {refusal.code} {ADDRESS.sub('<address>', words)}",
        status=status,
        permanent=digit == FINAL and not about_us,
        ambiguous=digit not in {PASSING, FINAL} and stage is Stage.CONTENT,
        alarming=digit == FINAL and (about_us or status.partition(" ")[2].startswith("5.7.")),
    )


def broken(error: Exception, stage: Stage) -> MailFault:
    """Class a connection that failed, fell silent, or could not be made safe."""
    unsafe = isinstance(error, ssl.SSLError) or type(error) is SMTPException
    return MailFault(
        f"{stage}: {error or type(error).__name__}",
        ambiguous=stage is Stage.CONTENT,
        alarming=unsafe or isinstance(error.__cause__, ssl.SSLError),
    )


def sender_domain(sender: str) -> str:
    """Return the domain of "Name <address>" in ASCII. Raises ValueError where there is none."""
    return wire_address(parseaddr(sender)[1]).rpartition("@")[2]


def wire_address(address: str) -> str:
    """Return the address with its domain in ASCII (IDNA 2008); its local part stays as it is."""
    local, at, domain = address.rpartition("@")
    if not (local and at and domain):
        raise ValueError("not a mail address")
    if not domain.isascii():
        domain = validate_email(f"x@{domain}", check_deliverability=False).ascii_domain
    return f"{local}@{domain}"
