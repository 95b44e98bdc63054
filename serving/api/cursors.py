"""Cursors: where a page of a list ended, so that the next one begins there.

A cursor names the run, the order and the last row of the page; nothing that its reader has not seen. The
rows of a run never change, so pages put together are the list, without a row twice or a row left out.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from data.errors import UsageError

__all__ = ["Cursor", "GoneError", "read_cursor"]

_LONGEST = 1024


class GoneError(UsageError):
    """What the cursor belongs to is served no more. HTTP 410."""

    status = 410


@dataclass(frozen=True)
class Cursor:
    """The page's run, its order, and the id of its last row."""

    run_id: str
    order: str
    last_id: str

    def text(self) -> str:
        """The cursor as it stands in an address."""
        raw = orjson.dumps([self.run_id, self.order, self.last_id])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_cursor(text: str, *, run_id: str, order: str) -> Cursor:
    """The cursor in a text. Raises UsageError for none or another order, GoneError for another run.

    >>> cursor = Cursor("r1", "-p_win", "D7")
    >>> read_cursor(cursor.text(), run_id="r1", order="-p_win") == cursor
    True
    """
    cursor = _decoded(text)
    if cursor.run_id != run_id:
        raise GoneError(
            "cursor: newer scores were published since the first page was read. Begin again without `cursor`."
        )
    if cursor.order != order:
        raise UsageError(
            f"cursor: expected one of a list sorted by {order}, found one of {cursor.order}. Begin again "
            "without `cursor`, or keep `sort` as it was."
        )
    return cursor


def _decoded(text: str) -> Cursor:
    try:
        if len(text) > _LONGEST:
            raise ValueError
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        parts: Any = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        run_id, order, last_id = (part for part in parts if isinstance(part, str))
    except (ValueError, TypeError, binascii.Error) as error:
        raise UsageError(
            "cursor: expected the `next_cursor` of a page, found another text. Begin again without `cursor`."
        ) from error
    return Cursor(run_id, order, last_id)
