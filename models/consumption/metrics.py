"""How far consumption forecasts were off: by size of the sums, by each series' own scale, and by interval."""

import numpy as np

from models.arrays import FloatArray

__all__ = ["coverage", "mase", "wape"]


def wape(forecast: FloatArray, actual: FloatArray) -> float:
    """Sum of absolute errors by the sum of absolute actuals; cells without an actual (NaN) do not count.

    >>> wape(np.array([8.0, 5.0]), np.array([10.0, np.nan]))
    0.2
    """
    known = ~np.isnan(actual)
    size = float(np.abs(actual[known]).sum())
    return float(np.abs(forecast - actual)[known].sum()) / size if size else float("nan")


def mase(forecast: FloatArray, actual: FloatArray, history: FloatArray, season: int) -> float:
    """Mean over series of mean absolute error by that of the seasonal-naive forecast within the history.

    history (n, T). Series shorter than a season and a period are scaled by the last value's errors; those
    whose scale is zero do not count. Source: Hyndman and Koehler (2006).
    """
    lag = season if history.shape[1] > season else 1
    change = np.abs(history[:, lag:] - history[:, :-lag])
    plain = np.abs(np.diff(history, axis=1))
    scale = np.array(
        [_mean(one) if (~np.isnan(one)).any() else _mean(two) for one, two in zip(change, plain, strict=True)]
    )
    error = np.array([_mean(one) for one in np.abs(forecast - actual)])
    counts = (scale > 0) & ~np.isnan(error)
    return float(np.mean(error[counts] / scale[counts])) if counts.any() else float("nan")


def coverage(low: FloatArray, high: FloatArray, actual: FloatArray) -> float:
    """The share of actuals within their intervals, bounds included."""
    known = ~np.isnan(actual)
    inside = (actual >= low - 1e-9) & (actual <= high + 1e-9)
    return float(inside[known].mean()) if known.any() else float("nan")


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
