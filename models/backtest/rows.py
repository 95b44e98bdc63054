"""The rows of a backtest: what was forecast at an origin for a month, beside what came.

One row per origin, part, level, key, month and model. A cell's actual counts what was booked, renewed or
used in that month as known at the backtest's end; months that had not ended by then make no rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import FloatArray, IntArray
from models.backtest.history import Texts
from models.forecast.months import Months

__all__ = [
    "MODEL",
    "SCHEMA",
    "TOTAL",
    "Cells",
    "Forecast",
    "cell_sums",
    "forecast_rows",
    "group_keys",
]

MODEL = "dealcast"
"""The name under which the product's own forecast stands among the baselines."""

TOTAL = "total"

_INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema([
    ("origin", _INSTANT), ("part", pa.string()), ("level", pa.string()), ("key", pa.string()),
    ("month", _INSTANT), ("months_ahead", pa.int64()), ("model", pa.string()), ("mean", pa.float64()),
    ("p10", pa.float64()), ("p50", pa.float64()), ("p90", pa.float64()), ("actual", pa.float64()),
])  # fmt: skip
"""Amounts in the reporting currency. p10, p50, p90: null for a point forecast. months_ahead: 0 is the
origin's own month, from the origin on."""


@dataclass(frozen=True)
class Cells:
    """Amounts by key and month of one level: `keys` (k,), `amounts` (k, months)."""

    level: str
    keys: tuple[str, ...]
    amounts: FloatArray


@dataclass(frozen=True)
class Forecast:
    """A forecast of one level's cells: mean (k, months), and the quantiles p10, p50, p90 of like shape.

    quantiles: None for a point forecast.
    """

    model: str
    mean: FloatArray
    quantiles: Mapping[str, FloatArray] | None = None


def group_keys(groups: Mapping[str, Texts], n: int) -> dict[str, Texts]:
    """The key of each of n rows at each level, the total first; a row without a group is "(none)"."""
    total = np.full(n, TOTAL, dtype=object)
    named = {
        level: np.array([key or "(none)" for key in keys], dtype=object) for level, keys in groups.items()
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


def forecast_rows(
    origin: datetime, part: str, actual: Cells, forecasts: Iterable[Forecast], *, ended: int
) -> pa.Table:
    """The rows of one origin, part and level. ended: how many months ahead had ended and can be scored."""
    k, months = actual.amounts.shape
    ahead = np.tile(np.arange(months), k)
    scored = np.flatnonzero(ahead < ended)
    starts = Months(origin, months).edges
    tables = []
    for forecast in forecasts:
        columns: dict[str, Any] = {
            "origin": [origin] * scored.size,
            "part": [part] * scored.size,
            "level": [actual.level] * scored.size,
            "key": np.repeat(np.array(actual.keys, dtype=object), months)[scored].tolist(),
            "month": [starts[one] for one in ahead[scored]],
            "months_ahead": ahead[scored],
            "model": [forecast.model] * scored.size,
            "mean": forecast.mean.reshape(-1)[scored],
            "actual": actual.amounts.reshape(-1)[scored],
        }
        for name in ("p10", "p50", "p90"):
            stated = forecast.quantiles[name].reshape(-1)[scored] if forecast.quantiles else None
            columns[name] = pa.nulls(scored.size) if stated is None else stated
        tables.append(pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()
