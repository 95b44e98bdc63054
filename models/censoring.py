"""Weights that let closed deals stand for those still open (inverse probability of censoring).

In a window that ends at C a row can be followed for C - as_of. Quick deals close within that time,
slow ones often do not, so the closed rows alone overstate whatever quick deals do. A row that closed
after t days is weighted by 1 / G(t), where G(t) is the share of all rows of the window, closed or not,
that could be followed for longer than t.

The follow-up of every row is known here, of closed ones too, because the window's end alone decides
it. So G is counted directly; the reverse Kaplan-Meier estimate, made for follow-ups that a close
hides, aims at the same G from less information (the tests compare the two). What neither can mend:
deals slower than the whole window, which are never seen to close.
"""

import numpy as np
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, micros, to_micros
from models.split import Window

__all__ = ["MAX_WEIGHT", "censoring_weights", "window_weights"]

MAX_WEIGHT = 20.0
"""No row stands for more than so many; beyond it, variance costs more than the bias it removes."""


def censoring_weights(
    time_to_close: IntArray, follow_up: IntArray, known: BoolArray, *, max_weight: float = MAX_WEIGHT
) -> FloatArray:
    """1 / G(time_to_close) for known rows, 0 for censored ones, clipped; any unit of time.

    follow_up: how long each row could be followed, known or not. time_to_close is read where known.
    """
    weights = np.zeros(known.size)
    followed = np.sort(follow_up)
    longer = followed.size - np.searchsorted(followed, time_to_close[known], side="right")
    weights[known] = np.minimum(followed.size / np.maximum(longer, 1), max_weight)
    return weights


def window_weights(
    labels: pa.Table, window: Window, *, deal_power: float = 0.0, max_weight: float = MAX_WEIGHT
) -> FloatArray:
    """One weight per row of `labels`: mean 1 over the window's known rows, 0 elsewhere.

    labels: a column `weight`, where there is one, multiplies what censoring asks for. deal_power: a deal's n
    rows count as n ** (1 - deal_power) together: 0 leaves each row its weight, 1 gives each deal the same in
    total.
    """
    weights = np.zeros(labels.num_rows)
    inside, known = window.inside, window.known
    if not known.any():
        return weights
    at, closed = micros(labels["as_of"]), micros(labels["closed_at"])
    follow_up = to_micros(window.end) - at[inside]
    waited = np.where(known[inside], closed[inside] - at[inside], 0)
    weights[inside] = censoring_weights(waited, follow_up, known[inside], max_weight=max_weight)
    deals = deal_codes(labels)
    rows_of_deal = np.bincount(deals[known], minlength=int(deals.max()) + 1)[deals[known]]
    weights[known] *= rows_of_deal.astype(np.float64) ** -deal_power
    if "weight" in labels.column_names:
        weights[known] *= np.asarray(labels["weight"], dtype=np.float64)[known]
    weights[known] /= weights[known].mean()
    return weights
