"""Who is let in: this machine's browser with the token of this start, asking this server by its own name.

That a server listens on loopback alone keeps out other machines, and no page of theirs: any page that is open in the
browser may ask 127.0.0.1, under a name of its own (DNS rebinding) or for a WebSocket. So Host must be ours, Origin too,
and a cookie must hold a secret that only the address printed in the terminal had.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://{host}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WITHOUT_TOKEN = "This page is for whoever started it. Open the address that `fastnn play` printed; it holds a key.\n"
# RFC 6455: what the server will not have.
REFUSED = 1008


@dataclass(frozen=True)
class Keys:
    """Of one start. token: 128 bits."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def hosts(self) -> tuple[str, str]:
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    @property
    def cookie(self) -> str:
        """Its name; cookies of one host are shared by its ports."""
        return f"fastnn-play-{self.port}"

    def opens(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())


class Guard:
    """Before the pages: what is not let in does not reach them."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["type"] == "websocket":
            if self._is_ours(headers) and headers.get("origin") == f"http://{headers['host']}":
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": REFUSED})
            return
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, self._guarded(send, headers["host"]))
        else:
            await refusal(scope, receive, self._guarded(send, self._keys.hosts[0]))

    def _is_ours(self, headers: Headers) -> bool:
        return headers.getlist("host") == [headers.get("host")] and headers["host"] in self._keys.hosts and (
            self._keys.opens(cookie_parser(headers.get("cookie", "")).get(self._keys.cookie))
        )  # fmt: skip

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What is answered in place of the page; a first visit with the token gets the cookie and a clean address."""
        if headers.get("host") not in self._keys.hosts or len(headers.getlist("host")) > 1:
            return PlainTextResponse("Host is not this server.\n", 400)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Pages are only read here.\n", 405)
        token = QueryParams(scope["query_string"]).get("token")
        if token is not None and self._keys.opens(token):
            clean = RedirectResponse(scope["path"] if not scope["path"].startswith("//") else "/", 303)
            # Not strict: the file that the browser was opened with leads here, and is of no site.
            clean.set_cookie(self._keys.cookie, self._keys.token, httponly=True, samesite="lax")
            return clean
        return None if self._is_ours(headers) else PlainTextResponse(WITHOUT_TOKEN, 403)

    def _guarded(self, send: Send, host: str) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = POLICY.format(host=host)
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers["cross-origin-resource-policy"] = "same-origin"
                headers["cross-origin-opener-policy"] = "same-origin"
                headers["cache-control"] = "no-store"
            await send(message)

        return guarded
