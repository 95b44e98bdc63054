"""Values of exported cells: plain Python, in UTC, and safe in a spreadsheet.

A text that a spreadsheet may take for a formula (it begins with = + - @, their full-width forms, tab or
carriage return, blanks before them aside) is neutralised: in CSV by an apostrophe before it. There the same
is done after each semicolon, tab and line break inside a text, since a spreadsheet set to another separator
splits the text there. Numbers stay numbers, negative ones too.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

__all__ = ["Cell", "cells", "looks_like_formula", "safe_text"]

Cell = str | float | int | bool | date | datetime | None

_DANGEROUS = "=+\\-@\t\r\uff1d\uff0b\uff0d\uff20"
_AT_THE_START = re.compile(f"\\s*[{_DANGEROUS}]")
_AFTER_A_SEPARATOR = re.compile(f"([;\t\r\n])(?=[ ]*[{_DANGEROUS}])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet may run the text.

    >>> looks_like_formula("=1+1"), looks_like_formula("  @SUM(A1)"), looks_like_formula("a = b")
    (True, True, False)
    """
    return _AT_THE_START.match(text) is not None


def safe_text(text: str) -> str:
    """The text as a CSV file may hold it.

    >>> print(safe_text("=HYPERLINK(...)"), safe_text("5;=1+1"), safe_text("Müller-Lüdenscheidt"))
    '=HYPERLINK(...) 5;'=1+1 Müller-Lüdenscheidt
    """
    within = _AFTER_A_SEPARATOR.sub(r"\1'", text)
    return f"'{within}" if looks_like_formula(text) else within


def cells(column: "pa.ChunkedArray") -> list[Cell]:
    """The column's values: numbers, flags, dates, UTC times and texts; None where empty or not finite.

    Codes of a dictionary are resolved; lists and structs become JSON.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return cells(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        # not to_pylist: of times with a zone it imports pandas
        micros = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).to_pylist()
        return [None if value is None else _EPOCH + timedelta(microseconds=value) for value in micros]
    values = column.to_pylist()
    if pa.types.is_floating(kind):
        return [value if value is not None and np.isfinite(value) else None for value in values]
    if pa.types.is_nested(kind):
        return [None if value is None else orjson.dumps(value).decode() for value in values]
    return values if _is_plain(kind) else [None if value is None else str(value) for value in values]


def _is_plain(kind: pa.DataType) -> bool:
    tests: tuple[Any, ...] = (
        pa.types.is_boolean, pa.types.is_integer, pa.types.is_date, pa.types.is_string,
        pa.types.is_large_string,
    )  # fmt: skip
    return any(test(kind) for test in tests)
