"""Raw values as they come in JSON, read as the types of the canonical schema."""

import math
from datetime import UTC, datetime
from typing import Any

from data.schema import CUSTOM_PREFIX, Column

__all__ = ["Fault", "expected_of", "fault_of", "read", "text"]

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_LARGEST = 2**63 - 1

Fault = tuple[str, str]
"""What was expected, and the reason as a load words it."""

_EXPECTED = {
    "string": "text", "int64": "a whole number", "float64": "a number", "boolean": "true or false",
    "timestamp": "an ISO 8601 time such as 2025-06-30T09:00:00Z",
}  # fmt: skip


def read(column: Column, value: Any) -> Any:
    """The value in the column's type, None where it is missing (null, empty text, NaN).

    Times without a zone count as UTC. Raises ValueError for a value that is not of the type.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    found = _READERS[column.dtype](value)
    return None if isinstance(found, float) and math.isnan(found) else found


def fault_of(column: Column, value: Any) -> Fault | None:
    """What is wrong with a value that `read` gave, None if nothing is."""
    if value is None:
        return None if column.nullable else ("a value", "empty")
    is_own = column.custom_values and str(value).startswith(CUSTOM_PREFIX)
    if column.values and value not in column.values and not is_own:
        return f"one of {', '.join(column.values)}", f"not one of {', '.join(column.values)}"
    if isinstance(value, float) and math.isinf(value):
        return "a finite number", "not finite"
    if column.minimum is not None and value < column.minimum:
        return f"at least {column.minimum:g}", f"below {column.minimum:g}"
    if column.maximum is not None and value > column.maximum:
        return f"at most {column.maximum:g}", f"above {column.maximum:g}"
    return None


def expected_of(column: Column) -> str:
    """The column's type in words."""
    return _EXPECTED[column.dtype]


def text(value: Any) -> str:
    """A text, or a number as text. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not text")
    said = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    said.encode()  # a lone surrogate is no text, and no column can hold it
    return said


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a number")
    number = int(value) if not isinstance(value, float) else _exactly(value)
    if abs(number) > _LARGEST:
        raise ValueError("beyond 64 bits")
    return number


def _exactly(value: float) -> int:
    if not value.is_integer():
        raise ValueError("not whole")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("too large") from error


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise ValueError("neither true nor false")
    return word in _TRUE


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        read = value
    elif isinstance(value, str):
        read = datetime.fromisoformat(value)
    else:
        raise ValueError("not a time")
    try:
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error


_READERS = {"string": text, "int64": _whole, "float64": _number, "boolean": _flag, "timestamp": _instant}
