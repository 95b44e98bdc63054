"""The rows of a backtest: what was forecast at an origin for a period, beside what came.

One row per origin, part, level, key, period and model. A cell's actual counts what was booked, renewed or
used in that period as known at the backtest's end; periods that had not ended by then make no rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import ModelContractError
from models.arrays import FloatArray, IntArray
from models.backtest.history import Texts
from models.backtest.metrics import QUANTILES
from models.forecast.draws import Draws
from models.forecast.groups import TOTAL, UNKNOWN
from models.forecast.months import HORIZON, MONTH, Months

__all__ = [
    "MODEL", "SCHEMA", "Cells", "Forecast", "by_period", "cell_sums", "forecast_rows", "group_keys",
    "simulated",
]  # fmt: skip

MODEL = "dealcast"
"""The name under which the product's own forecast stands among the baselines."""

_CENT = 0.01
_INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema([
    ("origin", _INSTANT), ("part", pa.string()), ("level", pa.string()), ("key", pa.string()),
    ("period_kind", pa.string()), ("period", pa.string()), ("month", _INSTANT), ("months_ahead", pa.int64()),
    ("model", pa.string()), ("mean", pa.float64()), ("p10", pa.float64()), ("p50", pa.float64()),
    ("p90", pa.float64()), ("p_none", pa.float64()), ("actual", pa.float64()),
])  # fmt: skip
"""Amounts in the reporting currency. p10, p50, p90: null for a point forecast. p_none: the
forecast chance that nothing comes; null for a point forecast. month: the first instant of
the period. months_ahead: of its last month; 0 is the origin's own, from the origin on."""


@dataclass(frozen=True)
class Cells:
    """Amounts by key and month of one level: `keys` (k,), `amounts` (k, months)."""

    level: str
    keys: tuple[str, ...]
    amounts: FloatArray


@dataclass(frozen=True)
class Forecast:
    """A forecast of one level's cells: mean (k, periods), and the quantiles p10, p50, p90 of like shape.

    The periods are those of `Months.periods`. quantiles, p_none (the chance that nothing comes, of like
    shape): None for a point forecast.
    """

    model: str
    mean: FloatArray
    quantiles: Mapping[str, FloatArray] | None = None
    p_none: FloatArray | None = None


def group_keys(groups: Mapping[str, Texts], n: int) -> dict[str, Texts]:
    """The key of each of n rows at each level, the total first; a row without a group is "(unknown)"."""
    total = np.full(n, TOTAL, dtype=object)
    named = {
        level: np.array([key or UNKNOWN for key in keys], dtype=object) for level, keys in groups.items()
    }
    return {TOTAL: total, **named}


def cell_sums(
    keys: Texts, month: IntArray, amounts: FloatArray, *, level: str, order: Sequence[str], months: int
) -> Cells:
    """Sums of amounts by key (in `order`) and month ahead, 0 to months - 1; other rows are left out.

    A missing amount counts nothing.
    """
    place = {key: row for row, key in enumerate(order)}
    row = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
    kept = (row >= 0) & (month >= 0) & (month < months) & ~np.isnan(amounts)
    cell = row[kept] * months + month[kept]
    sums = np.bincount(cell, weights=amounts[kept], minlength=len(order) * months)
    return Cells(level, tuple(order), sums.reshape(len(order), months).astype(np.float64))


def by_period(amounts: FloatArray, months: Months) -> FloatArray:
    """Amounts by month (k, months), summed to every period: (k, periods)."""
    return np.stack([amounts[:, list(period.months)].sum(axis=1) for period in months.periods], axis=1)


def simulated(draws: Draws, summary: pa.Table, part: str, level: str, keys: Sequence[str]) -> Forecast:
    """The simulation's forecast of a part at a level, from its draws and their summary; zero for keys that
    it has not.

    Raises ModelContractError if the summary is of other periods.
    """
    names, months = ("mean", *QUANTILES), draws.months
    found = {name: np.zeros((len(keys), len(months.periods))) for name in names}
    row = {key: place for place, key in enumerate(keys)}
    column = {(period.kind, period.name): place for place, period in enumerate(months.periods)}
    wanted = ("part", "level", "key", "period_kind", "period", *names)
    for one in summary.select(wanted).to_pylist():
        if one["part"] != part or one["level"] != level or one["key"] not in row:
            continue
        period = (one["period_kind"], one["period"])
        if period not in column:
            raise ModelContractError(
                f"backtest: expected a summary of {months.names[0]} to {months.names[-1]}, found "
                f"{period[1]!r}. Simulate the same months."
            )
        for name in names:
            found[name][row[one["key"]], column[period]] = one[name]
    none = np.stack([_none(draws.money(part, level, key), months) for key in keys]) if keys else found["mean"]
    return Forecast(MODEL, found["mean"], {name: found[name] for name in QUANTILES}, none)


def forecast_rows(
    months: Months, part: str, actual: Cells, forecasts: Iterable[Forecast], *, ended: int
) -> pa.Table:
    """The rows of one origin, part and level. ended: how many months ahead had ended and can be scored."""
    came = by_period(actual.amounts, months)
    places = [
        place for place, period in enumerate(months.periods) if _is_scored(period.kind, period.months, ended)
    ]
    k, n = len(actual.keys), len(places)
    periods = [months.periods[place] for place in places]
    tables = []
    for forecast in forecasts:
        columns: dict[str, Any] = {
            "origin": [months.as_of] * (k * n),
            "part": [part] * (k * n),
            "level": [actual.level] * (k * n),
            "key": [key for key in actual.keys for _ in range(n)],
            "period_kind": [period.kind for period in periods] * k,
            "period": [period.name for period in periods] * k,
            "month": [months.edges[period.months[0]] for period in periods] * k,
            "months_ahead": [period.months[-1] for period in periods] * k,
            "model": [forecast.model] * (k * n),
            "mean": forecast.mean[:, places].reshape(-1),
            "actual": came[:, places].reshape(-1),
        }
        columns["p_none"] = (
            pa.nulls(k * n) if forecast.p_none is None else forecast.p_none[:, places].reshape(-1)
        )
        for name in QUANTILES:
            stated = forecast.quantiles[name][:, places].reshape(-1) if forecast.quantiles else None
            columns[name] = pa.nulls(k * n) if stated is None else stated
        tables.append(pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def _none(money: FloatArray, months: Months) -> FloatArray:
    """The share of draws in which a period is without an amount, by period. money: (months, draws)."""
    return np.array([(money[list(one.months)].sum(axis=0) < _CENT / 2).mean() for one in months.periods])


def _is_scored(kind: str, held: Sequence[int], ended: int) -> bool:
    """Whether a period has ended; a quarter or horizon of a single month would only repeat that month."""
    return held[-1] < ended and (kind in (MONTH, HORIZON) or len(held) > 1)
