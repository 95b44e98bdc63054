"""Calendar months and ISO weeks as whole numbers, so that periods can be counted and lined up."""

from datetime import UTC, datetime
from typing import Literal

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

__all__ = [
    "MEAN_DAYS",
    "SEASON",
    "Dates",
    "Period",
    "period_days",
    "period_number",
    "period_of",
    "period_starts",
    "weekdays_within",
]

Period = Literal["monthly", "weekly"]
Ints = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]

MEAN_DAYS: dict[Period, float] = {"monthly": 30.4375, "weekly": 7.0}
"""Mean length of a period, in days."""
SEASON: dict[Period, int] = {"monthly": 12, "weekly": 52}
"""Periods in a year."""

_MONDAY = 4
"""Days from 1970-01-01, a Thursday, to the first Monday."""


def period_of(instant: datetime, period: Period) -> int:
    """The number of the period that an instant lies in.

    >>> period_of(datetime(1970, 2, 3, tzinfo=UTC), "monthly")
    1
    >>> period_of(datetime(1970, 1, 5, tzinfo=UTC), "weekly")
    0
    """
    at = instant.astimezone(UTC)
    if period == "monthly":
        return (at.year - 1970) * 12 + at.month - 1
    return ((at.date() - datetime(1970, 1, 5, tzinfo=UTC).date()).days) // 7


def period_starts(numbers: npt.ArrayLike, period: Period) -> Dates:
    """The first day of each period: of the month, or the week's Monday.

    >>> period_starts([0, 13], "monthly").astype(str).tolist()
    ['1970-01-01', '1971-02-01']
    >>> period_starts([0, -1], "weekly").astype(str).tolist()
    ['1970-01-05', '1969-12-29']
    """
    n = np.asarray(numbers, dtype=np.int64)
    if period == "monthly":
        return n.astype("datetime64[M]").astype("datetime64[D]")
    return (n * 7 + _MONDAY).astype("datetime64[D]")


def period_days(numbers: npt.ArrayLike, period: Period) -> Ints:
    """The length of each period in days."""
    n = np.asarray(numbers, dtype=np.int64)
    return (period_starts(n + 1, period) - period_starts(n, period)).astype(np.int64)


def period_number(instant: ir.TimestampValue, seconds: ir.IntegerValue, period: Period) -> ir.IntegerValue:
    """The number of each instant's period, in the engine. seconds: the instant in epoch seconds."""
    if period == "monthly":
        return ((instant.year() - 1970) * 12 + instant.month() - 1).cast("int64")
    days = (seconds.cast("float64") / 86_400.0).floor() - _MONDAY
    return (days / 7.0).floor().cast("int64")


def weekdays_within(first_day: Ints, last_day: Ints, weekday: npt.ArrayLike) -> Ints:
    """How often a day of the week falls within [first_day, last_day), in days since 1970; 0 if empty.

    weekday: days since 1970 modulo 7, so that 0 is a Thursday.
    """
    start = first_day - np.asarray(weekday, dtype=np.int64)
    end = np.maximum(last_day, first_day) - np.asarray(weekday, dtype=np.int64)
    return -((-end) // 7) + (-start // 7)
