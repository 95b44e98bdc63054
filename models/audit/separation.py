"""How well one column tells won from lost deals, with bounds that count deals, not rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, micros
from models.metrics import auc

__all__ = [
    "DEALS_AT_LEAST",
    "Rows",
    "auc_lower",
    "category_auc",
    "deals_of",
    "number_auc",
    "rows_of",
    "share_bounds",
    "too_few",
    "two_sided_auc",
]

Z = 2.326
"""The one-sided 99 % point of the normal distribution."""
DEALS_AT_LEAST = 10


@dataclass(frozen=True)
class Rows:
    """Training rows as the checks need them.

    later marks the half of the deals that began last, newest the third of them that did.
    """

    y: FloatArray
    weight: FloatArray
    deal: IntArray
    later: BoolArray
    newest: BoolArray

    def every(self) -> BoolArray:
        """True for each row."""
        return np.ones(len(self.y), dtype=np.bool_)


def rows_of(frame: pa.Table, y: FloatArray, weight: FloatArray) -> Rows:
    """The rows of a frame (opportunity_id, as_of), their outcomes and weights."""
    deal = deal_codes(frame)
    if not len(deal):
        return Rows(y, weight, deal, np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_))
    first = np.full(int(deal.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, deal, micros(frame["as_of"]))
    # by rank, so that half of the deals are later even where many began at one instant
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    later, newest = rank >= len(first) // 2, rank >= len(first) - len(first) // 3
    return Rows(y, weight, deal, np.asarray(later)[deal], np.asarray(newest)[deal])


def deals_of(rows: Rows, chosen: BoolArray) -> tuple[int, int]:
    """Deals won and lost among the chosen rows."""
    won = rows.y > 0.5
    return len(np.unique(rows.deal[chosen & won])), len(np.unique(rows.deal[chosen & ~won]))


def too_few(rows: Rows, chosen: BoolArray | None = None) -> bool:
    """Whether fewer than ten deals of either outcome are among the chosen rows (all by default)."""
    return min(deals_of(rows, rows.every() if chosen is None else chosen)) < DEALS_AT_LEAST


def number_auc(x: FloatArray, rows: Rows, chosen: BoolArray) -> float:
    """The two-sided AUC of a number, null ranked below all values or above, whichever tells more."""
    if not np.isfinite(x).any():
        return 0.5
    return max(two_sided_auc(np.where(np.isfinite(x), x, end), rows, chosen) for end in (-np.inf, np.inf))


def category_auc(texts: Any, rows: Rows, learnt: BoolArray, tested: BoolArray) -> float:
    """The AUC, on the tested rows, of each level's share won on the learnt ones (no deal in both).

    Estimated and tested apart, since a column of nearly as many levels as deals would else seem to
    know everything. Levels are pulled to the mean by the weight of one average row; unseen ones are the mean.
    """
    if not learnt.any() or not tested.any():
        return 0.5
    levels, code = np.unique(texts.astype(str), return_inverse=True)
    n, pull = len(levels), float(rows.weight.mean())
    total_weight = rows.weight[learnt].sum()
    mean = float(np.average(rows.y[learnt], weights=rows.weight[learnt])) if total_weight > 0 else 0.5
    won = np.bincount(code[learnt], (rows.weight * rows.y)[learnt], n)
    total = np.bincount(code[learnt], rows.weight[learnt], n)
    rate = (won + pull * mean) / (total + pull)
    return two_sided_auc(rate[code], rows, tested)


def two_sided_auc(x: FloatArray, rows: Rows, chosen: BoolArray) -> float:
    """max(AUC, 1 - AUC) over the chosen rows; 0.5 where there is none."""
    if not chosen.any() or rows.weight[chosen].sum() <= 0:
        return 0.5
    # ranks stand in for values, so that infinite ones are no matter
    _, rank = np.unique(x[chosen], return_inverse=True)
    found = auc(rows.y[chosen], rank.astype(np.float64), rows.weight[chosen])
    return 0.5 if found is None else max(found, 1 - found)


def auc_lower(value: float, won: int, lost: int) -> float:
    """The lower end of the one-sided 99 % interval of an AUC of so many deals.

    Source: Hanley and McNeil (1982).
    """
    if min(won, lost) < 2:
        return 0.5
    # half a pair's worth of doubt keeps the error above zero where the separation is perfect
    a = min(value, 1 - 0.5 / (won * lost))
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (won - 1) * (q1 - a * a) + (lost - 1) * (q2 - a * a)) / (won * lost)
    return a - Z * float(np.sqrt(max(variance, 0.0)))


def share_bounds(found: float, of: float) -> tuple[float, float]:
    """The one-sided 99 % bounds, below and above, of a share of so many deals.

    Source: Wilson (1927).

    >>> [round(bound, 3) for bound in share_bounds(0, 100)]
    [0.0, 0.051]
    """
    if of <= 0:
        return 0.0, 1.0
    share, z2 = found / of, Z * Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    reach = Z * float(np.sqrt(share * (1 - share) / of + z2 / (4 * of * of))) / (1 + z2 / of)
    return max(centre - reach, 0.0), min(centre + reach, 1.0)
