"""Rolling origins: every forecast made again at past instants, from what was known then, beside what came."""

from dataclasses import dataclass

import numpy as np

from models.arrays import FloatArray, IntArray
from models.consumption.baselines import last_value, seasonal_naive, statistical
from models.consumption.boosted import boosted
from models.consumption.cohort import cohort_forecast
from models.consumption.history import History, group_of, level_of

__all__ = ["BASE_MODELS", "Past", "base_forecasts", "past_forecasts", "scale_of"]

BASE_MODELS = ("boosted", "statistical", "seasonal_naive", "last_value", "cohort")
"""The forecasts that the blend is made of."""

_MOST = 8
_LEAST_HISTORY = 4


@dataclass(frozen=True)
class Past:
    """Forecasts at K past origins for n series and the horizon H, all (K, n, H); NaN where nothing is known.

    origins: periods known at each, the latest first. actual: amounts. made: amounts forecast, by model.
    scale (K, n): each series' usual change from period to period, as known then. group (K, n): see
    `history.group_of`; -1 where the series was not alive.
    """

    origins: tuple[int, ...]
    actual: FloatArray
    made: dict[str, FloatArray]
    scale: FloatArray
    group: IntArray


def past_forecasts(history: History, horizon: int, seed: int) -> Past:
    """Every base model at up to eight origins, evenly spread over the last year and horizon.

    A year, since a forecast may err another way in each season; but at most half of the history.

    The first horizon's worth of them reach the horizon's end only in part: what has not come yet is NaN.
    With fewer than four periods of history before it, there is no origin.
    """
    origins = _origins(history.periods, horizon, history.season)
    n = len(history.ids)
    actual = np.full((len(origins), n, horizon), np.nan)
    made = {name: np.full((len(origins), n, horizon), np.nan) for name in BASE_MODELS}
    scale = np.full((len(origins), n), np.nan)
    group = np.full((len(origins), n), -1, dtype=np.int64)
    for k, origin in enumerate(origins):
        alive = np.flatnonzero(~np.isnan(history.amounts[:, origin - 1]))
        if not alive.size:
            continue
        then = history.until(origin)
        reach = min(horizon, history.periods - origin)
        actual[k, alive, :reach] = np.maximum(history.amounts[alive, origin : origin + reach], 0.0)
        rates = then.rates()
        scale[k, alive] = scale_of(rates, then)
        group[k, alive] = group_of(rates, history.period)
        exposure = history.exposure[alive, origin : origin + reach]
        for name, forecast in base_forecasts(then, reach, seed).items():
            made[name][k, alive, :reach] = forecast * exposure
    return Past(origins, actual, made, scale, group)


def base_forecasts(history: History, horizon: int, seed: int) -> dict[str, FloatArray]:
    """Rates (n, horizon) of every base model; the boosted one is absent where there is too little history."""
    rates = history.rates()
    found = {
        "statistical": statistical(rates, horizon, history.season, group_of(rates, history.period)),
        "seasonal_naive": seasonal_naive(rates, horizon, history.season),
        "last_value": last_value(rates, horizon),
        "cohort": cohort_forecast(rates, horizon),
    }
    learnt = boosted(history, horizon, seed)
    if learnt is not None:
        found["boosted"] = learnt
    return found


def scale_of(rates: FloatArray, history: History) -> FloatArray:
    """The mean size of each series' changes from period to period of late.

    Two more changes of half its level are taken to have been seen, so that short and still series have one;
    and none is below a twentieth of the middle series' level, so that those without any use have one.
    """
    recent = rates[:, -2 * max(history.season // 4, 6) :]
    change = np.abs(np.diff(recent, axis=1))
    known = ~np.isnan(change)
    level = level_of(rates, history.period)
    total = np.where(known, change, 0.0).sum(axis=1) + level
    least = 0.05 * float(np.median(level[level > 0])) if (level > 0).any() else 1.0
    return np.maximum(total / (known.sum(axis=1) + 2), least)


def _origins(periods: int, horizon: int, season: int) -> tuple[int, ...]:
    """Periods known at each origin, the latest first."""
    earliest = max(_LEAST_HISTORY, periods // 2, periods - horizon - season)
    span = periods - 1 - earliest
    if span < 0:
        return ()
    count = min(_MOST, span + 1)
    return tuple(
        sorted({periods - 1 - round(i * span / max(count - 1, 1)) for i in range(count)}, reverse=True)
    )
