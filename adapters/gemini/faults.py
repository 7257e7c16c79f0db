"""All that can go wrong with a call to Gemini, in the words of the Storyteller port.

Neither a message nor a detail quotes what the server sent: it may hold story text or wishes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
from google.genai.errors import APIError
from google.genai.types import BlockedReason, FinishReason

from usecases.ports.storytelling import StorytellerFault

UPSTREAM_UNAVAILABLE: Final = "UPSTREAM_UNAVAILABLE"
CONTENT_BLOCKED: Final = "CONTENT_BLOCKED"

UNREADABLE: Final = "The storyteller's answer could not be read."
UNFINISHED: Final = "The storyteller stopped in the middle of an answer."

_CONTENT_REASONS: Final = frozenset(
    {
        FinishReason.SAFETY,
        FinishReason.BLOCKLIST,
        FinishReason.PROHIBITED_CONTENT,
        FinishReason.SPII,
        FinishReason.MODEL_ARMOR,
        FinishReason.ESCALATION,
    }
)
_UNAUTHENTICATED: Final = 401
_FORBIDDEN: Final = 403
_TIMED_OUT: Final = 408
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


def fault_from(error: Exception) -> StorytellerFault:
    """Turn whatever the SDK or its transport raised into a fault.

    The SDK raises its own errors for statuses, httpx2's for the connection, and for rubbish
    whatever its parsing ran into: UnicodeDecodeError, AttributeError, pydantic's ValidationError,
    or an UnknownApiResponseError whose text is the raw answer. So what is unknown is rubbish, and
    only its type is named.
    """
    match error:
        case StorytellerFault():
            return error
        case APIError():
            return _refusal(error)
        case TimeoutError() | httpx2.TimeoutException():
            return StorytellerFault(
                UPSTREAM_UNAVAILABLE,
                "The storyteller did not answer in time.",
                detail="Gemini was silent for longer than the limits allow",
            )
        case httpx2.TransportError():
            return StorytellerFault(
                UPSTREAM_UNAVAILABLE,
                "The connection to the storyteller was lost.",
                detail=f"the connection to Gemini failed: {type(error).__name__}",
            )
        case _:
            return StorytellerFault(
                UPSTREAM_UNAVAILABLE,
                UNREADABLE,
                detail=f"Gemini's answer could not be read: {type(error).__name__}",
            )


def blocked_prompt(reason: BlockedReason) -> StorytellerFault:
    """The wishes were refused before anything was written."""
    return StorytellerFault(
        CONTENT_BLOCKED,
        "The storyteller declined these wishes: change them and ask again.",
        detail=f"Gemini blocked the prompt: {_word(reason)}",
        permanent=True,
        blocked=True,
    )


def unfinished(reason: FinishReason | None) -> StorytellerFault:
    """The answer ended with another reason than STOP, or with none at all.

    An early but clean end of the stream raises nothing in the SDK: it only lacks a reason.
    """
    detail = f"Gemini ended its answer with {_word(reason) if reason else 'no finish reason'}"
    if reason in _CONTENT_REASONS:
        return StorytellerFault(
            CONTENT_BLOCKED,
            "The storyteller broke this story off because of its content.",
            detail=detail,
            permanent=True,
            blocked=True,
        )
    if reason in {FinishReason.MAX_TOKENS, FinishReason.CONTINUATION}:
        message = "A part of the story grew longer than a single answer may be."
    elif reason is FinishReason.RECITATION:
        message = "The storyteller stopped because its words came too close to a known text."
    else:
        message = UNFINISHED
    return StorytellerFault(UPSTREAM_UNAVAILABLE, message, detail=detail)


def empty() -> StorytellerFault:
    """The answer ended well, but without a word."""
    return StorytellerFault(
        UPSTREAM_UNAVAILABLE,
        "The storyteller's answer was empty.",
        detail="Gemini ended its answer with STOP and without text",
    )


def unusable_outline(detail: str) -> StorytellerFault:
    """The answer was not the outline that was asked for; `detail` names fields, never values."""
    return StorytellerFault(
        UPSTREAM_UNAVAILABLE, UNREADABLE, detail=f"Gemini's outline is not usable: {detail}"
    )


def _refusal(error: APIError) -> StorytellerFault:
    detail = f"Gemini answered {error.code} {_word(error.status)}"
    if error.code in {_TIMED_OUT, _TOO_MANY} or error.code >= _SERVER_ERROR:
        return StorytellerFault(
            UPSTREAM_UNAVAILABLE,
            "The storyteller is busy or out of order at the moment.",
            detail=detail,
            retry_after=_retry_after(error),
        )
    if error.code in {_UNAUTHENTICATED, _FORBIDDEN} or "API_KEY_INVALID" in _reasons(error):
        message = "The storyteller refused this service's key: its operator has to renew it."
    else:
        # A 400 or 404 is about the request or the model's name: sent again, it fails again.
        message = "The storyteller refused this service's request: its operator has to mend it."
    return StorytellerFault(UPSTREAM_UNAVAILABLE, message, detail=detail, permanent=True)


def _retry_after(error: APIError) -> float | None:
    """Read how long to wait, in seconds: from the header, else from google.rpc.RetryInfo."""
    headers = getattr(error.response, "headers", None)
    if isinstance(headers, Mapping) and (value := headers.get("retry-after")):
        return _seconds(str(value).strip())
    for detail in _details(error):
        delay = detail.get("retryDelay")
        if isinstance(delay, str):
            return _seconds(delay.removesuffix("s"))
    return None


def _seconds(value: str) -> float | None:
    """Read seconds, or the time until an HTTP date (RFC 9110, 10.2.3); None for anything else."""
    if value.replace(".", "", 1).isdecimal() and value.isascii():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _reasons(error: APIError) -> set[object]:
    return {detail.get("reason") for detail in _details(error) if _is_word(detail.get("reason"))}


def _details(error: APIError) -> list[Mapping[str, object]]:
    """Return the entries of `error.details` (google.rpc.Status); rubbish has none."""
    body = error.details
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    entries = inner.get("details") if isinstance(inner, Mapping) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _word(value: object) -> str:
    """Return an enum value or a status if it is one word; anything longer may quote the answer."""
    text = str(getattr(value, "value", value))
    return text if _is_word(text) else "(no status)"


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value.replace("_", "").isalnum() and len(value) <= 60  # noqa: PLR2004 - longer than any of Google's codes
