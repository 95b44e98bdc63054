"""How many requests one viewer may make."""

import hashlib
import time
from http.cookies import CookieError, SimpleCookie

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.web.errors import respond
from serving.web.problems import Problem

__all__ = ["RateLimit", "viewer_key"]

_FREE = ("/static/", "/api/v1/health")
_COOKIES = ("dealcast-", "__Host-dealcast")
"""How session cookies' names begin; see `serving.access`."""
_VIEWERS_PER_ADDRESS = 20


class RateLimit:
    """Refuses requests beyond so many a minute of one viewer, and of one address twenty times as many.

    A viewer is a session, a token, or an address without either. The second limit is for those who make up
    sessions; behind a proxy that hides addresses it is one for all.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int) -> None:
        self._app = app
        self._per_minute = per_minute
        self._viewer = RateLimitItemPerMinute(per_minute)
        self._address = RateLimitItemPerMinute(per_minute * _VIEWERS_PER_ADDRESS)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on while the viewer is within the limits."""
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else "unknown"
        key = viewer_key(Headers(scope=scope), address)
        for item, who in ((self._viewer, key), (self._address, f"address {address}")):
            if not self._limiter.hit(item, who):
                reset = self._limiter.get_window_stats(item, who).reset_time
                seconds = max(1, int(reset - time.time()) + 1)
                await respond(Request(scope), self._too_many(seconds))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _too_many(self, seconds: int) -> Problem:
        return Problem(
            429,
            "too_many_requests",
            f"More than {self._per_minute:,} requests in a minute.",
            f"Try again in {seconds} seconds; the setting rate_limit_per_minute raises the limit.",
            {"Retry-After": str(seconds)},
        )


def viewer_key(headers: Headers, address: str) -> str:
    """Who is counted: a digest of the token or the session, else the address."""
    secret = headers.get("authorization") or _session(headers.get("cookie", ""))
    return f"address-only {address}" if not secret else hashlib.sha256(secret.encode()).hexdigest()


def _session(cookies: str) -> str | None:
    """The session among the cookies: by whichever of its names it goes."""
    try:
        parsed = SimpleCookie(cookies)
    except CookieError:
        return None
    return next((held.value for name, held in parsed.items() if name.startswith(_COOKIES)), None)
