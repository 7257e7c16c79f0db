"""The public keys of our access tokens, so that other services verify them without asking us."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from api.answers import send_body, send_refusal
from api.codes import Code
from domain.refusals import UpstreamUnavailable

JWKS_TYPE = "application/jwk-set+json"
"""RFC 7517, 8.5.2."""

CACHEABLE = {"Cache-Control": "public, max-age=60"}
"""Well below the time that a new key is public before it signs (KEY_PROPAGATION_SECONDS)."""

PublicKeys = Callable[[], Awaitable[Mapping[str, object]]]
"""Returns a JWK set. Raises UpstreamUnavailable while no key is known."""


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """Serves `/.well-known/jwks.json` to everybody."""

    public_keys: PublicKeys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the keys that sign, those to come and those that still verify."""
        del receive
        if scope["method"] not in {"GET", "HEAD"}:
            await send_refusal(
                scope,
                send,
                405,
                Code.VALIDATION_FAILED,
                "Use GET for this.",
                headers={"Allow": "GET, HEAD"},
            )
            return
        try:
            keys = await self.public_keys()
        except UpstreamUnavailable as refusal:
            await send_refusal(
                scope,
                send,
                503,
                Code.UPSTREAM_UNAVAILABLE,
                refusal.message,
                retry_after=refusal.retry_after,
            )
            return
        await send_body(send, 200, orjson.dumps(keys), JWKS_TYPE, CACHEABLE, to=scope)
