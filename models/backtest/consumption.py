"""Consumption at a past origin: series as they were forecast there, what they used, and plain baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from features.panel import Panel
from features.periods import period_of
from models.arrays import FloatArray, IntArray
from models.backtest.history import Texts
from models.backtest.rows import Cells, Forecast, by_period, cell_sums
from models.consumption.table import SERIES_LEVEL
from models.consumption.use import UseForecast
from models.forecast.book import Consumption, Renewals
from models.forecast.groups import TOTAL, grouped
from models.forecast.months import Months

__all__ = ["ConsumptionAt", "deciding_contracts"]

_YEAR = 12
_LEVELS = ("region", "segment", "product")
Series = tuple[str, str]


@dataclass(frozen=True)
class ConsumptionAt:
    """The series (account and product) forecast at one origin, whose months count whole, its own month too.

    then, now: monthly panels as known at the origin and at the backtest's end, both at the origin's rates.
    Use of series that came later is not the forecast's to know: it is left out of the actuals.
    """

    then: Panel
    now: Panel
    months: Months
    forecast: UseForecast

    @property
    def ended(self) -> int:
        """How many months from the origin's own are complete at the backtest's end."""
        return min(max(self.now.last - self._first + 1, 0), self.months.count)

    def book(self, decides: Mapping[str, int]) -> Consumption:
        """The series as the simulation takes them. decides: by account the renewal that its use waits for."""
        after = self._told("after_term")
        mean = self.forecast.mean
        share = np.divide(after, mean, out=np.zeros_like(mean), where=mean > 0)
        return Consumption(
            mean=mean,
            relative_sd=self.forecast.relative_sd,
            contract=np.array([decides.get(account, -1) for account, _ in self.forecast.ids], dtype=np.int64),
            after_term=np.clip(share, 0.0, 1.0),
            groups={level: grouped(list(self.keys(level))) for level in _LEVELS},
            common_sd=self.forecast.common_sd,
        )

    def keys(self, level: str) -> Texts:
        """Each series' key at a level: total, region, segment or product."""
        if level == TOTAL:
            return np.full(len(self.forecast.ids), TOTAL, dtype=object)
        rows = self.forecast.table.filter(pc.field("level") == SERIES_LEVEL)
        pairs = zip(rows["account_id"].to_pylist(), rows["product"].to_pylist(), strict=True)
        named = dict(zip(pairs, rows[level].to_pylist(), strict=True))
        return np.array([named[one] for one in self.forecast.ids], dtype=object)

    def levels(self, wanted: Sequence[str]) -> list[str]:
        """The levels that series are told apart by, of those wanted."""
        return [level for level in wanted if level in (TOTAL, *_LEVELS)]

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
        return np.array([starts.get(one, self._first) for one in self.forecast.ids], dtype=np.int64)

    def _told(self, column: str) -> FloatArray:
        """A column of the forecast's finest rows by series and month, (s, months)."""
        rows = self.forecast.table.filter(pc.field("level") == SERIES_LEVEL)
        return self._placed(
            rows["account_id"].to_pylist(),
            rows["product"].to_pylist(),
            rows["period_start"].to_numpy(),
            rows[column].to_numpy(),
            first=self._first,
            count=self.months.count,
        )

    def _amounts(self, panel: Panel, first: int, count: int) -> FloatArray:
        """Amounts by series and month from a number on, shape (s, count), none below zero."""
        rows = panel.amounts
        return self._placed(
            rows["account_id"].to_pylist(),
            rows["product"].to_pylist(),
            rows["period_start"].to_numpy(),
            np.maximum(rows["amount"].to_numpy(), 0.0),
            first=first,
            count=count,
        )

    def _placed(
        self, accounts: Sequence[str], products: Sequence[str], starts: Texts, values: FloatArray, *,
        first: int, count: int,
    ) -> FloatArray:  # fmt: skip
        place = {one: row for row, one in enumerate(self.forecast.ids)}
        row = np.array([place.get(one, -1) for one in zip(accounts, products, strict=True)], dtype=np.int64)
        month = starts.astype("datetime64[M]").astype(np.int64) - first
        kept = (row >= 0) & (month >= 0) & (month < count)
        found = np.zeros((len(place), count))
        np.add.at(found, (row[kept], month[kept]), values[kept])
        return found

    def _summed(self, level: str, order: tuple[str, ...], keys: Texts, amounts: FloatArray) -> Cells:
        count = amounts.shape[1]
        month = np.tile(np.arange(count), keys.size)
        return cell_sums(
            np.repeat(keys, count), month, amounts.reshape(-1), level=level, order=order, months=count
        )


def deciding_contracts(book: Renewals, accounts: Sequence[str], months: Months) -> dict[str, int]:
    """By account the row of the renewal that its use after the term waits for.

    accounts: of each renewal. Of those due in time, else of all, the one with the largest commitment decides,
    then the one that ends first.
    """
    worth = np.nan_to_num(book.committed)
    ranked = sorted(
        range(len(book.ids)),
        key=lambda row: (book.due[row] >= months.count, -worth[row], book.due[row], book.ids[row]),
    )
    decides: dict[str, int] = {}
    for row in ranked:
        decides.setdefault(accounts[row], row)
    return decides


def _ids(panel: Panel) -> list[Series]:
    series = panel.series
    return list(zip(series["account_id"].to_pylist(), series["product"].to_pylist(), strict=True))
