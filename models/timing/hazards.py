"""From hazards of closing, bin by bin, to the share of the wins that have come by a day.

Two causes compete, won and lost. In each bin a deal that is still open closes with probability h, and is
then won with probability r; so the chance of a win in a bin is what is still open before it, times h r
(Aalen and Johansen 1978). The share of a deal's wins that have come by a day is that sum so far over its
limit: the time to close, given that it is won.
"""

from dataclasses import dataclass

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray

__all__ = ["Hazards", "checked_days"]

_FLOOR = 1e-6


@dataclass(frozen=True)
class Hazards:
    """Of n deals over the same bins: edges (bins + 1,) in days; closing and won_if_closed (n, bins).

    Beyond the last edge a deal closes at the last bin's rate per day, and is won as often as in it.
    """

    edges: FloatArray
    closing: FloatArray
    won_if_closed: FloatArray

    def p_won_by(self, days: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The chance of a win by each day (n, m), 0 at day 0 and linear within a bin, and its limit (n,)."""
        h = np.clip(self.closing, _FLOOR, 1 - _FLOOR)
        r = np.clip(self.won_if_closed, _FLOOR, 1.0)
        still_open = np.cumprod(1 - h, axis=1)
        before = np.column_stack([np.ones(len(h)), still_open[:, :-1]])
        at_edges = np.column_stack([np.zeros(len(h)), np.cumsum(before * h * r, axis=1)])
        left = still_open[:, -1] * r[:, -1]
        by = np.empty((len(h), days.size))
        for place, day in enumerate(days.tolist()):
            by[:, place] = self._by(day, at_edges, left, h[:, -1])
        return by, at_edges[:, -1] + left

    def share_won_by(self, days: FloatArray) -> FloatArray:
        """Of the wins to come, the share that has come by each day (n, m): 0 at day 0, 1 in the limit.

        Never decreasing in the days, to the last bit. days: as `checked_days` gives them.
        """
        order = np.argsort(days, kind="stable")
        by, limit = self.p_won_by(days[order])
        share = np.minimum(np.maximum.accumulate(by / limit[:, None], axis=1), 1.0)
        found = np.empty_like(share)
        found[:, order] = share
        return found

    def _by(self, day: float, at_edges: FloatArray, left: FloatArray, last_h: FloatArray) -> FloatArray:
        if day >= self.edges[-1]:
            per_day = -np.log1p(-last_h) / (self.edges[-1] - self.edges[-2])
            return at_edges[:, -1] - left * np.expm1(-per_day * (day - self.edges[-1]))
        held = int(np.searchsorted(self.edges, day, side="right")) - 1
        part = (day - self.edges[held]) / (self.edges[held + 1] - self.edges[held])
        return at_edges[:, held] + part * (at_edges[:, held + 1] - at_edges[:, held])


def checked_days(days: FloatArray) -> FloatArray:
    """The days ahead as a flat array of floats. Raises ModelContractError for one below 0 or not a number."""
    flat = np.atleast_1d(np.asarray(days, dtype=np.float64)).ravel()
    wrong = flat[~(flat >= 0)]
    if wrong.size:
        raise ModelContractError(
            f"Days ahead: expected numbers of at least 0 (inf for the limit), found {wrong[:5].tolist()}. "
            "Ask for days after the snapshot."
        )
    return flat
