"""Series of consumption for a forecast's book, from the published consumption forecast.

Months are the calendar's; weeks are shared out by their days. A series' own error is read from its 80 %
interval; what all series share is the error of the total less what their own errors add up to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray, IntArray
from models.forecast.book import Consumption, no_consumption
from models.forecast.groups import TOTAL, grouped
from models.forecast.months import Months
from serving.plain_columns import numbers, texts

__all__ = ["CONSUMPTION_FILE", "consumption_series"]

CONSUMPTION_FILE = "consumption_forecast.parquet"
_UNKNOWN = "unknown"
"""What the consumption forecast calls an unknown region, segment or product; other parts leave it empty."""
_WIDTH_80 = 2 * 1.2815515655446004
"""The distance of the ends of an 80 % interval, in standard deviations of a normal error."""


def consumption_series(
    forecast: pa.Table | None, months: Months, currency: str, decides: Mapping[str, int]
) -> tuple[Consumption, tuple[str, ...], int]:
    """The series, a name for each, and how many rows are left out because they count in another currency.

    forecast: the published consumption_forecast, of whose levels the finest (account and product) is read.
    decides: by account the row of the renewal that decides about its use after the term.
    """
    if forecast is None or not forecast.num_rows:
        return no_consumption(months), (), 0
    accounts, products = texts(forecast, "account_id"), texts(forecast, "product")
    finest = np.array([a is not None and p is not None for a, p in zip(accounts, products, strict=True)])
    foreign = finest & np.array([one != currency for one in texts(forecast, "currency")])
    rows = np.flatnonzero(finest & ~foreign)
    keys = [(str(accounts[row]), str(products[row])) for row in rows]
    series = sorted(set(keys))
    place = {key: n for n, key in enumerate(series)}
    of = np.array([place[key] for key in keys], dtype=np.int64)
    shares = _month_shares(forecast["period_start"].to_pylist(), months)[rows]
    figures = _Figures(forecast, rows)
    mean, error, after = (
        _by_series(of, shares, values, len(series)) for values in (figures.mean, figures.sd, figures.after)
    )
    firsts = rows[np.unique(of, return_index=True)[1]]
    groups = {
        name: grouped([None if held[row] == _UNKNOWN else held[row] for row in firsts])
        for name, held in (
            ("region", texts(forecast, "region")), ("segment", texts(forecast, "segment")),
            ("product", products), ("account", accounts),
        )
    }  # fmt: skip
    relative = _ratio(error, mean)
    used = Consumption(
        mean=mean,
        relative_sd=relative,
        contract=np.array([decides.get(account, -1) for account, _ in series], dtype=np.int64),
        after_term=np.clip(_ratio(after, mean), 0.0, 1.0),
        groups=groups,
        common_sd=_common_sd(forecast, months, error, mean),
    )
    return used, tuple(" / ".join(key) for key in series), int(foreign.sum())


@dataclass(frozen=True)
class _Figures:
    """Mean, standard error (from the 80 % interval) and what falls after the term, of some rows, in money."""

    forecast: pa.Table
    rows: IntArray

    @property
    def mean(self) -> FloatArray:
        return np.maximum(numbers(self.forecast, "mean")[self.rows], 0.0)

    @property
    def sd(self) -> FloatArray:
        spread = numbers(self.forecast, "high80") - numbers(self.forecast, "low80")
        return np.maximum(np.nan_to_num(spread[self.rows]), 0.0) / _WIDTH_80

    @property
    def after(self) -> FloatArray:
        return np.nan_to_num(numbers(self.forecast, "after_term")[self.rows])


def _by_series(of: IntArray, shares: FloatArray, values: FloatArray, n: int) -> FloatArray:
    """Rows of periods summed into months by series, shape (n, months)."""
    summed = np.zeros((n, shares.shape[1]))
    np.add.at(summed, of, shares * values[:, None])
    return summed


def _month_shares(starts: list[date], months: Months) -> FloatArray:
    """What share of each row's period falls into each month; a period is a month if all begin on a first."""
    weekly = any(start.day != 1 for start in starts)
    places = {name: n for n, name in enumerate(months.names)}
    shares = np.zeros((len(starts), months.count))
    for row, start in enumerate(starts):
        days = [start + timedelta(days=day) for day in range(7)] if weekly else [start]
        for day in days:
            held = places.get(f"{day.year:04d}-{day.month:02d}")
            if held is not None:
                shares[row, held] += 1.0 / len(days)
    return shares


def _common_sd(forecast: pa.Table, months: Months, error: FloatArray, mean: FloatArray) -> FloatArray | None:
    """The relative error that all series share by month: that of the total, less what their own errors
    add."""
    levels = texts(forecast, "level")
    rows = np.array([n for n, level in enumerate(levels) if level == TOTAL], dtype=np.int64)
    if not rows.size:
        return None
    shares = _month_shares(forecast["period_start"].to_pylist(), months)[rows]
    total = _Figures(forecast, rows)
    whole = _by_series(np.zeros(rows.size, np.int64), shares, total.sd, 1)[0]
    own = (error**2).sum(axis=0)
    return _ratio(np.sqrt(np.maximum(whole**2 - own, 0.0)), mean.sum(axis=0))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
