"""Do segments separate won from lost deals out of time, and do headcount bands deserve their boundaries?

A segment moves a known probability by a shift in log-odds, fitted on earlier deals and drawn to zero,
so that a small segment claims little. Two things are known before: the base rate, and the share won by
stage and age. What the shifts gain is measured on later deals, with an interval from whole deals drawn
again; the fitted shifts stay as they are in every draw. A boundary is held against boundaries drawn at
random over the same headcounts, since any cut of a number that matters a little gains a little; and
against a smooth effect of size, since a cut near the middle of such an effect beats most random ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, known_outcomes
from models.baselines import column_numbers, column_texts, stage_age_table
from models.calibration import sigmoid
from models.censoring import window_weights
from models.metrics import Resampling, log_loss_difference, log_odds, row_log_loss
from models.segment_report import (
    CONTEXTS,
    CUT_CONTEXTS,
    Boundary,
    Gain,
    Level,
    Segmentation,
    SegmentReport,
    Versus,
)
from models.split import Split

__all__ = ["BANDS", "judge_segments"]

BANDS = (200, 1_000, 5_000)
"""Headcounts at which sales organisations usually cut their market."""

_STRUCTURES = ("decision_structure", "decision_structure_inferred")
_MISSING = "(missing)"

_PULL = 4.0
"""Penalty on a squared shift, in deals: it draws a segment's rate as 20 deals at the base rate would."""
_RANDOM_WITHIN = (0.02, 0.98)
_REPLICATES = 500


@dataclass(frozen=True)
class _Side:
    """Labelled rows of one side of the split; weights add up to its number of deals."""

    frame: pa.Table
    y: FloatArray
    weight: FloatArray
    deal: IntArray
    known: dict[str, FloatArray]

    @property
    def deals(self) -> int:
        return int(np.unique(self.deal).size)

    def where(self, rows: BoolArray) -> "_Side":
        known = {name: z[rows] for name, z in self.known.items()}
        frame = self.frame.filter(pa.array(rows))
        return _Side(frame, self.y[rows], self.weight[rows], self.deal[rows], known)


@dataclass(frozen=True)
class _Sides:
    fitted: _Side
    test: _Side
    resampling: Resampling

    def where(self, fitted: BoolArray, test: BoolArray) -> "_Sides":
        later = self.test.where(test)
        # the same draws of deals, seen on fewer rows
        return _Sides(
            self.fitted.where(fitted), later, Resampling(self.resampling.counts, self.resampling.deal[test])
        )


def judge_segments(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    *,
    bands: Sequence[int] = BANDS,
    n_random: int = 400,
    seed: int = 0,
) -> SegmentReport:
    """The report on decision structure and headcount bands; same rows and seed, same report.

    frame: a feature frame with stage, deal_age_days, employees and decision_structure, and, where the
    catalogue has it, decision_structure_inferred; labels row for row alike. Fitted on the train and the
    calibration window, judged on the test window; every deal weighs alike, corrected for censoring.
    """
    sides = _sides(frame, labels, split, seed)
    bands = tuple(sorted(bands))
    names = [name for name in _STRUCTURES if name in frame.column_names]
    ways = {
        name: (column_texts(sides.fitted.frame, name), column_texts(sides.test.frame, name)) for name in names
    }
    ways["headcount_bands"] = (_band_names(sides.fitted, bands), _band_names(sides.test, bands))
    p = {name: _predictions(sides, *ways[name]) for name in ways}
    tested = {name for name in ways if _levels_known(ways[name][0]) > 1}
    pairs = [(name, "headcount_bands") for name in names if {name, "headcount_bands"} <= tested]
    return SegmentReport(
        as_of=split.as_of,
        test_from=split.test.start,
        fitted_deals=sides.fitted.deals,
        test_deals=sides.test.deals,
        base_rate=float(np.average(sides.fitted.y, weights=sides.fitted.weight)),
        segmentations=tuple(_segmentation(sides, name, *ways[name], p[name]) for name in ways),
        versus=tuple(
            Versus(one, other, context, _gain(sides, p[one][context], p[other][context]))
            for one, other in pairs
            for context in CONTEXTS
        ),
        boundaries=_boundaries(sides, bands, n_random, seed),
        seed=seed,
    )  # fmt: skip


def _sides(frame: pa.Table, labels: pa.Table, split: Split, seed: int) -> _Sides:
    y, deal = known_outcomes(labels), deal_codes(labels)
    earlier, later = split.train.known | split.calibration.known, split.test.known
    weight = window_weights(labels, split.train, deal_power=1) + window_weights(
        labels, split.calibration, deal_power=1
    )
    weight = weight * (np.unique(deal[earlier]).size / weight.sum())
    base = float(np.average(y[earlier], weights=weight[earlier]))
    table = stage_age_table(frame.filter(pa.array(earlier)), y[earlier], weight[earlier], base)

    def side(rows: BoolArray, weight: FloatArray) -> _Side:
        seen = frame.filter(pa.array(rows))
        known = {"base_rate": log_odds(np.full(seen.num_rows, base)), "stage_and_age": log_odds(table(seen))}
        return _Side(seen, y[rows], weight[rows], deal[rows], known)

    test = side(later, window_weights(labels, split.test, deal_power=1))
    return _Sides(side(earlier, weight), test, Resampling.over(test.deal, replicates=_REPLICATES, seed=seed))


def _predictions(sides: _Sides, earlier: npt.NDArray[Any], later: npt.NDArray[Any]) -> dict[str, FloatArray]:
    """P(won) of the test rows by context, shifted by segment; an unseen segment is not shifted."""
    names, code = np.unique(earlier.astype(str), return_inverse=True)
    place = np.minimum(np.searchsorted(names, later.astype(str)), len(names) - 1)
    seen = names[place] == later.astype(str)
    found = {}
    for context in CONTEXTS:
        shift = _shifts(sides.fitted, code, len(names), context)
        found[context] = sigmoid(sides.test.known[context] + np.where(seen, shift[place], 0.0))
    return found


def _shifts(side: _Side, code: IntArray, n: int, context: str) -> FloatArray:
    """Log-odds by which each of n segments differs from what was known; shape (n,)."""
    return _coefficients(np.eye(n)[code], side, side.known[context], np.full(n, _PULL))


def _coefficients(X: FloatArray, side: _Side, z: FloatArray, penalty: FloatArray) -> FloatArray:
    """Ridge logistic regression on top of log-odds z, by Newton's method; shape (columns,)."""
    found = np.zeros(X.shape[1])
    for _ in range(50):
        p = sigmoid(z + X @ found)
        gradient = X.T @ (side.weight * (side.y - p)) - penalty * found
        curvature = (X * (side.weight * p * (1 - p))[:, None]).T @ X + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        found = found + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-7:
            break
    return found


def _gain(sides: _Sides, p: FloatArray, other: FloatArray) -> Gain:
    found = log_loss_difference(sides.test.y, p, other, sides.test.weight, sides.resampling)
    interval = found["interval"]
    return Gain(found["difference"], (interval[0], interval[1]) if interval else None, found["lower_bound"])


def _segmentation(
    sides: _Sides, name: str, earlier: npt.NDArray[Any], later: npt.NDArray[Any], p: dict[str, FloatArray]
) -> Segmentation:
    known = _levels_known(earlier)
    if known < 2:
        why = "is not given in this data" if not known else "has one value only in this data"
        return Segmentation(name, (), {}, why)
    names, code = np.unique(earlier.astype(str), return_inverse=True)
    rates = sigmoid(sides.fitted.known["base_rate"][0] + _shifts(sides.fitted, code, len(names), "base_rate"))
    levels = tuple(
        _level(sides, str(level), float(rate), earlier == level, later == level)
        for level, rate in zip(names, rates, strict=True)
    )
    gains = {c: _gain(sides, p[c], sigmoid(sides.test.known[c])) for c in CONTEXTS}
    return Segmentation(name, levels, gains)


def _level(sides: _Sides, name: str, rate: float, earlier: BoolArray, later: BoolArray) -> Level:
    return Level(
        "unknown" if name == _MISSING else name,
        int(np.unique(sides.fitted.deal[earlier]).size),
        _share_won(sides.fitted, earlier),
        rate,
        int(np.unique(sides.test.deal[later]).size),
        _share_won(sides.test, later),
    )


def _share_won(side: _Side, rows: BoolArray) -> float | None:
    weight = side.weight[rows]
    return float(np.average(side.y[rows], weights=weight)) if weight.sum() > 0 else None


def _levels_known(names: npt.NDArray[Any]) -> int:
    return len(set(names.tolist()) - {_MISSING})


def _band_names(side: _Side, bands: tuple[int, ...]) -> npt.NDArray[Any]:
    """The headcount band of each row, in words."""
    headcount = column_numbers(side.frame, "employees")
    words = [f"under {bands[0]:,}"]
    words += [f"{low:,} to {high - 1:,}" for low, high in pairwise(bands)]
    words.append(f"{bands[-1]:,} or more")
    place = np.searchsorted(np.array(bands), np.nan_to_num(headcount), side="right")
    return np.where(np.isfinite(headcount), np.array(words, dtype=object)[place], _MISSING)


def _boundaries(sides: _Sides, bands: tuple[int, ...], n_random: int, seed: int) -> tuple[Boundary, ...]:
    """Each boundary, and all together, among random ones; on deals of known headcount alone."""
    headcount = [column_numbers(side.frame, "employees") for side in (sides.fitted, sides.test)]
    known = [np.isfinite(one) for one in headcount]
    cuts = [(one,) for one in bands] + ([bands] if len(bands) > 1 else [])
    if not all(one.any() for one in known):
        absent = "headcount is not given in this data"
        pairs = [(cut, context) for cut in cuts for context in CUT_CONTEXTS]
        return tuple(Boundary(cut, context, None, None, (), 0, absent) for cut, context in pairs)
    earlier, later = (one[rows] for one, rows in zip(headcount, known, strict=True))
    sides = sides.where(*known)
    rng, found = np.random.default_rng(seed), []
    places = np.quantile(earlier, rng.uniform(*_RANDOM_WITHIN, (n_random, len(bands))), method="higher")
    for cut in cuts:
        drawn = np.sort(places[:, : len(cut)], axis=1)
        found += [_boundary(sides, (earlier, later), cut, drawn, context) for context in CUT_CONTEXTS]
    return tuple(found)


def _boundary(
    sides: _Sides,
    headcount: tuple[FloatArray, FloatArray],
    cut: tuple[int, ...],
    drawn: FloatArray,
    context: str,
) -> Boundary:
    earlier, later = headcount
    if len(np.unique(np.searchsorted(cut, earlier, side="right"))) <= len(cut):
        absent = "a band holds no earlier deal"
        return Boundary(cut, context, None, None, (), 0, absent)
    undivided = _cut_predictions(sides, earlier, later, np.array([]), context)
    gain = _gain(sides, _cut_predictions(sides, earlier, later, np.array(cut), context), undivided)
    gains = np.array([
        _mean_gain(sides, _cut_predictions(sides, earlier, later, one, context), undivided) for one in drawn
    ])  # fmt: skip
    as_much = float((1 + (gains >= gain.difference).sum()) / (len(gains) + 1))
    quartiles = tuple(float(q) for q in np.quantile(gains, (0, 0.25, 0.5, 0.75, 1)))
    return Boundary(cut, context, gain, as_much, quartiles, len(gains))


def _cut_predictions(
    sides: _Sides, earlier: FloatArray, later: FloatArray, cut: FloatArray, context: str
) -> FloatArray:
    """P(won) of the test rows, shifted by the band they lie in, and along the size trend if that is known.

    The trend is fitted together with the bands, so that it does not take what is theirs.
    """
    bands = np.eye(len(cut) + 1)
    X, seen = (bands[np.searchsorted(cut, one, side="right")] for one in (earlier, later))
    penalty, known = np.full(len(bands), _PULL), context
    if context == "size_trend":
        X, seen = np.hstack([_curve(earlier), X]), np.hstack([_curve(later), seen])
        penalty, known = np.concatenate([np.full(2, 0.01), penalty]), "base_rate"
    found = _coefficients(X, sides.fitted, sides.fitted.known[known], penalty)
    return sigmoid(sides.test.known[known] + seen @ found)


def _curve(headcount: FloatArray) -> FloatArray:
    """Two columns that bend with log headcount, of about unit size."""
    x = (np.log1p(np.maximum(headcount, 0.0)) - 6) / 2
    return np.column_stack([x, x**2])


def _mean_gain(sides: _Sides, p: FloatArray, other: FloatArray) -> float:
    gain = row_log_loss(sides.test.y, other) - row_log_loss(sides.test.y, p)
    return float(np.average(gain, weights=sides.test.weight))
