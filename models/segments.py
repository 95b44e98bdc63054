"""Do segments separate won from lost deals out of time, and do headcount bands deserve their boundaries?

A segment moves a known probability by a shift in log-odds, fitted on earlier deals and drawn to zero,
so that a small segment claims little. Two things are known before: the base rate, and the share won by
stage and age. What the shifts gain is measured on later deals, with an interval from whole deals drawn
again; the fitted shifts stay as they are in every draw.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, IntArray
from models.baselines import column_numbers, column_texts
from models.boundaries import boundaries_among_random
from models.calibration import sigmoid
from models.segment_report import CONTEXTS, Level, Segmentation, SegmentReport, Versus
from models.segment_rows import PULL, Side, Sides, coefficients, gain_over, sides_of
from models.split import Split

__all__ = ["BANDS", "judge_segments"]

BANDS = (200, 1_000, 5_000)
"""Headcounts at which sales organisations usually cut their market."""

_STRUCTURES = ("decision_structure", "decision_structure_inferred")
_MISSING = "(missing)"


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
    sides = sides_of(frame, labels, split, seed)
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
        segmentations=tuple(
            _segmentation(sides, name, *ways[name], p[name], _band_words(bands)) for name in ways
        ),
        versus=tuple(
            Versus(one, other, context, gain_over(sides, p[one][context], p[other][context]))
            for one, other in pairs
            for context in CONTEXTS
        ),
        boundaries=boundaries_among_random(sides, bands, n_random, seed),
        seed=seed,
    )  # fmt: skip


def _predictions(sides: Sides, earlier: npt.NDArray[Any], later: npt.NDArray[Any]) -> dict[str, FloatArray]:
    """P(won) of the test rows by context, shifted by segment; an unseen segment is not shifted."""
    names, code = np.unique(earlier.astype(str), return_inverse=True)
    place = np.minimum(np.searchsorted(names, later.astype(str)), len(names) - 1)
    seen = names[place] == later.astype(str)
    found = {}
    for context in CONTEXTS:
        shift = _shifts(sides.fitted, code, len(names), context)
        found[context] = sigmoid(sides.test.known[context] + np.where(seen, shift[place], 0.0))
    return found


def _shifts(side: Side, code: IntArray, n: int, context: str) -> FloatArray:
    """Log-odds by which each of n segments differs from what was known; shape (n,)."""
    return coefficients(np.eye(n)[code], side, side.known[context], np.full(n, PULL))


def _segmentation(
    sides: Sides, name: str, earlier: npt.NDArray[Any], later: npt.NDArray[Any], p: dict[str, FloatArray],
    order: list[str],
) -> Segmentation:  # fmt: skip
    """What a way to segment gains; levels in the given order, then by name, the unknown last."""
    known = _levels_known(earlier)
    if known < 2:
        why = "is not given in this data" if not known else "has one value only in this data"
        return Segmentation(name, (), {}, why)
    names, code = np.unique(earlier.astype(str), return_inverse=True)
    rates = sigmoid(sides.fitted.known["base_rate"][0] + _shifts(sides.fitted, code, len(names), "base_rate"))
    found = dict(zip(names.tolist(), rates.tolist(), strict=True))
    ordered = sorted(
        found, key=lambda level: (level == _MISSING, level in order and order.index(level), level)
    )
    levels = tuple(_level(sides, level, found[level], earlier == level, later == level) for level in ordered)
    gains = {c: gain_over(sides, p[c], sigmoid(sides.test.known[c])) for c in CONTEXTS}
    return Segmentation(name, levels, gains)


def _level(sides: Sides, name: str, rate: float, earlier: BoolArray, later: BoolArray) -> Level:
    return Level(
        "unknown" if name == _MISSING else name,
        int(np.unique(sides.fitted.deal[earlier]).size),
        _share_won(sides.fitted, earlier),
        rate,
        int(np.unique(sides.test.deal[later]).size),
        _share_won(sides.test, later),
    )


def _share_won(side: Side, rows: BoolArray) -> float | None:
    weight = side.weight[rows]
    return float(np.average(side.y[rows], weights=weight)) if weight.sum() > 0 else None


def _levels_known(names: npt.NDArray[Any]) -> int:
    return len(set(names.tolist()) - {_MISSING})


def _band_words(bands: tuple[int, ...]) -> list[str]:
    """The bands in words, from the smallest on."""
    between = [f"{low:,} to {high - 1:,}" for low, high in pairwise(bands)]
    return [f"under {bands[0]:,}", *between, f"{bands[-1]:,} or more"]


def _band_names(side: Side, bands: tuple[int, ...]) -> npt.NDArray[Any]:
    """The headcount band of each row, in words."""
    headcount = column_numbers(side.frame, "employees")
    place = np.searchsorted(np.array(bands), np.nan_to_num(headcount), side="right")
    return np.where(np.isfinite(headcount), np.array(_band_words(bands), dtype=object)[place], _MISSING)
