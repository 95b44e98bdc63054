"""Columns of a published table as plain values, read without what Arrow imports for its own filters."""

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray

__all__ = ["numbers", "texts"]


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
