"""Bands of use: contracts that use little, a fair part, or all of what was committed.

What a customer-success team would sort by without a model; the plain baselines rest on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray, IntArray
from models.baselines import column_numbers

__all__ = ["USE_COLUMNS", "UseBands"]

USE_COLUMNS = ("burn_ratio", "pace_vs_commitment", "use_per_month")
"""Columns that tell how much is used, the best first; the first that the frame holds is taken."""

_SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class UseBands:
    """Quartiles of a column among training rows. column: "" where no column of use is filled."""

    column: str
    edges: tuple[float, ...]

    @classmethod
    def fit(cls, frame: pa.Table, columns: Sequence[str] = USE_COLUMNS) -> "UseBands":
        """The quartiles of the first of the columns that differs between rows."""
        for name in columns:
            values = column_numbers(frame, name)
            filled = values[np.isfinite(values)]
            if filled.size and np.ptp(filled) > 0:
                return cls(name, tuple(np.unique(np.quantile(filled, _SHARES)).tolist()))
        return cls("", ())

    @property
    def n(self) -> int:
        """How many bands there are; the last is for rows without a value."""
        return len(self.edges) + 2

    def of(self, frame: pa.Table) -> IntArray:
        """Each row's band, 0 for the least use."""
        values: FloatArray = (
            column_numbers(frame, self.column) if self.column else np.full(frame.num_rows, np.nan)
        )
        place = np.searchsorted(np.array(self.edges), values, side="right")
        return np.where(np.isfinite(values), place, self.n - 1).astype(np.int64)
