"""Consumption at a past origin: the series known there, what they used afterwards, and plain baselines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.panel import Panel
from features.periods import period_of
from models.arrays import FloatArray, IntArray
from models.backtest.history import Texts
from models.backtest.rows import Cells, Forecast, by_period, cell_sums
from models.forecast.groups import TOTAL
from models.forecast.months import Months

__all__ = ["ConsumptionAt"]

_YEAR = 12
Series = tuple[str, str]


@dataclass(frozen=True)
class ConsumptionAt:
    """The series (account and product) known at one origin, whose months count whole, the origin's own too.

    then, now: monthly panels as known at the origin and at the backtest's end, both at the origin's rates.
    Use of accounts or products that came later is not the forecast's to know: left out of the actuals.
    """

    then: Panel
    now: Panel
    months: Months

    @property
    def ids(self) -> list[Series]:
        """The series that had not ended, in the panel's order."""
        return [
            one
            for one, ended in zip(_ids(self.then), self.then.series["ended"].to_pylist(), strict=True)
            if not ended
        ]

    @property
    def ended(self) -> int:
        """How many months from the origin's own are complete at the backtest's end."""
        return min(max(self.now.last - self._first + 1, 0), self.months.count)

    def keys(self, level: str) -> Texts:
        """Each series' key at a level: total, region, segment or product."""
        alive = np.array([not one for one in self.then.series["ended"].to_pylist()], dtype=np.bool_)
        if level == TOTAL:
            return np.full(int(alive.sum()), TOTAL, dtype=object)
        return np.array(self.then.series[level].to_pylist(), dtype=object)[alive]

    def levels(self, wanted: Sequence[str]) -> list[str]:
        """The levels that series are told apart by, of those wanted."""
        return [level for level in wanted if level in (TOTAL, "region", "segment", "product")]

    def cells(self, level: str) -> Cells:
        """What the series used by key and month; months that are not complete yet count nothing."""
        keys, used = self.keys(level), self._amounts(self.now, self._first, self.months.count)
        return self._summed(level, tuple(sorted(set(keys))), keys, used)

    def baselines(self, cells: Cells) -> list[Forecast]:
        """The last complete month again; the same month a year before, where the series is as old."""
        keys = self.keys(cells.level)
        history = self._amounts(self.then, self._first - _YEAR, _YEAR)
        complete = self.then.last - (self._first - _YEAR)
        last = np.repeat(history[:, [min(complete, _YEAR - 1)]], self.months.count, axis=1)
        age = self._first - _YEAR - self._starts()
        ahead = np.arange(self.months.count) % _YEAR
        seasonal = np.where((age[:, None] + ahead >= 0) & (ahead <= complete), history[:, ahead], last)
        return [
            Forecast(name, by_period(self._summed(cells.level, cells.keys, keys, of).amounts, self.months))
            for name, of in (("last_value", last), ("seasonal_naive", seasonal))
        ]

    @property
    def _first(self) -> int:
        return period_of(self.months.as_of, "monthly")

    def _starts(self) -> IntArray:
        starts = dict(zip(_ids(self.then), self.then.series["first"].to_pylist(), strict=True))
        return np.array([starts[one] for one in self.ids], dtype=np.int64)

    def _amounts(self, panel: Panel, first: int, count: int) -> FloatArray:
        """Amounts by series and month from a number on, shape (s, count), none below zero."""
        place = {one: row for row, one in enumerate(self.ids)}
        rows = panel.amounts
        number = rows["period_start"].to_numpy().astype("datetime64[M]").astype(np.int64) - first
        found = np.zeros((len(place), count))
        pairs = zip(rows["account_id"].to_pylist(), rows["product"].to_pylist(), strict=True)
        for one, month, amount in zip(pairs, number, rows["amount"].to_numpy(), strict=True):
            if one in place and 0 <= month < count:
                found[place[one], month] += max(amount, 0.0)
        return found

    def _summed(self, level: str, order: tuple[str, ...], keys: Texts, amounts: FloatArray) -> Cells:
        count = amounts.shape[1]
        month = np.tile(np.arange(count), keys.size)
        return cell_sums(
            np.repeat(keys, count), month, amounts.reshape(-1), level=level, order=order, months=count
        )


def _ids(panel: Panel) -> list[Series]:
    series = panel.series
    return list(zip(series["account_id"].to_pylist(), series["product"].to_pylist(), strict=True))
