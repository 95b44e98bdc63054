"""Weighted scores of probabilities, with intervals from a bootstrap over deals.

Snapshots of one deal share its outcome, so rows are not independent: whole deals are drawn with
replacement, never rows. A draw is a vector of counts per deal that multiplies the row weights, so
no row is copied and most scores of all draws come out of one matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import ModelContractError
from models.arrays import FloatArray, IntArray

__all__ = [
    "LOG_LOSS_FLOOR",
    "Interval",
    "Resampling",
    "auc",
    "brier_score",
    "calibration_error",
    "calibration_line",
    "equal_mass_bins",
    "log_loss",
    "log_loss_difference",
    "log_odds",
    "row_log_loss",
    "score",
]

Interval = tuple[float, float]

LOG_LOSS_FLOOR = 1e-15
"""Probabilities are held within [1e-15, 1 - 1e-15] in the log-loss alone, so that it stays finite."""

_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Resampling:
    """Draws of deals: `counts[r, d]` says how often draw r holds deal d; `deal[i]` is row i's deal."""

    counts: FloatArray
    deal: IntArray

    @classmethod
    def over(cls, deals: npt.NDArray[Any], *, replicates: int = 300, seed: int = 0) -> "Resampling":
        """Seeded draws, each of as many deals as there are. deals: the deal of each row, shape (n,)."""
        names, deal = np.unique(deals, return_inverse=True)
        rng = np.random.default_rng(seed)
        counts = np.empty((replicates, len(names)))
        for row in counts:
            row[:] = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        return cls(counts, deal.astype(np.int64))

    def per_deal(self, values: FloatArray) -> FloatArray:
        """Sums of row values by deal, shape (deals,)."""
        return np.bincount(self.deal, values, minlength=self.counts.shape[1]).astype(np.float64)

    def means(self, values: FloatArray, weight: FloatArray) -> FloatArray:
        """The weighted mean of row values in every draw; NaN where a draw has no weight."""
        total = self.counts @ self.per_deal(weight)
        return _ratio(self.counts @ self.per_deal(values * weight), total)


def auc(y: FloatArray, p: FloatArray, weight: FloatArray) -> float | None:
    """Chance that a won row is ranked above a lost one, ties counting half; None with one class only."""
    _check(y, p, weight)
    value = _rank_scorer(y, p)(weight)
    return None if np.isnan(value) else float(value)


def row_log_loss(y: FloatArray, p: FloatArray) -> FloatArray:
    """-ln of the probability given to what happened, for each row, in nats."""
    held = np.clip(p, LOG_LOSS_FLOOR, 1 - LOG_LOSS_FLOOR)
    return np.where(y > 0.5, -np.log(held), -np.log1p(-held))


def log_loss(y: FloatArray, p: FloatArray, weight: FloatArray) -> float:
    """Weighted mean of `row_log_loss`, in nats; 0 is perfect."""
    _check(y, p, weight)
    return float(np.average(row_log_loss(y, p), weights=weight))


def brier_score(y: FloatArray, p: FloatArray, weight: FloatArray) -> float:
    """Weighted mean squared error of probabilities, 0 (perfect) to 1. Source: Brier (1950), binary form."""
    _check(y, p, weight)
    return float(np.average((y - p) ** 2, weights=weight))


def equal_mass_bins(p: FloatArray, weight: FloatArray, bins: int = 10) -> IntArray:
    """The bin of each row, 0 to bins - 1, of equal weight as far as ties allow: equal p share a bin."""
    levels, level = np.unique(p, return_inverse=True)
    mass = np.bincount(level, weight, minlength=len(levels))
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    return np.minimum((middle * bins).astype(np.int64), bins - 1)[level]


def calibration_error(y: FloatArray, p: FloatArray, weight: FloatArray, *, bins: int = 10) -> float:
    """Expected calibration error: mean |won share - mean p| over equal-mass bins, weighted by mass."""
    _check(y, p, weight)
    gap = np.bincount(equal_mass_bins(p, weight, bins), weight * (y - p), minlength=bins)
    return float(np.abs(gap).sum() / weight.sum())


def log_odds(p: FloatArray) -> FloatArray:
    """ln(p / (1 - p)), with p held within the floor of the log-loss."""
    held = np.clip(p, LOG_LOSS_FLOOR, 1 - LOG_LOSS_FLOOR)
    return np.log(held) - np.log1p(-held)


def calibration_line(y: FloatArray, p: FloatArray, weight: FloatArray) -> tuple[float, float] | None:
    """(slope, intercept) of the logistic regression of y on log-odds; (1, 0) is calibrated.

    None where it has no finite answer: one class only, equal predictions, or p that separates y.
    """
    _check(y, p, weight)
    z = log_odds(p)
    share = np.average(y, weights=weight)
    if not 0 < share < 1 or np.ptp(z) < 1e-9:
        return None
    theta = np.array([1.0, 0.0])
    for _ in range(50):
        gradient, information = _line_sums(y, z, weight, theta)
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, gradient)
        # a full Newton step can overshoot where predictions are far from calibrated
        theta = theta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-9:
            return float(theta[0]), float(theta[1])
    return None


def score(
    y: FloatArray,
    p: FloatArray,
    weight: FloatArray,
    *,
    base_rate: FloatArray,
    resampling: Resampling | None = None,
) -> dict[str, Any]:
    """All scores of one set of probabilities; with a resampling also `<name>_interval` (2.5 %, 97.5 %).

    base_rate: what brier_skill compares with (1 - Brier / Brier of the base rate). Scores without an
    answer (AUC of one class, slope of equal predictions) are None. Bins of the calibration error stay
    those of the whole sample in each draw; its interval is biased upwards, as the error itself is.
    The line's interval takes one Newton step from the fitted line in each draw.
    """
    line = calibration_line(y, p, weight)
    against = brier_score(y, base_rate, weight)
    brier = brier_score(y, p, weight)
    values: dict[str, Any] = {
        "auc": auc(y, p, weight),
        "log_loss": log_loss(y, p, weight),
        "brier": brier,
        "brier_skill": 1 - brier / against if against > 0 else None,
        "ece": calibration_error(y, p, weight),
        "slope": line[0] if line else None,
        "intercept": line[1] if line else None,
    }
    if resampling is None:
        return values
    draws = _draws(y, p, weight, base_rate, line, resampling)
    intervals = {f"{name}_interval": _interval(values[name], draws.get(name)) for name in values}
    return {key: found for name in values for key, found in _pair(name, values, intervals)}


def log_loss_difference(
    y: FloatArray,
    p: FloatArray,
    other: FloatArray,
    weight: FloatArray,
    resampling: Resampling,
) -> dict[str, Any]:
    """How much lower p's log-loss is than other's, on the same rows and draws; above 0, p is better.

    `difference`, `interval` (2.5 %, 97.5 %) and `lower_bound` (5 %): above 0, better by more than noise.
    """
    gain = row_log_loss(y, other) - row_log_loss(y, p)
    draws = resampling.means(gain, weight)
    value = float(np.average(gain, weights=weight))
    kept = draws[np.isfinite(draws)]
    enough = resampling.counts.shape[1] > 1 and len(kept) > 0
    return {
        "difference": value,
        "interval": _interval(value, draws) if enough else None,
        "lower_bound": float(np.quantile(kept, 0.05)) if enough else None,
    }


def _draws(
    y: FloatArray,
    p: FloatArray,
    weight: FloatArray,
    base_rate: FloatArray,
    line: tuple[float, float] | None,
    resampling: Resampling,
) -> dict[str, FloatArray]:
    """Each score in every draw, shape (replicates,); scores absent here have no interval."""
    if resampling.counts.shape[1] < 2:
        return {}
    brier = resampling.means((y - p) ** 2, weight)
    against = resampling.means((y - base_rate) ** 2, weight)
    rank, bins = _rank_scorer(y, p), equal_mass_bins(p, weight)
    aucs, errors = np.empty(len(resampling.counts)), np.empty(len(resampling.counts))
    for i, counts in enumerate(resampling.counts):
        drawn = weight * counts[resampling.deal]
        aucs[i] = rank(drawn)
        gap = np.abs(np.bincount(bins, drawn * (y - p))).sum()
        errors[i] = gap / drawn.sum() if drawn.sum() > 0 else np.nan
    found = {
        "auc": aucs,
        "log_loss": resampling.means(row_log_loss(y, p), weight),
        "brier": brier,
        "brier_skill": 1 - _ratio(brier, against),
        "ece": errors,
    }
    if line is not None:
        found["slope"], found["intercept"] = _line_draws(y, log_odds(p), weight, np.array(line), resampling)
    return found


def _rank_scorer(y: FloatArray, p: FloatArray) -> Callable[[FloatArray], float]:
    """A function from row weights to the AUC of p: the sort by p is done once for all draws."""
    order = np.argsort(p, kind="stable")
    ranked, won = p[order], y[order] > 0.5
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def auc_of(weight: FloatArray) -> float:
        drawn = weight[order]
        wins = np.add.reduceat(drawn * won, starts)
        losses = np.add.reduceat(drawn * ~won, starts)
        pairs = wins.sum() * losses.sum()
        if pairs <= 0:
            return float("nan")
        return float((wins * (np.cumsum(losses) - losses / 2)).sum() / pairs)

    return auc_of


def _line_sums(
    y: FloatArray, z: FloatArray, weight: FloatArray, theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient (2,) and information (2, 2) of the log-likelihood of slope and intercept."""
    p = 1 / (1 + np.exp(-np.clip(theta[0] * z + theta[1], -700, 700)))
    r, h = weight * (y - p), weight * p * (1 - p)
    cross = (h * z).sum()
    return np.array([(r * z).sum(), r.sum()]), np.array([[(h * z * z).sum(), cross], [cross, h.sum()]])


def _line_draws(
    y: FloatArray, z: FloatArray, weight: FloatArray, theta: FloatArray, resampling: Resampling
) -> tuple[FloatArray, FloatArray]:
    """Slope and intercept in every draw, by one Newton step from the line of the whole sample."""
    p = 1 / (1 + np.exp(-np.clip(theta[0] * z + theta[1], -700, 700)))
    r, h = weight * (y - p), weight * p * (1 - p)
    g0, g1, a, b, d = (
        resampling.counts @ resampling.per_deal(part) for part in (r * z, r, h * z * z, h * z, h)
    )
    determinant = a * d - b * b
    return theta[0] + _ratio(d * g0 - b * g1, determinant), theta[1] + _ratio(a * g1 - b * g0, determinant)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _interval(value: float | None, draws: FloatArray | None) -> list[float] | None:
    """The 2.5 % and 97.5 % points; None without a value, or if under half the draws have one."""
    if value is None or draws is None:
        return None
    kept = draws[np.isfinite(draws)]
    if len(kept) * 2 < len(draws) or len(kept) == 0:
        return None
    return [float(bound) for bound in np.quantile(kept, _QUANTILES)]


def _pair(name: str, values: dict[str, Any], intervals: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, values[name]), (f"{name}_interval", intervals[f"{name}_interval"])]


def _check(y: FloatArray, p: FloatArray, weight: FloatArray) -> None:
    if not len(y) or not len(y) == len(p) == len(weight):
        raise ModelContractError(
            f"Scores need as many outcomes as probabilities and weights, and at least one: found {len(y)}, "
            f"{len(p)} and {len(weight)}. Give one of each per test row."
        )
    if not np.isfinite(p).all() or weight.min() < 0 or weight.sum() <= 0:
        raise ModelContractError(
            f"Scores need finite probabilities and weights of at least 0: found {(~np.isfinite(p)).sum()} "
            f"probabilities that are not finite, and a smallest weight of {weight.min()}. Mend those rows."
        )
