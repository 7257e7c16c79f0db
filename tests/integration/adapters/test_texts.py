"""Text messages: what a gateway gets, and what its answers mean."""

import asyncio
import hmac
from collections.abc import AsyncIterator

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from adapters.texts import SIGNATURE, MailedTexts, WebhookTexts
from tests.fakes.clock import START
from tests.fakes.mail import FakeMailer
from tests.integration.api.service import served
from usecases.ports.mail import MailFault, TextMessage

SECRET = b"s" * 32
TEXT = TextMessage("<1@storyloom.test>", START, "+4915123456789", "123456 is your code")


class Gateway:
    """A gateway that keeps what it gets and answers what the test wants."""

    def __init__(self) -> None:
        self.status = 202
        self.pause = 0.0
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.led_away = 0
        self.url = ""

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        await asyncio.sleep(self.pause)
        if self.status == 307:
            return RedirectResponse("/elsewhere", 307)
        return Response(status_code=self.status)

    async def lead_away(self, _: Request) -> Response:
        self.led_away += 1
        return Response(status_code=202)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    routes = [
        Route("/send", gateway.take, methods=["POST"]),
        Route("/elsewhere", gateway.lead_away, methods=["POST"]),
    ]
    async with served(Starlette(routes=routes)) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        gateway.url = f"http://127.0.0.1:{port}/send"
        yield gateway


async def send(gateway: Gateway, *, seconds: float = 5) -> MailFault | None:
    """Send the text; return what went wrong."""
    texts = WebhookTexts(gateway.url, secret=SECRET, seconds=seconds)
    try:
        await texts.send(TEXT)
    except MailFault as fault:
        return fault
    finally:
        await texts.aclose()
    return None


async def test_a_gateway_gets_a_signed_message(gateway: Gateway) -> None:
    assert await send(gateway) is None
    [(headers, body)] = gateway.got
    assert orjson.loads(body) == {
        "id": "<1@storyloom.test>",
        "to": "+4915123456789",
        "text": "123456 is your code",
    }
    stamp, mac = (part.partition("=")[2] for part in headers[SIGNATURE.lower()].split(","))
    expected = hmac.digest(SECRET, stamp.encode() + b"." + body, "sha256").hex()
    assert (stamp, mac) == (str(int(START.timestamp())), expected)
    assert headers["idempotency-key"] == "<1@storyloom.test>"


@pytest.mark.parametrize(
    ("status", "permanent", "alarming"),
    [
        (400, True, False),
        (401, True, True),
        (403, True, True),
        (429, False, False),
        (500, False, False),
        (503, False, False),
        (307, True, False),
    ],
)
async def test_its_refusals_are_told_apart(
    gateway: Gateway,
    status: int,
    permanent: bool,  # noqa: FBT001 - a column of the table
    alarming: bool,  # noqa: FBT001
) -> None:
    gateway.status = status
    fault = await send(gateway)
    assert fault is not None
    assert (fault.permanent, fault.alarming, fault.status) == (permanent, alarming, str(status))
    assert not fault.ambiguous
    assert TEXT.recipient not in str(fault)
    assert gateway.led_away == 0


async def test_a_gateway_that_does_not_answer_may_have_sent_it(gateway: Gateway) -> None:
    gateway.pause = 1
    fault = await send(gateway, seconds=0.1)
    assert fault is not None
    assert fault.ambiguous


async def test_a_gateway_that_is_not_there_has_not(gateway: Gateway) -> None:
    gateway.url = "http://127.0.0.1:1/send"
    fault = await send(gateway)
    assert fault is not None
    assert (fault.ambiguous, fault.permanent) == (False, False)


def test_a_gateway_is_a_web_address() -> None:
    with pytest.raises(ValueError, match="http"):
        WebhookTexts("file:///etc/passwd", secret=SECRET)


async def test_development_shows_texts_as_mails_that_say_so() -> None:
    mailer = FakeMailer()
    await MailedTexts(mailer).send(TEXT)
    [mail] = mailer.taken
    assert mail.recipient == "4915123456789@sms.storyloom.example"
    assert mail.subject == "Text message to +4915123456789"
    assert mail.text == TEXT.text
