"""One origin of a backtest: simulate the book as it stood, and set it beside what came and the baselines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from models.backtest.actuals import Actuals, ended_months
from models.backtest.bookings import BookingsAt
from models.backtest.consumption import ConsumptionAt
from models.backtest.renewals import RenewalsAt
from models.backtest.rows import SCHEMA, Cells, Forecast, forecast_rows, simulated
from models.backtest.shocks import Shift
from models.forecast.arrivals import NewBusiness
from models.forecast.book import Book, Consumption, OpenDeals, Renewals, no_consumption, no_deals, no_renewals
from models.forecast.groups import TOTAL
from models.forecast.months import Months
from models.forecast.shocks import BOOKINGS, CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS, Shocks
from models.forecast.simulate import simulate

__all__ = ["Origin", "Replayed", "replay"]


@dataclass(frozen=True)
class Origin:
    """The parts of one origin that there are: how each stands, and what the models made of it.

    currency: the reporting currency. known_until: the backtest's end.
    """

    months: Months
    currency: str
    known_until: datetime
    bookings: tuple[BookingsAt, OpenDeals, NewBusiness | None] | None = None
    renewals: tuple[RenewalsAt, Renewals] | None = None
    consumption: tuple[ConsumptionAt, Consumption] | None = None

    def book(self, shocks: Shocks) -> Book:
        """The inputs of the simulation."""
        deals, new = self.bookings[1:] if self.bookings else (no_deals(self.months), None)
        renewals = self.renewals[1] if self.renewals else no_renewals()
        consumption = self.consumption[1] if self.consumption else no_consumption(self.months)
        return Book(self.months, self.currency, deals, new, renewals, consumption, shocks)


@dataclass(frozen=True)
class Replayed:
    """Rows of one origin, and the shift that each shock would have needed there (None: too few to say)."""

    rows: pa.Table
    shifts: Mapping[str, Shift | None]


def replay(
    origin: Origin,
    shocks: Shocks,
    *,
    by: Sequence[str],
    stage_probabilities: Mapping[str, float],
    draws: int,
    seed: int,
) -> Replayed:
    """What was forecast at the origin for each part, level and period, beside what came.

    by: levels beside the total. stage_probabilities: as the CRM sets them, by stage.
    """
    made = simulate(origin.book(shocks), draws=draws, seed=seed, by=by)
    summary = made.summary(by)
    tables = [
        forecast_rows(
            origin.months,
            part,
            cells,
            [simulated(made, summary, part, cells.level, cells.keys), *baselines],
            ended=ended,
        )
        for part, cells, baselines, ended in _parts(origin, (TOTAL, *by), stage_probabilities)
    ]
    return Replayed(pa.concat_tables([SCHEMA.empty_table(), *tables]), _shifts(origin))


def _parts(
    origin: Origin, levels: Sequence[str], probabilities: Mapping[str, float]
) -> Iterator[tuple[str, Cells, list[Forecast], int]]:
    months = origin.months
    ended = ended_months(months.as_of, origin.known_until, at_most=months.count)
    if origin.bookings:
        bookings, _, new = origin.bookings
        parts = (OPEN_DEALS, NOT_YET_CREATED, BOOKINGS) if new else (OPEN_DEALS,)
        for part in parts:
            actual = bookings.actual(part)
            for level in _held(actual, levels):
                cells = actual.cells(level, months=months.count)
                yield part, cells, bookings.baselines(part, actual.keys[level], cells, probabilities), ended
    if origin.renewals:
        renewals, book = origin.renewals
        actual = renewals.actual(book)
        wait = renewals.contracts.wait(most_days=renewals.overdue_days)
        decided = ended_months(months.as_of, origin.known_until - wait, at_most=months.count)
        for level in _held(actual, levels):
            cells = actual.cells(level, months=months.count)
            yield RENEWALS, cells, renewals.baselines(book, actual.keys[level], cells), decided
    if origin.consumption:
        consumption, _ = origin.consumption
        for level in consumption.levels(levels):
            cells = consumption.cells(level)
            yield CONSUMPTION, cells, consumption.baselines(cells), min(ended, consumption.ended)


def _held(actual: Actuals, levels: Sequence[str]) -> list[str]:
    return [level for level in levels if level in actual.keys]


def _shifts(origin: Origin) -> dict[str, Shift | None]:
    found: dict[str, Shift | None] = {}
    if origin.bookings:
        bookings, deals, new = origin.bookings
        found |= bookings.shifts(deals, new)
    if origin.renewals:
        renewals, book = origin.renewals
        found |= renewals.shifts(book)
    return found
