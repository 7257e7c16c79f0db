"""Which media type answers: what `Accept` says, by `q` and order (RFC 9110, 12.5.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"

EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"
SUBSCRIPTION_SPEC = "1.0"
"""The edition of Apollo's multipart protocol that is spoken here, as its clients demand it."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an `Accept` header; `place` is its order among the others."""

    kind: str
    parameters: Mapping[str, str]
    place: int

    @property
    def q(self) -> float:
        """Its weight, 0 to 1."""
        try:
            return min(1.0, max(0.0, float(self.parameters.get("q", "1"))))
        except ValueError:
            return 0.0

    @property
    def streams(self) -> bool:
        """Whether it names a way to send many results, and not just any."""
        if self.kind == MULTIPART:
            return self.parameters.get("subscriptionspec") == SUBSCRIPTION_SPEC
        return self.kind == EVENT_STREAM

    def specificity(self, offer: str) -> int:
        """Return how closely the range names the offer, 0 for not at all."""
        if self.kind == offer:
            return 3
        if self.kind == f"{offer.partition('/')[0]}/*":
            return 2
        return 1 if self.kind == "*/*" else 0


def accepted(accept: str | None, offers: Sequence[str]) -> str | None:
    """Return the offer that the client likes best, or None where it takes none of them.

    Without `Accept`, and among those it likes alike, it is the earliest named, then the first
    offer.
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = _ranges(accept)
    best: tuple[float, int, int] | None = None
    choice = None
    for order, offer in enumerate(offers):
        matching = [(each.specificity(offer), each) for each in ranges if each.specificity(offer)]
        if not matching:
            continue
        _, closest = max(matching, key=lambda pair: (pair[0], -pair[1].place))
        rank = (closest.q, -closest.place, -order)
        if closest.q > 0 and (best is None or rank > best):
            best, choice = rank, offer
    return choice


def accepted_stream(accept: str) -> str | None:
    """Return the kind of stream that the client likes best, or None where it names none of ours."""
    named = [each for each in _ranges(accept) if each.streams and each.q > 0]
    return max(named, key=lambda each: (each.q, -each.place)).kind if named else None


def _ranges(accept: str) -> list[MediaRange]:
    ranges = []
    for place, element in enumerate(accept.split(",")):
        kind, *parameters = (part.strip().lower() for part in element.split(";"))
        if kind:
            ranges.append(MediaRange(kind, _parameters(parameters), place))
    return ranges


def _parameters(parts: Sequence[str]) -> dict[str, str]:
    pairs = (part.partition("=") for part in reversed(parts))  # the first of a name counts
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def content_type(header: str | None) -> tuple[str, str]:
    """Return a `Content-Type`'s media type and its charset, UTF-8 by default, in lower case."""
    kind, *parameters = (part.strip().lower() for part in (header or "").split(";"))
    charset = next(
        (
            value.strip('"')
            for name, _, value in (p.partition("=") for p in parameters)
            if name == "charset"
        ),
        "utf-8",
    )
    return kind, charset
