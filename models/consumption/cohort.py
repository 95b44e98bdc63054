"""Cohort curves: how use typically grows by periods since the first, learnt from older series."""

import numpy as np

from models.arrays import FloatArray

__all__ = ["cohort_forecast", "ramp_curve"]

_LONGEST = 24
_PRIOR = 8.0
"""Pairs of periods by which a step of the curve leans towards no growth."""


def ramp_curve(rates: FloatArray, steps: int = _LONGEST) -> FloatArray:
    """The typical rate at each age, relative to the first period's, shape (steps,); 1 at age 0.

    rates: (n, T), NaN outside a series' life. From age to age the curve grows by the ratio of sums over the
    series seen at both ages, each by its own mean, so that large ones do not rule; steps with few series
    lean towards no growth.

    >>> ramp_curve(np.tile([np.nan, 1.0, 2.0, 2.0], (1000, 1)), steps=3).round(1).tolist()
    [1.0, 2.0, 2.0]
    """
    aged = _by_age(rates, steps)
    curve = np.ones(steps)
    known = ~np.isnan(aged)
    mean = np.where(known, aged, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    scaled = aged[mean > 0] / mean[mean > 0][:, None]
    for age in range(1, steps):
        both = ~np.isnan(scaled[:, age - 1]) & ~np.isnan(scaled[:, age])
        then, now = scaled[both, age - 1], scaled[both, age]
        typical = (then.sum() + now.sum()) / max(2 * int(both.sum()), 1)
        prior = _PRIOR * max(typical, 1e-9)
        curve[age] = curve[age - 1] * (now.sum() + prior) / (then.sum() + prior)
    return curve


def cohort_forecast(rates: FloatArray, horizon: int, steps: int = _LONGEST) -> FloatArray:
    """Rates (n, horizon): the level that a series has shown for its age, moved along the typical curve.

    Of a series, at most the last six periods count. Past the curve's end it stays level.
    """
    curve = ramp_curve(rates, steps)
    periods = rates.shape[1]
    seen = ~np.isnan(rates)
    age = np.arange(periods + horizon) - np.argmax(seen, axis=1)[:, None]
    typical = curve[np.clip(age, 0, steps - 1)]
    recent = seen & (np.arange(periods) >= periods - 6)
    used = np.where(recent, rates, 0.0).sum(axis=1)
    expected = np.where(recent, typical[:, :periods], 0.0).sum(axis=1)
    level = used / np.where(expected > 0, expected, 1.0)
    return np.maximum(level[:, None] * typical[:, periods:], 0.0)


def _by_age(rates: FloatArray, steps: int) -> FloatArray:
    """The rates by age, shape (n, steps). Series that were there from the first period have no known age."""
    periods = rates.shape[1]
    first = np.argmax(~np.isnan(rates), axis=1)
    place = first[:, None] + np.arange(steps)
    aged = np.take_along_axis(rates, np.minimum(place, periods - 1), axis=1)
    return np.where((place < periods) & (first > 0)[:, None], aged, np.nan)
