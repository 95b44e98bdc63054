"""Columns of a published table as plain values, read without what Arrow imports for its own filters."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray, moment

__all__ = ["instants", "numbers", "texts"]


def instants(table: pa.Table, column: str) -> list[datetime | None]:
    """A column of UTC times to the microsecond, None where one is missing."""
    whole = table[column].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    held: list[int | None] = whole.to_pylist()
    return [None if value is None else moment(value) for value in held]


def texts(table: pa.Table, column: str) -> list[str | None]:
    """A column of texts; nulls where the table has no such column."""
    if column not in table.column_names:
        return [None] * table.num_rows
    held: list[str | None] = table[column].to_pylist()
    return held


def numbers(table: pa.Table, column: str) -> FloatArray:
    """A column of numbers, NaN where one is missing."""
    held: list[float | None] = table[column].to_pylist()
    return np.array([np.nan if value is None else value for value in held], dtype=np.float64)
