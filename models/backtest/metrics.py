"""Scores of forecast amounts: error, bias, coverage of intervals, pinball loss; each with an interval.

Cells of one month share what happened in it, so an interval draws whole months, never single cells.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from data.errors import ModelContractError
from models.arrays import FloatArray
from models.metrics import Resampling

__all__ = ["QUANTILES", "bias", "coverage", "evened_coverage", "pinball", "score_cells", "wape"]

QUANTILES: Mapping[str, float] = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
"""The quantiles that a forecast states, by column."""

_INTERVAL = (0.025, 0.975)


def wape(actual: FloatArray, forecast: FloatArray) -> float | None:
    """Sum of absolute errors over the sum of absolute actuals; None where nothing happened at all.

    >>> wape(np.array([100.0, 300.0]), np.array([150.0, 250.0]))
    0.25
    """
    _check(actual, forecast)
    return _ratio(np.abs(forecast - actual).sum(), np.abs(actual).sum())


def bias(actual: FloatArray, forecast: FloatArray) -> float | None:
    """Sum of forecast less actual over the sum of absolute actuals: above 0 is too high.

    >>> bias(np.array([100.0, 300.0]), np.array([150.0, 290.0]))
    0.1
    """
    _check(actual, forecast)
    return _ratio((forecast - actual).sum(), np.abs(actual).sum())


def coverage(actual: FloatArray, low: FloatArray, high: FloatArray) -> float | None:
    """The share of actuals within their interval, ends included; None without any.

    >>> coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([1.0, 4.0]))
    0.5
    """
    _check(actual, low, high)
    return float(_covered(actual, low, high).mean()) if actual.size else None


def evened_coverage(actual: FloatArray, low: FloatArray, high: FloatArray, p_none: FloatArray) -> FloatArray:
    """How far each actual is covered, 0 to 1, an actual of nothing by the part of its chance that is inside.

    Where nothing comes in a third of all draws, P10 is zero, and an interval from there to P90 holds 90 %,
    not 80 %: no interval of a quantity that is often exactly zero can do otherwise. Counted evenly, the zeros
    below the 10 % point are outside: of a chance p_none of nothing, (min(p_none, 0.9) - 0.1) / p_none is in.

    >>> zero = np.zeros(1)
    >>> evened_coverage(zero, zero, np.array([5.0]), np.array([0.4])).round(12).tolist()
    [0.75]
    """
    _check(actual, low, high, p_none)
    inside = _covered(actual, low, high).astype(np.float64)
    nothing = (np.abs(actual) < 0.005) & (p_none > QUANTILES["p10"])
    held = (np.minimum(p_none, QUANTILES["p90"]) - QUANTILES["p10"]) / np.maximum(p_none, QUANTILES["p10"])
    return np.where(nothing, held, inside)


def pinball(actual: FloatArray, forecast: FloatArray, quantile: float) -> FloatArray:
    """The pinball loss of each forecast of a quantile, in the amounts' unit; half the error at 0.5.

    Source: Koenker and Bassett (1978).

    >>> pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.9).round(12).tolist()
    [1.8, 0.2]
    """
    _check(actual, forecast)
    under = actual - forecast
    return np.maximum(quantile * under, (quantile - 1) * under)


def score_cells(
    actual: FloatArray,
    mean: FloatArray,
    quantiles: Mapping[str, FloatArray] | None,
    p_none: FloatArray | None,
    month: npt.NDArray[np.int64],
    *,
    replicates: int = 200,
    seed: int = 0,
) -> dict[str, object]:
    """Scores of cells: cells, actual, wape, bias, coverage, evened_coverage, pinball, with 95 % intervals.

    mean, actual: amounts, shape (n,). quantiles: p10, p50 and p90; None for a point forecast, whose every
    quantile is the point and whose coverage is not told. month: of each cell; months are drawn whole.
    pinball: the mean over the three quantiles, summed over cells, over the sum of absolute actuals.
    """
    stated = quantiles or dict.fromkeys(QUANTILES, mean)
    draws = Resampling.over(month, replicates=replicates, seed=seed) if actual.size else None
    size = np.abs(actual)
    loss = np.mean([pinball(actual, stated[name], q) for name, q in QUANTILES.items()], axis=0)
    found: dict[str, object] = {
        "cells": int(actual.size),
        "months": int(np.unique(month).size),
        "actual": float(actual.sum()),
        "forecast": float(mean.sum()),
    }
    parts = {
        "wape": (np.abs(mean - actual), size),
        "bias": (mean - actual, size),
        "pinball": (loss, size),
    }
    if quantiles is not None:
        inside = _covered(actual, quantiles["p10"], quantiles["p90"]).astype(np.float64)
        parts["coverage"] = (inside, np.ones(actual.size))
        none = np.zeros(actual.size) if p_none is None else p_none
        evened = evened_coverage(actual, quantiles["p10"], quantiles["p90"], none)
        parts["evened_coverage"] = (evened, np.ones(actual.size))
    for name, (top, bottom) in parts.items():
        found[name] = _ratio(top.sum(), bottom.sum())
        found[f"{name}_interval"] = _interval(draws, top, bottom)
    if quantiles is None:
        found |= dict.fromkeys(("coverage", "evened_coverage"))
        found |= dict.fromkeys(("coverage_interval", "evened_coverage_interval"))
    return found


def _interval(draws: Resampling | None, top: FloatArray, bottom: FloatArray) -> list[float] | None:
    """The 95 % interval of a ratio of sums; None below two months."""
    if draws is None or draws.counts.shape[1] < 2:
        return None
    below = draws.counts @ draws.per_deal(bottom)
    above = (draws.counts @ draws.per_deal(top))[below > 0]
    if not above.size:
        return None
    return [float(one) for one in np.quantile(above / below[below > 0], _INTERVAL)]


def _covered(actual: FloatArray, low: FloatArray, high: FloatArray) -> npt.NDArray[np.bool_]:
    # a thousandth of a cent: sums of the same amounts in another order must not miss their own ends
    slack = 1e-5 + 1e-12 * np.abs(actual)
    return (actual >= low - slack) & (actual <= high + slack)


def _ratio(top: float, bottom: float) -> float | None:
    return float(top / bottom) if bottom > 0 else None


def _check(*values: FloatArray) -> None:
    if len({value.shape for value in values}) > 1 or any(np.isnan(value).any() for value in values):
        raise ModelContractError(
            "Scores of a forecast: expected actuals and forecasts cell for cell, none of them missing, found "
            f"shapes {[value.shape for value in values]} and {sum(int(np.isnan(v).sum()) for v in values)} "
            "missing. Leave out cells without an actual before scoring."
        )
