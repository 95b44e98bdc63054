"""When each open deal will be won: its probability of being won by so many days, as published.

The curve is kept at fixed knots, linear between them and from 0 at day 0. Beyond the last knot the
published curve stays at its value there; what is then left of the win probability comes later still.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray
from serving.deals import rows_of
from serving.published import Published

__all__ = ["KNOTS", "TIMING", "CloseCurve", "close_curve", "curve_of_row", "timing_table", "won_by"]

TIMING = "win_timing.parquet"

KNOTS = (7, 14, 21, 28, 42, 56, 91, 126, 182, 273, 365, 548, 730)
"""Days after as_of at which the curves are kept."""

_COLUMNS = tuple(f"p_won_by_{days}" for days in KNOTS)


@dataclass(frozen=True)
class CloseCurve:
    """One deal's curve: p_won_by at `days`, which begin with 0; p_win is the limit."""

    days: tuple[int, ...]
    p_won_by: tuple[float, ...]
    p_win: float

    def at(self, days: float) -> float:
        """The probability of being won within so many days of as_of."""
        return float(np.interp(days, self.days, self.p_won_by))


def timing_table(deals: Any, p_win: FloatArray, p_won_by: FloatArray) -> pa.Table:
    """The table that is published: opportunity_id, p_win, and p_won_by_<days> at each knot.

    deals: ids, in the order of the scores. p_won_by: at the knots, (n, knots).
    """
    columns = {name: p_won_by[:, place] for place, name in enumerate(_COLUMNS)}
    return pa.table({"opportunity_id": deals, "p_win": p_win, **columns})


def won_by(timing: pa.Table, days: FloatArray) -> FloatArray:
    """The probability of being won within so many days, (n, m), of each row of the published table.

    days: at least 0, shape (m,).
    """
    knots = np.array([0.0, *KNOTS])
    curves = np.column_stack([np.zeros(timing.num_rows), *(_floats(timing, name) for name in _COLUMNS)])
    asked = np.clip(np.asarray(days, dtype=np.float64), 0.0, knots[-1])
    held = np.minimum(np.searchsorted(knots, asked, side="right") - 1, len(KNOTS) - 1)
    part = (asked - knots[held]) / (knots[held + 1] - knots[held])
    return curves[:, held] + part * (curves[:, held + 1] - curves[:, held])


def _floats(table: pa.Table, name: str) -> FloatArray:
    # not to_numpy: it imports pandas, longer than all else a reader does
    return np.asarray(np.from_dlpack(table[name].combine_chunks()), dtype=np.float64)


def close_curve(published: Published, opportunity_id: str) -> CloseCurve | None:
    """The deal's curve; None for a deal that was not scored, or in a run published without curves."""
    if TIMING not in published.manifest["files"]:
        return None
    rows = rows_of(published.table(TIMING), opportunity_id)
    return curve_of_row(rows[0]) if rows else None


def curve_of_row(row: dict[str, Any]) -> CloseCurve:
    """The curve in a row of the published table."""
    return CloseCurve((0, *KNOTS), (0.0, *(row[name] for name in _COLUMNS)), row["p_win"])
