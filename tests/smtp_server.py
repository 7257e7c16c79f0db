"""A mail server for tests: it keeps what it takes, and misbehaves on request at any verb."""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum
from functools import partial
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Verb(StrEnum):
    """The moments at which the server can misbehave."""

    CONNECT = "CONNECT"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    """Before 354."""
    CONTENT = "CONTENT"
    """After the first line of the mail, before its final dot."""
    DOT = "DOT"
    """After the final dot; the server has the mail unless it answers no."""
    QUIT = "QUIT"


COMMANDS = (
    Verb.EHLO,
    Verb.STARTTLS,
    Verb.AUTH,
    Verb.MAIL,
    Verb.RCPT,
    Verb.DATA,
    Verb.QUIT,
)
"""The verbs that a client says, as aiosmtpd dispatches them."""

Command = Callable[[str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with this line instead."""

    line: str


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer; the connection stays open."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Break the connection."""


Act = Answer | Hang | Cut


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as the server got it."""

    sender: str
    recipients: list[str]
    content: bytes
    message: EmailMessage = field(repr=False)

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, subtype: str) -> str:
        part = self.message.get_body(preferencelist=(subtype,))
        assert part is not None, f"the mail has no text/{subtype}"
        return str(part.get_content()).replace("\r\n", "\n")


class SmtpServer:
    """Listens on a free port of 127.0.0.1 while it is open.

    `async with SmtpServer() as server:` starts and stops it; `stop` and `start` in between play a
    server that is down for a while and comes back on the same port.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: dict[str, str] | None = None,
        smtputf8: bool = False,
    ) -> None:
        """With `tls` it offers STARTTLS, or speaks TLS at once; `users` are names and passwords."""
        self.mails: list[ReceivedMail] = []
        self.verbs: list[Verb] = []
        self.port = 0
        self._tls, self._implicit_tls = tls, implicit_tls
        self._users, self._smtputf8 = users or {}, smtputf8
        self._acts: dict[Verb, deque[Act]] = {verb: deque() for verb in Verb}
        self._arrival = asyncio.Condition()
        self._connections: set[_Conversation] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the port of last time where there was one."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Conversation(self),
            "127.0.0.1",
            self.port,
            ssl=self._tls if self._implicit_tls else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and break every connection."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            await connection.abort()
        await self._server.wait_closed()

    def answer(self, verb: Verb, line: str, *, times: int = 1) -> None:
        """Answer the verb with `line` the next `times` times."""
        self._acts[verb].extend([Answer(line)] * times)

    def hang(self, verb: Verb, *, times: int = 1) -> None:
        """Do not answer the verb the next `times` times."""
        self._acts[verb].extend([Hang()] * times)

    def cut(self, verb: Verb, *, times: int = 1) -> None:
        """Break the connection at the verb the next `times` times."""
        self._acts[verb].extend([Cut()] * times)

    async def mail_to(self, address: str, *, count: int = 1, within: float = 10) -> ReceivedMail:
        """Wait for the `count`th mail to the address, at most `within` seconds."""
        async with asyncio.timeout(within), self._arrival:
            await self._arrival.wait_for(lambda: len(self.mails_to(address)) >= count)
            return self.mails_to(address)[count - 1]

    def mails_to(self, address: str) -> list[ReceivedMail]:
        """Return the mails to the address so far."""
        return [mail for mail in self.mails if address in mail.recipients]

    def next_act(self, verb: Verb) -> Act | None:
        """Note the verb and return how to misbehave at it, if at all."""
        self.verbs.append(verb)
        return self._acts[verb].popleft() if self._acts[verb] else None

    async def keep(self, envelope: Envelope) -> None:
        """Take a mail."""
        content = envelope.original_content or b""
        async with self._arrival:
            self.mails.append(
                ReceivedMail(
                    sender=envelope.mail_from or "",
                    recipients=list(envelope.rcpt_tos),
                    content=content,
                    message=message_from_bytes(content, policy=default),
                )
            )
            self._arrival.notify_all()

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: object
    ) -> AuthResult:
        """Check a name and its password, for aiosmtpd."""
        assert isinstance(login, LoginPassword)
        known = self._users.get(login.login.decode()) == login.password.decode()
        return AuthResult(success=known, handled=False)

    def options(self) -> dict[str, Any]:
        """Return what a conversation of this server is configured with."""
        return {
            "hostname": "mail.test",
            "enable_SMTPUTF8": self._smtputf8,
            "tls_context": None if self._implicit_tls else self._tls,
            "auth_require_tls": False,
            "authenticator": self.authenticate,
            "auth_exclude_mechanism": () if self._users else ("LOGIN", "PLAIN"),
            "loop": asyncio.get_running_loop(),
        }

    def opened(self, conversation: "_Conversation") -> None:
        """Remember a connection."""
        self._connections.add(conversation)

    def closed(self, conversation: "_Conversation") -> None:
        """Forget a connection."""
        self._connections.discard(conversation)


class _Keeper:
    """What aiosmtpd asks about a mail after its final dot."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name for it
        self, smtp: "_Conversation", _session: Session, envelope: Envelope
    ) -> str:
        act = self._server.next_act(Verb.DOT)
        if isinstance(act, Answer):
            return act.line
        await self._server.keep(envelope)
        if act is not None:
            await smtp.misbehave(act)
        return "250 2.0.0 Ok: queued"


class _Conversation(SMTP):
    """One connection."""

    def __init__(self, server: SmtpServer) -> None:
        super().__init__(_Keeper(server), **server.options())
        self._mail_server = server
        for verb in COMMANDS:
            self._smtp_methods[verb] = partial(self._obey, verb, self._smtp_methods[verb])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._mail_server.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._mail_server.closed(self)

    async def abort(self) -> None:
        """Break the connection and wait until nothing of it runs any more."""
        self._break()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
            await asyncio.wait({self._handler_coroutine})

    def _break(self) -> None:
        # After STARTTLS the transport is TLS over the original one.
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
            transport.abort()

    async def misbehave(self, act: Act) -> None:
        """Do it; only an answer returns, the rest waits for the connection's end."""
        if isinstance(act, Answer):
            await self.push(act.line)
            return
        if isinstance(act, Cut):
            self._break()
        await asyncio.Event().wait()

    async def _handle_client(self) -> None:
        try:
            if act := self._mail_server.next_act(Verb.CONNECT):
                await self.misbehave(act)
            else:
                await super()._handle_client()
        except asyncio.CancelledError:
            self._writer.close()
            raise

    async def _obey(self, verb: Verb, command: Command, argument: str | None) -> None:
        """Do what the client asks, or misbehave."""
        if act := self._mail_server.next_act(verb):
            await self.misbehave(act)
        elif verb is Verb.DATA and (act := self._mail_server.next_act(Verb.CONTENT)):
            await self.push("354 Go ahead")
            await self._reader.readuntil(b"\r\n")
            await self.misbehave(act)
        else:
            await command(argument)
