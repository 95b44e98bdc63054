"""Writes: only from the server's own pages or from programs, never from another site's."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.web.errors import respond
from serving.web.problems import Problem

__all__ = ["SAFE_METHODS", "WriteCheck"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class WriteCheck:
    """Refuses a write that another site may have sent with a visitor's cookies.

    Browsers say where a request comes from (Origin, Sec-Fetch-Site), and it must be the server itself. A
    write with cookies but without either is refused too; one without cookies, such as a program's with a
    token, has no authority that another site could borrow. The API takes JSON alone, which no form can send.
    public_url: the server's address behind a proxy, None where browsers use the one it listens on.
    """

    def __init__(self, app: ASGIApp, *, public_url: str | None) -> None:
        self._app = app
        parts = urlsplit(public_url) if public_url else None
        self._origin = f"{parts.scheme}://{parts.netloc}" if parts else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on unless it is such a write."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._foreign(headers) or _content(scope["path"], headers)
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await respond(Request(scope), problem)(scope, receive, send)

    def _foreign(self, headers: Headers) -> Problem | None:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in ("same-origin", "none"):
            return _refused(f"Sec-Fetch-Site is {site[:20]!r}")
        if origin is not None:
            return None if origin in self._origins(headers) else _refused(f"Origin is {origin[:80]!r}")
        if site is None and "cookie" in headers:
            return _refused("it has cookies, and neither Origin nor Sec-Fetch-Site")
        return None

    def _origins(self, headers: Headers) -> tuple[str, ...]:
        """The server's own origins: the public one, and the one that the (checked) Host names."""
        host = headers.get("host", "")
        return (f"http://{host}", f"https://{host}", *([self._origin] if self._origin else []))


def _content(path: str, headers: Headers) -> Problem | None:
    """A body must be what its place reads: JSON in the API, a form elsewhere."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind and headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return None
    wanted = ("application/json",) if path.startswith("/api/") else _FORMS
    if kind in wanted:
        return None
    return Problem(
        415, "wrong_content_type", f"Content-Type: expected {' or '.join(wanted)}, found {kind[:80]!r}."
    )


def _refused(why: str) -> Problem:
    return Problem(
        403,
        "foreign_origin",
        f"This change was not sent from this server's own pages: {why}.",
        "Open the page here and send it again. Programs send a bearer token and no cookies.",
    )
