"""The levels that finance rolls up by, and forecasts that agree on all of them.

Every level is a sum of the series (account x product), so adding up the series agrees by construction. The
other way, minimum trace, lets forecasts made for the upper levels themselves pull the series: the series
move as little as their past errors allow (hierarchicalforecast, weights by variance), nothing below zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
from hierarchicalforecast.methods import MinTrace  # type: ignore[import-untyped]

from features.periods import Period
from models.arrays import FloatArray, IntArray
from models.consumption.baselines import statistical
from models.consumption.history import group_of

Numbers = TypeVar("Numbers", FloatArray, IntArray)

__all__ = ["LEVELS_UP", "Level", "levels_of", "min_trace", "summed", "to_cents", "upper_forecasts"]

LEVELS_UP = ("total", "region", "segment", "product", "account")
"""The levels above the series, from the top."""


@dataclass(frozen=True)
class Level:
    """name; keys: the nodes in their order; node: the place of each series' node, shape (n,)."""

    name: str
    keys: tuple[str, ...]
    node: IntArray


def levels_of(series: pa.Table) -> tuple[Level, ...]:
    """The levels above the series. series: account_id, product, region and segment, a row per series."""
    found = [Level("total", ("total",), np.zeros(series.num_rows, dtype=np.int64))]
    for name in LEVELS_UP[1:]:
        column = "account_id" if name == "account" else name
        keys, node = np.unique(np.array(series[column].to_pylist(), dtype=str), return_inverse=True)
        found.append(Level(name, tuple(keys.tolist()), node.astype(np.int64)))
    return tuple(found)


def summed(level: Level, values: Numbers) -> Numbers:
    """The values (n, H) of the series added up to the level's nodes."""
    found = np.zeros((len(level.keys), values.shape[1]), dtype=values.dtype)
    np.add.at(found, level.node, values)
    return found


def to_cents(amounts: FloatArray) -> IntArray:
    """Whole cents; sums of them are exact, so that every level agrees to the cent.

    >>> to_cents(np.array([[0.125, 2.0]])).tolist()
    [[12, 200]]
    """
    return np.round(amounts * 100.0).astype(np.int64)


def upper_forecasts(
    rates: FloatArray,
    made: FloatArray,
    made_rates: FloatArray,
    levels: Sequence[Level],
    period: Period,
    season: int,
) -> FloatArray:
    """Forecasts (nodes, H) of the nodes' own histories, one level after the other.

    rates (n, T): past rates of the series. made, made_rates (n, H): their forecast amounts, and the rates
    behind them; a node's forecast rate becomes an amount in the proportion of its series.
    """
    found = []
    for level in levels:
        past = summed(level, np.nan_to_num(rates))
        ahead = statistical(past, made.shape[1], season, group_of(past, period))
        of_rates = summed(level, made_rates)
        found.append(ahead * summed(level, made) / np.where(of_rates > 0, of_rates, 1.0))
    return np.concatenate(found)


def min_trace(
    made: FloatArray, upper: FloatArray, levels: Sequence[Level], variance: FloatArray
) -> FloatArray:
    """The series' forecasts (n, H), pulled by those of the upper nodes (nodes, H), never below zero.

    variance (nodes + n,): of the past errors, upper nodes first. What would fall below zero is set to zero,
    after which the levels are sums again.
    """
    n = len(made)
    every = np.concatenate([upper, made])
    S = np.zeros((len(every), n))
    offset = 0
    for level in levels:
        S[offset + level.node, np.arange(n)] = 1.0
        offset += len(level.keys)
    S[offset:] = np.eye(n)
    # the library takes errors and finds their variance: two errors that have it, and do not cancel
    spread = np.sqrt(np.maximum(variance, 1e-4) / 2)[:, None]
    errors = np.concatenate([spread, 3 * spread], axis=1)
    fitted = MinTrace(method="wls_var").fit_predict(
        S=S, y_hat=every, y_insample=errors, y_hat_insample=np.zeros_like(errors)
    )
    return np.maximum(np.asarray(fitted["mean"])[offset:], 0.0)
