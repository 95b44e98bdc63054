"""Bodies of requests: read whole before anything else happens, within a size, a depth and a time."""

import asyncio
import re

import numpy as np
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.web.errors import respond
from serving.web.problems import Problem

__all__ = ["BodyLimit", "json_depth"]

_SECONDS = 20.0
_DEEPEST = 32
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class BodyLimit:
    """Reads the body of a request, and refuses one that is too large, too slow or nested too deep.

    limit: bytes, also of bodies sent in chunks without a length. seconds: until the last byte is there.
    """

    def __init__(self, app: ASGIApp, *, limit: int, seconds: float = _SECONDS) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with its whole body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
            await self._app(scope, receive, send)
            return
        read = await self._read(headers, receive)
        if read is None:
            return
        if isinstance(read, Problem):
            await respond(Request(scope), read)(scope, receive, send)
            return
        if "json" in headers.get("content-type", "") and _is_deep(read):
            await respond(Request(scope), _too_deep())(scope, receive, send)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": read, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | Problem | None:
        """The body; a problem; or None if the client has gone."""
        announced = headers.get("content-length", "0")
        if not announced.isascii() or not announced.isdigit():
            return Problem(400, "wrong_length", f"Content-Length: expected digits, found {announced[:20]!r}.")
        if int(announced) > self._limit:
            return self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._limit:
                        return self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            return Problem(
                408,
                "too_slow",
                f"The body was not there within {self._seconds:.0f} seconds.",
                "Send it again over a faster connection, or in smaller parts.",
                {"Connection": "close"},
            )

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too_large",
            f"The body is larger than {self._limit:,} bytes.",
            "Send less at once; the setting body_limit_bytes raises the limit.",
            {"Connection": "close"},
        )


def json_depth(body: bytes) -> int:
    """How deep arrays and objects are nested in a JSON text, 0 for a plain value; brackets in texts aside.

    >>> json_depth(b'{"a": [1, [2]], "b": "[[[["}'), json_depth(b'"[["')
    (3, 0)
    """
    marks = np.frombuffer(_TEXT.sub(b"", body), dtype=np.uint8)
    steps = np.zeros(len(marks), dtype=np.int32)
    steps[(marks == ord("[")) | (marks == ord("{"))] = 1
    steps[(marks == ord("]")) | (marks == ord("}"))] = -1
    return int(max(0, np.cumsum(steps).max(initial=0)))


def _is_deep(body: bytes) -> bool:
    # nearly every body has fewer brackets than may be nested, and is spared the search for texts
    return body.count(b"[") + body.count(b"{") > _DEEPEST and json_depth(body) > _DEEPEST


def _too_deep() -> Problem:
    return Problem(
        400,
        "too_deep",
        f"The body's arrays and objects are nested more than {_DEEPEST} deep.",
        "GET /openapi.json describes what is expected.",
    )
