"""The plain forecasts that a consumption model must beat, and the statistical one beside it.

Each takes rates (n, T), NaN before a series' first period, and gives rates (n, horizon), never negative.
"""

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import (
    TSB,
    HistoricAverage,
    SimpleExponentialSmoothingOptimized,
    Theta,
)

from models.arrays import FloatArray, IntArray

__all__ = ["last_value", "seasonal_naive", "statistical"]

_FEW = 4
"""With fewer values than these, the mean is all that a series can tell."""


def last_value(rates: FloatArray, horizon: int) -> FloatArray:
    """The last value of each series, for every period ahead."""
    return np.repeat(rates[:, -1:], horizon, axis=1)


def seasonal_naive(rates: FloatArray, horizon: int, season: int) -> FloatArray:
    """The value of the same period a year before; the last value where the series is too young for one.

    >>> seasonal_naive(np.array([[1.0, 2.0, 3.0], [np.nan, np.nan, 5.0]]), 2, 3).tolist()
    [[1.0, 2.0], [5.0, 5.0]]
    """
    periods = rates.shape[1]
    found = last_value(rates, horizon)
    for step in range(horizon):
        before = periods + step - season * (step // season + 1)
        if before >= 0:
            found[:, step] = np.where(np.isnan(rates[:, before]), found[:, step], rates[:, before])
    return found


def statistical(rates: FloatArray, horizon: int, season: int, group: IntArray) -> FloatArray:
    """By statsforecast: Theta, seasonal from two years on; TSB where zeros are common.

    TSB (Teunter, Syntetos and Babai) lets a series that fell asleep fade; Croston's method keeps it up, and
    forecast a wholesaler's customers at twice what they bought. With fewer than four values the mean; below
    two years, simple smoothing. group: see `history.group_of`.
    """
    length = (~np.isnan(rates)).sum(axis=1)
    kind = np.select([length < _FEW, group == 1, length >= 2 * season], [0, 1, 3], 2)
    models = (HistoricAverage(), TSB(0.2, 0.2), SimpleExponentialSmoothingOptimized(), Theta(season))
    found = np.zeros((len(rates), horizon))
    for number, model in enumerate(models):
        rows = np.flatnonzero(kind == number)
        if rows.size:
            found[rows] = _forecast(rates[rows], horizon, model)
    found = np.where(np.isfinite(found), found, last_value(rates, horizon))
    return np.maximum(found, 0.0)


def _forecast(rates: FloatArray, horizon: int, model: object) -> FloatArray:
    """One model of statsforecast, series by series."""
    row, column = np.nonzero(~np.isnan(rates))
    frame = pd.DataFrame({"unique_id": row, "ds": column, "y": rates[row, column]})
    made = StatsForecast([model], freq=1, n_jobs=1).forecast(df=frame, h=horizon)
    names = [name for name in made.columns if name not in ("unique_id", "ds")]
    return made[names[0]].to_numpy(dtype=np.float64).reshape(len(rates), horizon)
