"""The sizes of the common shocks, from how far expectations were from what happened.

At each origin one shift (in log-odds, or in the log of an amount or a count) makes what was expected meet
what came. Shifts vary by chance alone, more so with few deals; what they vary beyond that is common to all,
and is what shocks stand for. With few origins the estimate leans on the stated defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrays import BoolArray, FloatArray, IntArray, known_outcomes, micros
from models.backtest.metrics import QUANTILES
from models.backtest.rows import MODEL
from models.calibration import sigmoid
from models.forecast.groups import TOTAL
from models.forecast.months import MONTH
from models.forecast.shocks import Shocks
from models.metrics import log_odds

__all__ = [
    "Shift",
    "amount_shift",
    "count_shift",
    "estimate_shocks",
    "logit_shift",
    "shocks_from_test",
    "timing_shift",
]

_PRIOR_ORIGINS = 4.0
"""How many independent origins the stated defaults are worth."""
_PRIOR_CELLS = 12.0
_WIDTHS = (0.7, 2.0)
_OF_WIDTHS = ("actual", "mean", "p10", "p90", "month")
_LARGEST = 3.0
"""Shifts beyond it say no more than it: where nothing was won at all, the best shift is without end."""
_FEWEST = 5
_MONTH_US = 30.4375 * 86_400_000_000


@dataclass(frozen=True)
class Shift:
    """What one origin says of one shock: the shift that meets what happened, and its sampling variance."""

    value: float
    variance: float


def logit_shift(z: FloatArray, happened: float, share: FloatArray | float = 1.0) -> Shift | None:
    """The shift s for which the sum of sigmoid(z + s) * share is what happened; None below five expected.

    z: log-odds, shape (n,). share: of each success that would be seen by the end of the window. happened:
    how many were.
    """
    p = sigmoid(z)
    seen = p * share
    if seen.sum() < _FEWEST or z.size - seen.sum() < 1:
        return None
    low, high = -_LARGEST, _LARGEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (sigmoid(z + middle) * share).sum() < happened else (low, middle)
    slope = (p * (1 - p) * share).sum()
    return Shift((low + high) / 2, float((seen * (1 - seen)).sum() / slope**2))


def timing_shift(share: FloatArray, month: IntArray) -> Shift | None:
    """The shift in the log-odds of having closed by a date, given a win, that meets when wins closed.

    share: shape (n, m), of wins closed by the end of each month, for deals that were won within the m months;
    month: (n,), in which month each did. None below five.
    """
    if month.size < _FEWEST or share.shape[1] < 2:
        return None
    place = np.arange(share.shape[1])
    early = float((place >= month[:, None])[:, :-1].sum())
    z = log_odds(np.clip(share, 1e-9, 1 - 1e-9))

    def expected(shift: float) -> FloatArray:
        moved = sigmoid(z + shift)
        return np.asarray(moved / moved[:, -1:], dtype=np.float64)

    low, high = -_LARGEST, _LARGEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle)[:, :-1].sum() < early else (low, middle)
    by = expected(0.0)[:, :-1]
    # months closed by then, of one deal: E[S] and E[S^2] from the shares
    count = by.shape[1] - np.arange(by.shape[1])
    chance = np.diff(by, axis=1, prepend=0.0)
    variance = ((chance * count**2).sum(axis=1) - by.sum(axis=1) ** 2).sum()
    slope = (expected(0.05)[:, :-1].sum() - expected(-0.05)[:, :-1].sum()) / 0.1
    return Shift((low + high) / 2, float(variance / slope**2)) if slope > 0 else None


def amount_shift(expected: FloatArray, came: FloatArray) -> Shift | None:
    """The log of what came over what was expected, summed over pairs of amounts; None below five pairs."""
    told = ~(np.isnan(expected) | np.isnan(came))
    expected, came = expected[told], came[told]
    if expected.size < _FEWEST or expected.sum() <= 0 or came.sum() <= 0:
        return None
    ratio = came.sum() / expected.sum()
    variance = ((came - ratio * expected) ** 2).sum() / came.sum() ** 2
    return Shift(float(np.clip(np.log(ratio), -_LARGEST, _LARGEST)), float(variance))


def count_shift(expected: float, came: int, *, past: int, dispersion: float = 1.0) -> Shift | None:
    """The log of a count over its expectation, which itself rests on `past` counted cases; None below five.

    dispersion: variance over mean of such counts.
    """
    if expected < _FEWEST or past < _FEWEST:
        return None
    value = np.log(max(came, 0.5) / expected)
    return Shift(float(value), float(dispersion * (1 / expected + 1 / past)))


def estimate_shocks(
    shifts: Mapping[str, Sequence[Shift]], rows: pa.Table | None = None, *, windows: float, source: str
) -> Shocks:
    """The shocks whose sizes the shifts of past origins tell, and the widths that past cells tell.

    shifts: by the name of a size of `Shocks` (logit_sd, timing_sd, ...); a size without shifts keeps its
    default. rows: of a backtest, whose totals say how wide intervals should have been. windows: how many
    windows that do not overlap the origins span; so many independent looks were had, at most.
    """
    stated = Shocks()
    sizes = {
        name: _size([one for one in of if np.isfinite(one.value)], getattr(stated, name) or 0.1, windows)
        for name, of in shifts.items()
        if of
    }
    return replace(stated, **sizes, width=_widths(rows) if rows is not None else {}, source=source)


def shocks_from_test(
    predictions: pa.Table,
    *,
    renewals: pa.Table | None = None,
    wins: tuple[FloatArray, IntArray, IntArray] | None = None,
) -> Shocks:
    """A cheap estimate from out-of-time test predictions alone: one look per month of the test window.

    predictions: as_of, y, weight, p_win (win_test_predictions); or as_of, y, p_win and `share`, of eventual
    wins that would be seen by the window's end, for all rows of the window, those still open with y null: the
    better look, since deals still open need no weights. renewals: as_of, y, weight, p_renew. wins: for test
    rows that were won, `share` (n, m) of wins closed by the end of each month ahead, `month` (n,) of
    the close, and as_of in microseconds. Other sizes keep their defaults.
    """
    shifts = {"logit_sd": _looks(predictions, "p_win")}
    if renewals is not None:
        shifts["renewal_logit_sd"] = _looks(renewals, "p_renew")
    if wins is not None:
        share, month, at = wins
        inside = month < share.shape[1]
        looks = [timing_shift(share[rows], month[rows]) for rows in _monthly(at, inside)]
        shifts["timing_sd"] = [one for one in looks if one is not None]
    # a deal stands in the looks of several months: two looks that lie a quarter apart count as independent
    windows = max(1.0, len(shifts["logit_sd"]) / 3)
    return estimate_shocks(
        shifts,
        windows=windows,
        source=f"test predictions of {len(shifts['logit_sd'])} months; `dealcast backtest` measures better",
    )


def _looks(predictions: pa.Table, column: str) -> list[Shift]:
    """One shift per calendar month of as_of, from the first snapshots of that month."""
    y = known_outcomes(predictions)
    z = log_odds(np.clip(np.asarray(predictions[column].to_numpy(), dtype=np.float64), 1e-9, 1 - 1e-9))
    at = micros(predictions["as_of"])
    if "share" in predictions.column_names:
        share = np.asarray(predictions["share"].to_numpy(), dtype=np.float64)
        every = [
            logit_shift(z[rows], float((y[rows] == 1).sum()), share[rows])
            for rows in _monthly(at, np.ones(y.size, dtype=np.bool_))
        ]
        return [one for one in every if one is not None]
    weight = np.asarray(predictions["weight"].to_numpy(), dtype=np.float64)
    found = []
    for rows in _monthly(at, ~np.isnan(y)):
        w = weight[rows] / weight[rows].mean()
        shift = logit_shift(z[rows], float((w * y[rows]).sum()))
        if shift is not None:
            # unequal weights are worth fewer rows
            found.append(Shift(shift.value, shift.variance * float((w**2).mean())))
    return found


def _monthly(at: IntArray, counted: BoolArray) -> list[IntArray]:
    """The counted rows of the first instant of each calendar month."""
    month = at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    found = []
    for one in np.unique(month[counted]):
        rows = np.flatnonzero((month == one) & counted)
        # a week's rows at most: contracts stand at instants of their own
        found.append(rows[at[rows] < at[rows].min() + _MONTH_US / 4])
    return found


def _size(shifts: Sequence[Shift], default: float, windows: float) -> float:
    """The standard deviation beyond chance, leaning on the default by its worth in origins."""
    if not shifts:
        return default
    value = np.array([one.value for one in shifts])
    variance = np.array([one.variance for one in shifts])
    reliance = default**2 / (default**2 + variance)
    beyond = float((reliance**2 * (value**2 - variance)).sum() / (reliance**2).sum())
    looks = min(float(reliance.sum()), windows * float(reliance.mean()))
    shrunk = (looks * max(beyond, 0.0) + _PRIOR_ORIGINS * default**2) / (looks + _PRIOR_ORIGINS)
    return float(np.sqrt(shrunk))


def _widths(rows: pa.Table) -> dict[str, float]:
    """By part, the factor on intervals with which totals would have been covered as stated.

    One-sided distances from the mean in units of the stated quantile's; half of the cells' months at most
    count as independent, and few of them lean on 1.
    """
    found = {}
    ours = rows.filter((pc.field("model") == MODEL) & (pc.field("level") == TOTAL))
    ours = ours.filter(pc.field("period_kind") == MONTH)
    for part in sorted(set(ours["part"].to_pylist())):
        cells = ours.filter(pc.equal(ours["part"], part)).select(_OF_WIDTHS).drop_null()
        if not cells.num_rows:
            continue
        actual, mean, low, high = (
            np.asarray(cells[name].to_numpy(), dtype=np.float64) for name in ("actual", "mean", "p10", "p90")
        )
        reach = np.where(actual >= mean, high - mean, mean - low)
        off = np.abs(actual - mean) / np.maximum(reach, 1e-9 * np.maximum(np.abs(mean), 1.0))
        needed = float(np.clip(np.quantile(off, QUANTILES["p90"] - QUANTILES["p10"]), *_WIDTHS))
        months = np.unique(micros(cells["month"])).size
        share = months / (months + _PRIOR_CELLS)
        found[part] = float(np.exp(share * np.log(needed)))
    return found
