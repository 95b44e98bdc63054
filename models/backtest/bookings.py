"""Bookings of new business at a past origin: the book as it would have stood, and what its baselines say."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.currency import Rates
from models.arrays import DAY_US, NEVER, BoolArray, FloatArray, IntArray, to_micros
from models.backtest.actuals import Actuals
from models.backtest.baselines import (
    expected_month,
    past_baselines,
    past_of_new_deals,
    rep_baselines,
    stage_baseline,
)
from models.backtest.history import Deals, Texts, in_currency, months_after
from models.backtest.rows import Cells, Forecast, by_period, cell_sums
from models.backtest.shocks import Shift, amount_shift, count_shift, logit_shift, timing_shift
from models.forecast.arrivals import NewBusiness, new_business
from models.forecast.book import OpenDeals
from models.forecast.groups import grouped
from models.forecast.months import Months
from models.forecast.overlap import counted_as_renewals
from models.timing.close_timing import CloseTiming
from models.win_model import WinModel

__all__ = ["BookingsAt", "amount_drift"]

_LOOKS = 12
_FEWEST = 20


@dataclass(frozen=True)
class BookingsAt:
    """Bookings of one origin. deals: as known at the backtest's end; counted: those that make bookings.

    coming: those that deals not yet created are forecast from. rates: known at the origin, into the reporting
    currency.
    """

    deals: Deals
    months: Months
    rates: Rates
    counted: BoolArray
    coming: BoolArray

    @classmethod
    def of(cls, deals: Deals, months: Months, rates: Rates, *, due: Collection[str] | None) -> "BookingsAt":
        """due: accounts with a contract that falls due within the months; None where no contract is recorded.

        A renewal is not counted twice: open deals of type renewal are left out where a contract of their
        account is due; of those to come all are, where contracts are recorded at all.
        """
        coming = np.ones(len(deals), dtype=np.bool_) if due is None else deals.kind != "renewal"
        twice = counted_as_renewals(list(deals.kind), list(deals.accounts), due or ())
        counted = np.where(deals.created < to_micros(months.as_of), ~twice, coming)
        return cls(deals, months, rates, counted, coming)

    @property
    def origin(self) -> datetime:
        """The instant that the forecast stands at."""
        return self.months.as_of

    @property
    def open(self) -> BoolArray:
        """Counted deals open at the origin."""
        return self.counted & self.deals.open_at(self.origin)

    @property
    def amounts(self) -> FloatArray:
        """Amounts known at the origin in the reporting currency; NaN where unknown."""
        return in_currency(self.deals.amounts_at(self.origin), self.deals.currency, self.rates, self.origin)

    def open_deals(self, frame: pa.Table, model: WinModel, timing: CloseTiming) -> OpenDeals:
        """The open deals as the models see them. frame: the feature rows of the origin's instant."""
        row = self._rows(frame)
        factor, spread = amount_drift(self.deals, self.origin)
        return OpenDeals(
            ids=tuple(self.deals.ids[row]),
            log_odds=model.log_odds(frame),
            share_closed=timing.share_closed(frame, self.months.end_days),
            amount=self.amounts[row] * factor,
            groups={
                level: grouped([key or None for key in of[row]]) for level, of in self.deals.groups.items()
            },
            spread=spread,
        )

    def frame_at(self, frame: pa.Table) -> pa.Table:
        """The feature rows of the origin's instant and of its open deals."""
        now = frame.filter(pc.equal(frame["as_of"], pa.scalar(self.origin, frame["as_of"].type)))
        wanted = pa.array(self.deals.ids[self.open], pa.string())
        return now.filter(pc.is_in(now["opportunity_id"], value_set=wanted))

    def new_business(self) -> NewBusiness | None:
        """What deals created before the origin say about those to come; None where they are too few."""
        deals, at = self.deals, to_micros(self.origin)
        rows = np.flatnonzero(self.coming & (deals.created < at))
        closed = np.where(deals.closed < at, deals.closed, NEVER)[rows]
        return new_business(
            deals.created[rows],
            closed,
            deals.won[rows].astype(np.float64),
            self._booked[rows],
            {level: [key or None for key in of[rows]] for level, of in deals.groups.items()},
            self.origin,
        )

    def actual(self, part: str) -> Actuals:
        """What came of the part: "open_deals", "not_yet_created" or both, "bookings"."""
        at = to_micros(self.origin)
        created = {"open_deals": self.deals.created < at, "not_yet_created": self.deals.created >= at}
        counted = self.counted & created.get(part, np.ones(len(self.deals), dtype=np.bool_))
        return Actuals.booked(self.deals, self.origin, self.rates, counted=counted)

    def baselines(
        self, part: str, keys: Texts, cells: Cells, stage_probabilities: Mapping[str, float]
    ) -> list[Forecast]:
        """Point forecasts of a part's cells. keys: of each deal at the cells' level."""
        if part == "open_deals":
            return self._of_categories(keys, cells, stage_probabilities)
        closed = months_after(self._closed_by_origin, self.origin)
        won = self.counted & self.deals.won
        months = cells.amounts.shape[1]
        if part == "not_yet_created":
            created = months_after(self.deals.created, self.origin)
            mean = past_of_new_deals(
                keys[won], created[won], closed[won], self._booked[won], order=cells.keys, months=months
            )
            return [Forecast("mean_of_past_looks", by_period(mean, self.months))]
        found = past_baselines(
            keys[won], closed[won], self._booked[won], order=cells.keys, months=months, origin=self.origin
        )
        # reps speak of what is open only: as a forecast of all bookings it is what many companies use
        return [
            *(Forecast(name, by_period(mean, self.months)) for name, mean in found.items()),
            *self._of_categories(keys, cells, stage_probabilities),
        ]

    def shifts(self, book: OpenDeals, new: NewBusiness | None) -> dict[str, Shift | None]:
        """How far the origin's expectations were from what happened within the months, by shock."""
        deals, end = self.deals, to_micros(self.months.edges[-1])
        place = {name: row for row, name in enumerate(deals.ids)}
        row = np.array([place[name] for name in book.ids], dtype=np.int64)
        won = deals.won[row] & (deals.closed[row] < end)
        share = book.share_closed
        month = months_after(deals.closed[row], self.origin)
        booked = in_currency(deals.booked_amounts(deals.as_of), deals.currency, self.rates, self.origin)[row]
        found = {
            "logit_sd": logit_shift(book.log_odds, float(won.sum()), share[:, -1]),
            "timing_sd": timing_shift(share[won], month[won]),
            "amount_sd": amount_shift(book.amount[won], booked[won]),
        }
        if new is not None:
            at = to_micros(self.origin)
            came = int((self.counted & (deals.created >= at) & (deals.created < end)).sum())
            days = (end - at) / DAY_US
            found["creation_sd"] = count_shift(float(new.rate.sum()) * days, came, past=new.created)
        return found

    @property
    def _closed_by_origin(self) -> IntArray:
        return np.where(self.deals.closed < to_micros(self.origin), self.deals.closed, NEVER)

    @property
    def _booked(self) -> FloatArray:
        """Booked amounts of deals closed before the origin, in the reporting currency at its rate."""
        amount = self.deals.booked_amounts(self.origin)
        known = np.where(self._closed_by_origin < NEVER, amount, np.nan)
        return in_currency(known, self.deals.currency, self.rates, self.origin)

    def _of_categories(self, keys: Texts, cells: Cells, probabilities: Mapping[str, float]) -> list[Forecast]:
        chances = rep_baselines(self.deals, self.origin) | stage_baseline(
            self.deals, self.origin, probabilities
        )
        due, rows = expected_month(self.deals, self.origin), self.open
        months = cells.amounts.shape[1]
        weighed = {name: (chance * self.amounts)[rows] for name, chance in chances.items()}
        sums = {
            name: cell_sums(keys[rows], due[rows], of, level=cells.level, order=cells.keys, months=months)
            for name, of in weighed.items()
        }
        return [Forecast(name, by_period(of.amounts, self.months)) for name, of in sums.items()]

    def _rows(self, frame: pa.Table) -> IntArray:
        place = pc.index_in(frame["opportunity_id"], value_set=pa.array(self.deals.ids, pa.string()))
        return np.asarray(place, dtype=np.int64)


def amount_drift(deals: Deals, at: datetime) -> tuple[float, float]:
    """What won deals were booked at ÷ their amount earlier (sums), and the sd of its log; as known at `at`.

    Looks back once a month over the year before, at deals open then and won since. 1 and 0 with under twenty.
    """
    now = to_micros(at)
    won = deals.won & (deals.closed < now)
    came = deals.booked_amounts(at)
    before, after = [], []
    for back in range(1, _LOOKS + 1):
        then = at - timedelta(days=30 * back)
        amount = deals.amounts_at(then)
        rows = won & deals.open_at(then) & (amount > 0) & (came > 0)
        before.append(amount[rows])
        after.append(came[rows])
    earlier, later = np.concatenate(before), np.concatenate(after)
    if earlier.size < _FEWEST:
        return 1.0, 0.0
    logs = np.log(later / earlier)
    # amounts of unlike currencies are not summed: the mean ratio needs none
    return float((later / earlier).mean()), float(logs.std())
