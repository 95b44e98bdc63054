"""Calendar months of a forecast: the first is what is left of the month that holds `as_of`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray, IntArray

__all__ = ["HORIZON", "MONTH", "QUARTER", "Months", "Period", "month_name"]

MONTH, QUARTER, HORIZON = "month", "quarter", "horizon"


@dataclass(frozen=True)
class Period:
    """A month, a calendar quarter (what of it lies in the horizon), or the whole horizon.

    kind: month, quarter or horizon. months: the places of its months.
    """

    kind: str
    name: str
    months: tuple[int, ...]


@dataclass(frozen=True)
class Months:
    """`count` calendar months from the one that holds `as_of` (an aware UTC datetime).

    >>> Months(datetime(2026, 11, 22, tzinfo=UTC), 3).names
    ('2026-11', '2026-12', '2027-01')
    """

    as_of: datetime
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.as_of.tzinfo is None:
            raise ModelContractError(
                f"months of a forecast: expected an aware as_of and at least one month, found {self.as_of} "
                f"and {self.count}. Ask for a horizon of one month or more."
            )

    @cached_property
    def edges(self) -> tuple[datetime, ...]:
        """The first instant of each month, and the end of the last: count + 1 instants, UTC."""
        at = self.as_of.astimezone(UTC)
        return tuple(_first_of(at.year * 12 + at.month - 1 + step) for step in range(self.count + 1))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Each month as 2026-11."""
        return tuple(month_name(start) for start in self.edges[:-1])

    @cached_property
    def quarters(self) -> tuple[str, ...]:
        """The calendar quarter of each month, as 2026-Q4."""
        return tuple(f"{start.year}-Q{(start.month + 2) // 3}" for start in self.edges[:-1])

    @cached_property
    def end_days(self) -> FloatArray:
        """Days from `as_of` to the end of each month, shape (count,)."""
        return np.array([(end - self.as_of) / timedelta(days=1) for end in self.edges[1:]])

    def place(self, at: datetime) -> int:
        """The place of the month that holds an instant: negative before the first, above after the last."""
        at, first = at.astimezone(UTC), self.edges[0]
        return (at.year - first.year) * 12 + at.month - first.month

    def place_of(self, name: str) -> int:
        """The place of a month by its name. Raises ModelContractError for one outside the horizon."""
        if name not in self.names:
            raise ModelContractError(
                f"month {name!r} lies outside the forecast, which runs from {self.names[0]} to "
                f"{self.names[-1]}. Name a month in it, as {self.names[0]}."
            )
        return self.names.index(name)

    def due(self, ends: Sequence[datetime | None]) -> IntArray:
        """The month in which terms end: 0 for overdue ones, `count` for later ones and those without end."""
        places = [self.count if end is None else max(self.place(end), 0) for end in ends]
        return np.minimum(np.array(places, dtype=np.int64), self.count)

    @cached_property
    def periods(self) -> tuple[Period, ...]:
        """Every month, then every quarter, then the horizon."""
        months = [Period(MONTH, name, (place,)) for place, name in enumerate(self.names)]
        quarters = [
            Period(QUARTER, name, tuple(i for i, held in enumerate(self.quarters) if held == name))
            for name in dict.fromkeys(self.quarters)
        ]
        whole = Period(HORIZON, f"{self.names[0]}..{self.names[-1]}", tuple(range(self.count)))
        return (*months, *quarters, whole)


def month_name(at: datetime) -> str:
    """The calendar month of an instant, as 2026-11."""
    return f"{at.year:04d}-{at.month:02d}"


def _first_of(month: int) -> datetime:
    """The first instant of a month counted from year 0."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
