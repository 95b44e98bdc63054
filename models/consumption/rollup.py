"""Forecasts of every level, with intervals from that level's own past errors.

Errors of series partly cancel in a sum, errors that all share do not. A node's error is taken as its series'
own variances added up, plus a common part that grows with its amount; the common part is what the past errors
of its level's sums showed beyond the series' own. Where a level has many nodes, the quantiles of their past
errors by that size decide (conformal); where it has few, Student's t by the number of past origins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import FloatArray
from models.consumption.conformal import LEVELS, ScaledErrors, t_quantile
from models.consumption.forecast import PanelForecast
from models.consumption.hierarchy import Level, summed

__all__ = ["CommonError", "Rollup", "common_error", "roll_up"]

_MANY = 20
_SMOOTH = np.array([1.0, 2.0, 1.0])


@dataclass(frozen=True)
class CommonError:
    """The standard deviation of the error that all series share, by the sum's amount: (H,).

    origins: past origins it was measured at.
    """

    relative: FloatArray
    origins: int


@dataclass(frozen=True)
class Rollup:
    """A level's nodes (nodes, H): mean, bounds by confidence, and standard deviation of the error."""

    level: Level
    mean: FloatArray
    low: dict[float, FloatArray]
    high: dict[float, FloatArray]
    sd: FloatArray


def roll_up(forecast: PanelForecast, mean: FloatArray, levels: Sequence[Level]) -> tuple[Rollup, ...]:
    """The levels' forecasts. mean (n, H): the reconciled forecasts of the series."""
    return tuple(_rolled(forecast, mean, level) for level in levels)


def common_error(forecast: PanelForecast, level: Level) -> CommonError:
    """What past errors of a level's sums showed beyond the errors of their series, by horizon.

    At each past origin and distance: the squared error of each node's sum, less the variances of its series,
    by the squared sum. Smoothed over neighbouring distances, and never falling with the distance. Distances
    that no origin reached take the last one's.
    """
    error, size, own = _past_sums(forecast, level)
    beyond = np.nansum(error**2 - own, axis=(0, 1))
    mass = np.nansum(np.where(np.isnan(error), np.nan, size**2), axis=(0, 1))
    square = np.maximum(_smooth(beyond), 0.0) / np.maximum(_smooth(mass), 1e-9)
    reached = int((~np.isnan(error).all(axis=(1, 2))).sum())
    return CommonError(np.sqrt(np.maximum.accumulate(square)), reached)


def _smooth(values: FloatArray) -> FloatArray:
    """Each value with half of its neighbours, the ends repeated."""
    return np.convolve(np.pad(values, (1, 1), "edge"), _SMOOTH, "valid")


def _rolled(forecast: PanelForecast, mean: FloatArray, level: Level) -> Rollup:
    common = common_error(forecast, level)
    made = summed(level, mean)
    sd = np.sqrt(summed(level, forecast.sd**2) + (common.relative * made) ** 2)
    low, high = {}, {}
    if len(level.keys) >= _MANY:
        error, size, own = _past_sums(forecast, level)
        past_sd = np.sqrt(own + (common.relative * size) ** 2)
        z = error / np.where(past_sd > 0, past_sd, np.nan)
        one = np.ones(z.shape[:2])
        errors = ScaledErrors.of(z, one, np.zeros(z.shape[:2], dtype=np.int64))
        group = np.zeros(len(level.keys), dtype=np.int64)
        reach = {at: errors.bounds(group, made.shape[1], at) for at in LEVELS}
    else:
        t = {at: t_quantile(at, max(common.origins - 1, 4)) for at in LEVELS}
        reach = {at: (np.full_like(made, -t[at]), np.full_like(made, t[at])) for at in LEVELS}
    inner_low = inner_high = made
    for at in LEVELS:
        inner_low = np.maximum(np.minimum(inner_low, made + reach[at][0] * sd), 0.0)
        inner_high = np.maximum(inner_high, made + reach[at][1] * sd)
        low[at], high[at] = inner_low, inner_high
    return Rollup(level, made, low, high, sd)


def _past_sums(forecast: PanelForecast, level: Level) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(K, nodes, H): past errors of the level's sums, the sums forecast, their series' variances added up."""
    past = forecast.past
    known = ~np.isnan(past.actual)
    error = np.where(known, past.actual - forecast.past_blend, 0.0)
    series = ScaledErrors.of(past.actual - forecast.past_blend, past.scale, past.group)
    shape = (len(past.origins), len(level.keys), past.actual.shape[2])
    found = np.full((3, *shape), np.nan)
    for k in range(shape[0]):
        spread = series.spread(np.maximum(past.group[k], 0), shape[2])
        own = np.where(known[k], (spread * np.nan_to_num(past.scale[k])[:, None]) ** 2, 0.0)
        there = summed(level, known[k].astype(np.float64)) > 0
        parts = (error[k], np.where(known[k], np.nan_to_num(forecast.past_blend[k]), 0.0), own)
        for place, values in enumerate(parts):
            found[place, k] = np.where(there, summed(level, values), np.nan)
    return found[0], found[1], found[2]
