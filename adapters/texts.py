"""Text messages: handed to a provider's gateway over HTTP, or shown in the mail catcher."""

import hmac
from urllib.parse import urlsplit

import httpx2
import orjson

from usecases.ports.mail import Mail, Mailer, MailFault, TextMessage

SIGNATURE = "Storyloom-Signature"
"""The header that proves who calls: "t=<seconds>,v1=<HMAC-SHA256 of t, a dot and the body>"."""

INBOX = "sms.storyloom.example"
"""Domain of the addresses that stand for phone numbers in the mail catcher; it receives nothing."""

TOO_MANY, SERVER_FAULT = 429, 500
TOTAL_SECONDS = 15.0


class MailedTexts:
    """Implements `TextMessages` for development: each text is a mail, which says what it is.

    Never for production: it sends nothing to any phone.
    """

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def send(self, message: TextMessage) -> None:
        """Mail it to an inbox that stands for the phone. Raises MailFault."""
        number = message.recipient.removeprefix("+")
        await self._mailer.send(
            Mail(
                message_id=message.message_id,
                date=message.date,
                recipient=f"{number}@{INBOX}",
                subject=f"Text message to {message.recipient}",
                language="en",
                text=message.text,
                html=f"<p>{message.text}</p>",
            )
        )


class WebhookTexts:
    """Implements `TextMessages`: posts each to one address, signed, and follows it nowhere else."""

    def __init__(self, url: str, *, secret: bytes, seconds: float = TOTAL_SECONDS) -> None:
        """`url` is the operator's gateway; `secret` is shared with it."""
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("a gateway for texts is reached by http or https")
        self._url, self._secret = url, secret
        self._client = httpx2.AsyncClient(
            timeout=seconds,
            follow_redirects=False,
            trust_env=False,  # no proxy of the environment learns numbers and codes
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, message: TextMessage) -> None:
        """Post it. Raises MailFault."""
        seconds = int(message.date.timestamp())
        body = orjson.dumps(
            {"id": message.message_id, "to": message.recipient, "text": message.text}
        )
        mac = hmac.digest(self._secret, b"%d." % seconds + body, "sha256").hex()
        try:
            response = await self._client.post(
                self._url,
                content=body,
                headers={
                    "Content-Type": "application/json",
                    "Idempotency-Key": message.message_id,
                    SIGNATURE: f"t={seconds},v1={mac}",
                },
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise MailFault(type(error).__name__) from error
        except httpx2.HTTPError as error:
            # The request was on its way: nobody knows whether the gateway acted on it.
            raise MailFault(type(error).__name__, ambiguous=True) from error
        if response.is_success:
            return
        status = response.status_code
        raise MailFault(
            "the gateway for texts refused it",
            status=str(status),
            permanent=status < SERVER_FAULT and status != TOO_MANY,
            alarming=status in {401, 403},
        )
