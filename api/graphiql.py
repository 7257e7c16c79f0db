"""GraphiQL, served by ourselves: the page works without the internet."""

from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from api.answers import send_body
from api.graphql.negotiation import HTML

BUNDLE = Path(__file__).resolve().parent.parent / "web" / "dist"
"""What `web/graphiql/build.mjs` makes."""

HOW_TO_BUILD = b"""<!doctype html>
<html lang="en"><title>GraphiQL is not built yet</title>
<h1>GraphiQL is not built yet</h1>
<p>In the folder <code>web</code>, run <code>npm ci</code> and <code>npm run build</code>, then load
this page again. <code>make run</code> does both by itself.</p>
<p>The endpoint works without it: send operations by <code>POST</code> to this address.</p>
"""


def content_security_policy(host: str) -> str:
    """Return a policy that the bundle satisfies; Monaco styles its editor inline."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "font-src 'self' data:; img-src 'self' data:; worker-src 'self' blob:; "
        f"connect-src 'self' ws://{host} wss://{host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@dataclass(frozen=True, slots=True)
class GraphiQLPage:
    """The page itself; its files are served under /graphiql/."""

    bundle: Path = BUNDLE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the page, or say how to build it."""
        del receive
        page = self.bundle / "index.html"
        body = page.read_bytes() if page.is_file() else HOW_TO_BUILD
        policy = content_security_policy(Headers(scope=scope).get("host", ""))
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        await send_body(send, 200, body, HTML, headers, to=scope)
