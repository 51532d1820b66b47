"""Who may ask: this machine's own pages, of a browser that has shown the token; and headers that every answer has."""

import json
from collections.abc import Callable, Collection
from http.cookies import CookieError, SimpleCookie
from typing import Any

from jaxscale._base.errors import InputError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
]
_OPEN = {"/", "/app.js", "/look.css", "/favicon.ico", "/api/enter"}  # what a browser needs to show its token


class TooLarge(InputError):
    """A body of more bytes than are taken."""


class Guard:
    """Refuses, around an ASGI application: names of other hosts (a page elsewhere that points its name here), requests
    that pages of other origins make, and browsers that have shown no token."""

    def __init__(self, app: Any, hosts: Collection[str], known: Callable[[str], bool], cookie: str) -> None:
        self.app, self.known, self.cookie = app, known, cookie
        self.hosts = frozenset(host.lower() for host in hosts)  # as browsers write them

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        found = [(k.decode("latin1").lower(), v.decode("latin1")) for k, v in scope["headers"]]
        problem = self._problem(scope["method"], scope["path"], dict(found), [k for k, _ in found].count("host"))
        if problem is None:
            await self.app(scope, receive, with_headers)
            return
        status, text = problem
        body = json.dumps({"error": text}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await with_headers({"type": "http.response.start", "status": status, "headers": headers})
        await with_headers({"type": "http.response.body", "body": body})

    def _problem(self, method: str, path: str, headers: dict[str, str], hosts: int) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if hosts != 1 or host.lower() not in self.hosts:
            return 421, "this page answers to the address that `jaxscale app` printed, and to no other"
        origin = headers.get("origin")
        ours = f"http://{host}"
        if origin not in (None, ours) or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return 403, "requests of other pages are refused"
        if method not in ("GET", "HEAD", "POST") or (method == "POST" and origin != ours):
            return 403, "this is asked by the page itself alone"
        if path not in _OPEN and not self.known(browser_of(headers.get("cookie", ""), self.cookie)):
            return 403, "open the address that `jaxscale app` printed: this browser has not shown its token"
        return None


def browser_of(cookies: str, name: str) -> str:
    """The browser that a header of cookies tells, or nothing."""
    try:
        found = SimpleCookie(cookies).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


async def body_of(request: Any, most: int) -> bytes:
    """All that a request brings, counted while it comes.

    Raises:
        TooLarge: it is more than `most` bytes, or says so.
    """
    told = request.headers.get("content-length", "0")
    words = (
        f"that is more than {most / 2**20:.3g} MiB, which is all that is taken; the command line takes larger tables"
    )
    if not told.isdecimal() or int(told) > most:
        raise TooLarge(words)
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise TooLarge(words)
    return bytes(data)
