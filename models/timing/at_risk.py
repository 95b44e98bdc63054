"""Snapshots times bins of the time ahead: the rows from which the time to close is learnt.

A deal that is open at a snapshot closes in one of the bins, or is still open when it can no longer be
followed. It is at risk in each bin up to its close, and counts in a bin only if it could be followed to
the bin's end: how long that is, the window's end alone decides, of closed deals as of open ones. So open
deals are neither dropped nor taken for lost, and no bin is seen in part.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from models.arrays import DAY_US, NEVER, BoolArray, FloatArray, IntArray, known_outcomes, micros, to_micros

__all__ = ["LADDER", "AtRisk", "Followed", "bin_edges"]

LADDER = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 56, 91, 126, 182, 273, 365, 548, 730)
"""Days at which bins may end; finer where deals close, see `bin_edges`."""

_LEAST_SHARE = 0.01
_LEAST_CLOSES = 20


@dataclass(frozen=True)
class Followed:
    """Snapshots with what followed by the window's end; all arrays (n,), times in days.

    until: how long the snapshot's deal could be followed. after: when it closed, inf where that was not
    seen. won: read where it closed.
    """

    until: FloatArray
    after: FloatArray
    won: BoolArray

    @classmethod
    def of(cls, labels: pa.Table, end: datetime) -> "Followed":
        """What each row of a label frame shows if nothing is known from `end` on."""
        at, closed, last = micros(labels["as_of"]), micros(labels["closed_at"]), to_micros(end)
        seen = (closed < last) & (closed != NEVER)
        after = np.where(seen, (np.where(seen, closed, 0) - at) / DAY_US, np.inf)
        return cls((last - at) / DAY_US, after, seen & (known_outcomes(labels) == 1))

    def take(self, rows: IntArray) -> "Followed":
        """The rows chosen."""
        return Followed(self.until[rows], self.after[rows], self.won[rows])

    def at_risk(self, edges: FloatArray) -> "AtRisk":
        """Each snapshot once per bin in which its deal was at risk; edges: (bins + 1,), the first 0."""
        open_at_start = self.after[:, None] >= edges[None, :-1]
        open_at_start[:, 0] = True
        row, held = np.nonzero(open_at_start & (self.until[:, None] >= edges[None, 1:]))
        closed = self.after[row] < edges[held + 1]
        return AtRisk(row.astype(np.int64), held.astype(np.int64), closed, closed & self.won[row])


@dataclass(frozen=True)
class AtRisk:
    """Pairs of snapshot and bin: row and bin are places; closed, won: what happened in the bin."""

    row: IntArray
    bin: IntArray
    closed: BoolArray
    won: BoolArray


def bin_edges(followed: Followed) -> FloatArray:
    """Days at which the bins begin and end, 0 first: rungs of the ladder as fine as the closes bear.

    A bin holds at least 1 % of the closes and 20 of them, counted as `at_risk` counts them; with fewer
    there is one bin, of 91 days or as much of it as could be followed.
    """
    longest = float(followed.until.max()) if followed.until.size else 0.0
    rungs = [0.0, *(float(rung) for rung in LADDER if rung <= longest)]
    least = max(_LEAST_CLOSES, _LEAST_SHARE * np.isfinite(followed.after).sum())
    edges = [0.0]
    for rung in rungs[1:]:
        inside = (followed.after >= edges[-1]) & (followed.after < rung) & (followed.until >= rung)
        if inside.sum() >= least:
            edges.append(rung)
    if len(edges) == 1:
        edges.append(min(91.0, max(longest, 1.0)))
    return np.array(edges)
