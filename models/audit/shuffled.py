"""Labels shuffled within a month: a model that still finds something to learn has seen the answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, micros
from models.audit.findings import CheckResult
from models.boosting import Shape, dataset, fit_booster
from models.encoding import Encoder

__all__ = ["shuffled_labels"]

_MONTH_US = 30 * 86_400_000_000
_SHUFFLES = 5
_ROUNDS = 40
_MOST_DEALS = 3_000
_ROWS_PER_DEAL = 4
_DEALS_AT_LEAST = 60
_LOW, _HIGH = 0.45, 0.55
_Z = 3.0
"""Wide on purpose: this verdict stops a run."""


def shuffled_labels(frame: pa.Table, y: FloatArray, *, features: Sequence[Feature], seed: int) -> CheckResult:
    """The AUC of a quick model on deals it has not seen, when outcomes are swapped within a month.

    frame, y: training rows of known outcome. Half of the deals are learnt from, a snapshot of each of the
    others is scored, then the other way round; only deals that began in the same month are compared, so
    that a share won which drifts over the months is no signal. Encoding and trees are those of the win model.
    """
    deal = deal_codes(frame)
    n = len(np.unique(deal))
    if n < _DEALS_AT_LEAST or min(y.sum(), (1 - y).sum()) == 0:
        return CheckResult(
            "shuffled_labels", "not applicable", f"{n} training deals, {_DEALS_AT_LEAST} wanted"
        )
    rng = np.random.default_rng(seed)
    rows = _drawn(frame, deal, rng)
    frame, y, deal = frame.take(rows), y[rows], deal[rows]
    _, deal = np.unique(deal, return_inverse=True)
    month = _months(frame, deal)
    totals = np.zeros(3)
    for _ in range(_SHUFFLES):
        swapped = _swapped(y, deal, month, rng)
        half = rng.permutation(len(month)) % 2 == 0
        for learnt in (half, ~half):
            totals += _compared(frame, swapped, deal, month, learnt, features, seed)
    return _verdict(totals)


def _drawn(frame: pa.Table, deal: IntArray, rng: np.random.Generator) -> IntArray:
    """Some deals, and a few snapshots of each, in the order of the frame."""
    chosen = rng.permutation(int(deal.max()) + 1)[:_MOST_DEALS]
    order = rng.permutation(frame.num_rows)
    order = order[np.isin(deal[order], chosen)]
    order = order[np.argsort(deal[order], kind="stable")]
    starts = np.flatnonzero(np.concatenate([[True], deal[order][1:] != deal[order][:-1]]))
    place = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return np.sort(order[place < _ROWS_PER_DEAL])


def _months(frame: pa.Table, deal: IntArray) -> IntArray:
    """The month of each deal's first snapshot."""
    first = np.full(int(deal.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, deal, micros(frame["as_of"]))
    return first // _MONTH_US


def _swapped(y: FloatArray, deal: IntArray, month: IntArray, rng: np.random.Generator) -> FloatArray:
    """The outcome of each deal (not row), swapped among the deals of its month."""
    outcome = np.zeros(len(month))
    outcome[deal] = y
    order = np.lexsort((rng.random(len(month)), month))
    swapped = np.empty_like(outcome)
    swapped[np.argsort(month, kind="stable")] = outcome[order]
    return swapped


def _compared(
    frame: pa.Table, outcome: FloatArray, deal: IntArray, month: IntArray, learnt: BoolArray,
    features: Sequence[Feature], seed: int,
) -> FloatArray:  # fmt: skip
    """Pairs ranked right, pairs in all, and the variance of the first, over deals not learnt from."""
    row_y, fit = outcome[deal], learnt[deal]
    if not 0 < row_y[fit].mean() < 1:
        return np.zeros(3)
    ones = np.ones(len(row_y))
    encoder = Encoder.fit(frame, row_y, rows=fit, weight=ones, features=features)
    X = encoder.transform(frame)
    shape = Shape(min_data_in_leaf=20)
    booster = fit_booster(dataset(X[fit], row_y[fit], ones[fit], seed=seed), shape, rounds=_ROUNDS, seed=seed)
    others, first = np.unique(deal[~fit], return_index=True)
    p = np.asarray(booster.predict(X[~fit][first], num_threads=1))
    sums = np.zeros(3)
    for each in np.unique(month[others]):
        here = month[others] == each
        won, lost = p[here & (outcome[others] > 0.5)], p[here & (outcome[others] < 0.5)]
        pairs = len(won) * len(lost)
        if pairs:
            right = (won[:, None] > lost).sum() + 0.5 * (won[:, None] == lost).sum()
            sums += right, pairs, pairs * (len(won) + len(lost) + 1) / 12
    return sums


def _verdict(totals: FloatArray) -> CheckResult:
    right, pairs, variance = totals
    if pairs == 0:
        return CheckResult("shuffled_labels", "not applicable", "no two deals of one month to compare")
    auc = right / pairs
    # halves and shuffles share deals, so the error is that of one shuffle
    reach = _Z * float(np.sqrt(variance / _SHUFFLES)) / (pairs / _SHUFFLES)
    low, high = auc - reach, auc + reach
    figures: dict[str, Any] = {
        "auc": float(auc),
        "interval": [float(low), float(high)],
        "shuffles": _SHUFFLES,
    }
    said = f"AUC {auc:.3f} ({low:.3f} to {high:.3f}) on shuffled labels; {_LOW} to {_HIGH} wanted"
    if low > _HIGH or high < _LOW:
        return CheckResult(
            "shuffled_labels", "failed", f"{said}.",
            "Shuffled outcomes can be learnt only where encoding or fitting reads rows that it should not: "
            "no figure of this version holds. Go back to the version before, and report it.",
            structural=True, figures=figures,
        )  # fmt: skip
    return CheckResult("shuffled_labels", "passed", said, structural=True, figures=figures)
