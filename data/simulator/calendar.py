"""When things happen inside a calendar week, and when the CRM hears of them."""

from dataclasses import dataclass

import numpy as np

from data.simulator.deals import DAY, WEEK, Deals, working_days
from data.simulator.journey import Path
from data.simulator.rng import Bools, Floats, Ints

__all__ = ["Diary", "logged_s", "make_diary"]

_HOUR = 3600


@dataclass(frozen=True)
class Diary:
    """The time window of each path row: week_s is the instant at which its week begins."""

    week_s: Ints
    first_day: Ints
    last_day: Ints
    working: Ints
    closed_s: Ints
    """When the deal of each row closes, if in this row; else -1. Shape (rows,)."""

    def times(self, rng: np.random.Generator, rows: Ints) -> Ints:
        """A working-hour instant within each of the rows' windows, before the close."""
        span = self.last_day[rows] - self.first_day[rows] + 1
        day = self.first_day[rows] + np.floor(rng.random(len(rows)) * span).astype(np.int64)
        second = rng.integers(9 * _HOUR, 17 * _HOUR, len(rows))
        return self.week_s[rows] + self.working[day] * DAY + second


def make_diary(rng: np.random.Generator, deals: Deals, path: Path, as_of_s: int) -> Diary:
    """The windows of the path's rows; a deal closes after working hours of a day of its last week."""
    n = len(path.deal)
    week_s = deals.origin_s + (deals.week[path.deal] + path.age) * WEEK
    working = working_days(as_of_s)
    last = np.where(path.closing, rng.integers(1, 5, n), 4)
    evening = rng.integers(17 * _HOUR, 18 * _HOUR, n)
    closed = np.where(path.closing, week_s + working[last] * DAY + evening, -1)
    first = np.where(path.age == 0, deals.first_day[path.deal], 0)
    return Diary(week_s=week_s, first_day=first, last_day=last, working=working, closed_s=closed)


def logged_s(rng: np.random.Generator, occurred_s: Ints, discipline: Floats, synced: Bools) -> Ints:
    """When the CRM recorded what happened at `occurred_s`: minutes later for mail, up to weeks for notes.

    discipline: 0 to 1; the lower, the more often a note is typed in days late.
    """
    n = len(occurred_s)
    soon = rng.integers(5 * 60, 3 * _HOUR, n)
    late = (rng.exponential(1.0, n) * (1.0 + 5.0 * (1 - discipline)) * DAY).astype(np.int64) + 4 * _HOUR
    delay = np.where(rng.random(n) < 0.30 + 0.55 * discipline, soon, np.minimum(late, 40 * DAY))
    return occurred_s + np.where(synced, rng.integers(10, 600, n), delay)
