"""Array types, and the few ways by which columns of an Arrow table become arrays."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "DAY_US",
    "NEVER",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "case_key",
    "deal_codes",
    "known_outcomes",
    "micros",
    "moment",
    "to_micros",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DAY_US = 86_400_000_000
NEVER = np.iinfo(np.int64).max
"""Stands for a time that has not come; later than every instant."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(column: Any) -> IntArray:
    """Microseconds since 1970 of a timestamp column (Arrow); NEVER where it is null."""
    whole: Any = pc.cast(pc.cast(column, pa.timestamp("us", "UTC")), pa.int64())
    filled: Any = pc.fill_null(whole, int(NEVER))
    return np.asarray(filled, dtype=np.int64)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970, exactly."""
    return _EPOCH + timedelta(microseconds=int(us))


def case_key(frame: pa.Table) -> str:
    """The column that tells cases apart: the deal's id, or the contract's in frames of renewals."""
    return "opportunity_id" if "opportunity_id" in frame.column_names else "contract_id"


def deal_codes(labels: pa.Table) -> IntArray:
    """One integer per row that tells cases (deals, or contracts) apart, in order of appearance."""
    encoded: Any = pc.dictionary_encode(_one_chunk(labels[case_key(labels)]))
    return np.asarray(encoded.indices, dtype=np.int64)


def known_outcomes(labels: pa.Table) -> FloatArray:
    """`y` as 1.0 (won), 0.0 (lost) or NaN (not known)."""
    y: Any = pc.cast(labels["y"], pa.float64())
    filled: Any = pc.fill_null(y, float("nan"))
    return np.asarray(filled, dtype=np.float64)


def _one_chunk(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
