"""Headcount boundaries among random ones: does a cut matter more than any other would?

Any cut of a number that matters a little gains a little, so each boundary is held against boundaries
drawn at random over the same headcounts; and against a smooth effect of size, since a cut near the
middle of such an effect beats most random ones.
"""

import numpy as np

from models.arrays import FloatArray
from models.baselines import column_numbers
from models.calibration import sigmoid
from models.metrics import row_log_loss
from models.segment_report import CUT_CONTEXTS, Boundary
from models.segment_rows import PULL, Sides, coefficients, gain_over

__all__ = ["boundaries_among_random"]

_RANDOM_WITHIN = (0.02, 0.98)
"""Random boundaries lie between these shares of the earlier rows' headcounts, uniformly by share."""


def boundaries_among_random(
    sides: Sides, bands: tuple[int, ...], n_random: int, seed: int
) -> tuple[Boundary, ...]:
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
    sides: Sides,
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
    gain = gain_over(sides, _cut_predictions(sides, earlier, later, np.array(cut), context), undivided)
    gains = np.array([
        _mean_gain(sides, _cut_predictions(sides, earlier, later, one, context), undivided) for one in drawn
    ])  # fmt: skip
    as_much = float((1 + (gains >= gain.difference).sum()) / (len(gains) + 1))
    quartiles = tuple(float(q) for q in np.quantile(gains, (0, 0.25, 0.5, 0.75, 1)))
    return Boundary(cut, context, gain, as_much, quartiles, len(gains))


def _cut_predictions(
    sides: Sides, earlier: FloatArray, later: FloatArray, cut: FloatArray, context: str
) -> FloatArray:
    """P(won) of the test rows, shifted by the band they lie in, and along the size trend if that is known.

    The trend is fitted together with the bands, so that it does not take what is theirs.
    """
    bands = np.eye(len(cut) + 1)
    X, seen = (bands[np.searchsorted(cut, one, side="right")] for one in (earlier, later))
    penalty, known = np.full(len(bands), PULL), context
    if context == "size_trend":
        X, seen = np.hstack([_curve(earlier), X]), np.hstack([_curve(later), seen])
        penalty, known = np.concatenate([np.full(2, 0.01), penalty]), "base_rate"
    found = coefficients(X, sides.fitted, sides.fitted.known[known], penalty)
    return sigmoid(sides.test.known[known] + seen @ found)


def _curve(headcount: FloatArray) -> FloatArray:
    """Two columns that bend with log headcount, of about unit size."""
    x = (np.log1p(np.maximum(headcount, 0.0)) - 6) / 2
    return np.column_stack([x, x**2])


def _mean_gain(sides: Sides, p: FloatArray, other: FloatArray) -> float:
    gain = row_log_loss(sides.test.y, other) - row_log_loss(sides.test.y, p)
    return float(np.average(gain, weights=sides.test.weight))
