"""The published table of a consumption forecast: every level's rows, in whole cents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.panel import Panel
from models.arrays import FloatArray, IntArray
from models.consumption.conformal import LEVELS, NORMAL
from models.consumption.forecast import PanelForecast
from models.consumption.hierarchy import Level, levels_of, summed, to_cents
from models.consumption.rollup import Rollup, roll_up
from models.consumption.terms import PARTS, Terms

__all__ = ["FORECAST_SCHEMA", "Finest", "forecast_table"]

SERIES_LEVEL = "account_product"
FORECAST_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("level", "account_id", "product", "region", "segment")]
    + [("period_start", pa.date32())]
    + [(name, pa.float64()) for name in ("mean", "low80", "high80", "low95", "high95", *PARTS, "after_term")]
    + [("currency", pa.string()), ("model", pa.string())]
)
"""The columns of the published forecast; amounts in `currency`."""


@dataclass(frozen=True)
class Finest:
    """The finest level: labels (account_id, product, region, segment), and cents (m, H) of everything."""

    labels: pa.Table
    mean: IntArray
    low: dict[float, IntArray]
    high: dict[float, IntArray]
    sd: FloatArray
    terms: Terms
    models: tuple[str, ...]


def forecast_table(
    panel: Panel, series: Finest, levels: Sequence[Level], made: PanelForecast | None, mean: FloatArray,
    gap: int, starts: Any,
) -> pa.Table:  # fmt: skip
    """Every level's rows: the upper ones first, each by key and period."""
    parts = []
    if series.mean.size:
        rolled = _rolled(series, levels, made, mean, panel, gap)
        for level, roll in zip(levels, rolled, strict=True):
            parts.append(_rows(panel, level.name, _keys(level, series.labels), roll, level, series, starts))
        each = Level(
            SERIES_LEVEL, tuple(str(i) for i in range(len(series.mean))), np.arange(len(series.mean))
        )
        bounds = {"low": series.low, "high": series.high}
        keys = {name: series.labels[name].to_pylist() for name in series.labels.column_names}
        parts.append(_rows(panel, SERIES_LEVEL, keys, bounds, each, series, starts))
    return pa.concat_tables(parts) if parts else FORECAST_SCHEMA.empty_table()


def _rolled(
    series: Finest,
    levels: Sequence[Level],
    made: PanelForecast | None,
    mean: FloatArray,
    panel: Panel,
    gap: int,
) -> list[dict[str, dict[float, IntArray]]]:
    """Bounds in cents of every level's nodes, around the sums of whole cents."""
    found = []
    whole = levels_of(panel.series) if made is not None else ()
    rolls: dict[str, Rollup] = {roll.level.name: roll for roll in roll_up(made, mean, whole)} if made else {}
    for level in levels:
        sums = summed(level, series.mean)
        beginning = summed(level, np.where(np.array(series.models)[:, None] == "cohort", series.sd, 0.0) ** 2)
        bounds: dict[str, dict[float, IntArray]] = {"low": {}, "high": {}}
        for at in LEVELS:
            below = NORMAL[at] * np.sqrt(beginning)
            above = below.copy()
            roll = rolls.get(level.name)
            if roll is not None:
                rows = {key: i for i, key in enumerate(roll.level.keys)}
                for i, key in enumerate(level.keys):
                    if key in rows:
                        near = roll.mean[rows[key], gap:]
                        below[i] = np.hypot(below[i], near - roll.low[at][rows[key], gap:])
                        above[i] = np.hypot(above[i], roll.high[at][rows[key], gap:] - near)
            bounds["low"][at] = np.maximum(sums - to_cents(below), 0)
            bounds["high"][at] = sums + to_cents(above)
        found.append(bounds)
    return found


def _keys(level: Level, labels: pa.Table) -> dict[str, list[str | None]]:
    """The key columns of a level's nodes; an account has its region and segment too."""
    n = len(level.keys)
    keys: dict[str, list[str | None]] = {
        name: [None] * n for name in ("account_id", "product", "region", "segment")
    }
    if level.name == "account":
        keys["account_id"] = list(level.keys)
        first = np.unique(level.node, return_index=True)[1]
        for name in ("region", "segment"):
            keys[name] = labels[name].take(pa.array(first)).to_pylist()
    elif level.name != "total":
        keys[level.name] = list(level.keys)
    return keys


def _rows(
    panel: Panel, name: str, keys: dict[str, list[Any]], bounds: dict[str, dict[float, IntArray]],
    level: Level, series: Finest, starts: Any,
) -> pa.Table:  # fmt: skip
    """One level's rows, by node and period."""
    n, horizon = len(level.keys), len(starts)
    amounts: dict[str, IntArray] = {"mean": summed(level, series.mean)}
    for at in LEVELS:
        for side in ("low", "high"):
            amounts[f"{side}{round(at * 100)}"] = bounds[side][at]
    for part in (*PARTS, "after_term"):
        amounts[part] = summed(level, vars(series.terms)[part])
    models = list(series.models) if name == SERIES_LEVEL else ["sum"] * n
    return pa.table(
        {
            "level": pa.array([name] * (n * horizon), pa.string()),
            **{
                key: pa.array(np.repeat(np.array(held, dtype=object), horizon), pa.string())
                for key, held in keys.items()
            },
            "period_start": pa.array(np.tile(starts, n), pa.date32()),
            **{key: pa.array(cents.ravel() / 100.0) for key, cents in amounts.items()},
            "currency": pa.array([panel.currency or None] * (n * horizon), pa.string()),
            "model": pa.array(np.repeat(np.array(models, dtype=object), horizon), pa.string()),
        },
        schema=FORECAST_SCHEMA,
    )
