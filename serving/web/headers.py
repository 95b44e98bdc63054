"""The headers of every answer, and which hosts the server answers for."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.settings import Settings
from serving.text import printable
from serving.web.errors import respond
from serving.web.problems import Problem

__all__ = ["CONTENT_SECURITY_POLICY", "HostCheck", "SecurityHeaders", "allowed_hosts", "host_name"]

CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "connect-src 'self'", "font-src 'self'", "form-action 'self'", "base-uri 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
"""Nothing but the server's own files: no inline script or style, no outside address."""

_ALWAYS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # not no-referrer: browsers would send "Origin: null" with our own forms, and the check of writes needs it
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
}
_KEPT = "public, max-age=31536000, immutable"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SecurityHeaders:
    """Puts the headers on every answer. Data is never kept by caches; files that carry their hash always.

    https: whether browsers reach the server over https, so that they may be told to insist on it.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = dict(_ALWAYS)
        if https:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; its answer gets the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lasting = scope["path"].startswith("/static/") and b"v=" in scope.get("query_string", b"")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if lasting and message["status"] == 200:
                    headers["cache-control"] = _KEPT
                else:
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class HostCheck:
    """Answers only for hosts that are the server's own: a foreign name that resolves to it gets nothing."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on if it names one of the hosts."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        found = Headers(scope=scope).get("host", "")
        if host_name(found) in self._hosts:
            await self._app(scope, receive, send)
            return
        problem = Problem(
            400,
            "unknown_host",
            f"Host: expected {' or '.join(sorted(self._hosts))}, found {printable(found, longest=80)!r}.",
            "Open the address that `dealcast serve` printed, or set public_url to the one that you use.",
        )
        await respond(Request(scope), problem)(scope, receive, send)


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names by which the server may be asked: loopback, the address it listens on, its public one."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return frozenset({*_LOOPBACK, settings.serve_host.lower(), *([public] if public else [])})


def host_name(header: str) -> str:
    """The name in a Host header, without its port, in lower case; empty if it is none.

    >>> host_name("Localhost:8765"), host_name("[::1]:80"), host_name("127.0.0.1"), host_name("a:b:c")
    ('localhost', '::1', '127.0.0.1', '')
    """
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
        return "" if parts.path or parts.username is not None else (parts.hostname or "")
    except ValueError:
        return ""
