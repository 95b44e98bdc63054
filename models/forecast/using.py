"""Consumption, drawn: series around their means, with errors of their own and errors that all share.

Errors that series have on their own are summed in closed form over a cell (their variances add up), since
thousands of series need not be drawn one by one to know their sum. What falls after a contract's term
counts in the draws in which it renews: the very draws of the renewals.
"""

from dataclasses import dataclass

import numpy as np

from models.arrays import BoolArray, FloatArray, IntArray
from models.forecast.book import Consumption, Renewals
from models.forecast.by_month import renewal_lots
from models.forecast.chance import lognormal_sd, persistent_scores
from models.forecast.groups import Cells
from models.forecast.lots import CENTS, Shocked, Sums, add_cell, happens
from models.forecast.shocks import Shocks

__all__ = ["DEFAULT_COMMON_SD", "Usage", "add_consumption", "change_consumption", "common_factor"]

DEFAULT_COMMON_SD = 0.08
"""Relative error that all series share, where neither the forecast nor a backtest says one."""


def common_factor(consumption: Consumption, shocks: Shocks, draws: int, seed: int) -> FloatArray:
    """What multiplies all consumption, shape (months, draws), mean 1 in each month."""
    months = consumption.mean.shape[1]
    relative = np.full(months, DEFAULT_COMMON_SD)
    if shocks.consumption_sd is not None:
        relative = np.full(months, shocks.consumption_sd)
    elif consumption.common_sd is not None:
        relative = consumption.common_sd
    paths = persistent_scores(draws, months, shocks.consumption_persistence, seed, "consumption")
    made = np.exp(lognormal_sd(relative)[:, None] * paths)
    return made / made.mean(axis=1, keepdims=True)


@dataclass(frozen=True)
class Usage:
    """Series and the contracts behind them, to be drawn."""

    consumption: Consumption
    renewals: Renewals
    shocks: Shocks

    def differs(self, other: "Usage") -> BoolArray:
        """Which series are not what they are in the other, or hang on a contract with another chance."""
        own, its = self.consumption, other.consumption
        unlike = self.renewals.log_odds != other.renewals.log_odds
        hangs = (own.contract >= 0) & np.append(unlike, False)[own.contract]
        figures = ((own.mean, its.mean), (own.relative_sd, its.relative_sd), (own.after_term, its.after_term))
        return hangs | np.any([(a != b).any(axis=1) for a, b in figures], axis=0)


def add_consumption(usage: Usage, shocked: Shocked, cells: Cells, into: Sums) -> None:
    """Add all series: whole hundredths by level, key, month and draw, before the common factor."""
    renewed = _renewed(usage, np.arange(cells.cell.size), shocked)
    for cell in range(cells.count):
        rows = np.flatnonzero(cells.cell == cell)
        paths = _paths(usage, shocked, cells.names[cell])
        add_cell(_drawn(usage, rows, renewed, paths), cells, cell, into)


def change_consumption(before: Usage, after: Usage, shocked: Shocked, cells: Cells, into: Sums) -> None:
    """Bring sums that hold `before` to what they are with `after`: cells that differ are drawn again."""
    which = np.unique(cells.cell[before.differs(after)])
    every = np.flatnonzero(np.isin(cells.cell, which))
    was, now = (_renewed(usage, every, shocked) for usage in (before, after))
    for cell in which:
        rows = np.flatnonzero(cells.cell == cell)
        paths = _paths(after, shocked, cells.names[cell])
        changed = _drawn(after, rows, now, paths) - _drawn(before, rows, was, paths)
        add_cell(changed, cells, int(cell), into)


def _renewed(usage: Usage, rows: IntArray, shocked: Shocked) -> dict[int, BoolArray]:
    """By contract that some of the series hang on: in which draws it renews."""
    used = usage.consumption
    waits = rows[(used.contract[rows] >= 0) & used.after_term[rows].any(axis=1)]
    contracts = np.unique(used.contract[waits])
    lots = renewal_lots(usage.renewals, used.mean.shape[1]).at(contracts)
    return dict(zip(contracts.tolist(), happens(lots, shocked), strict=True))


def _drawn(usage: Usage, rows: IntArray, renewed: dict[int, BoolArray], paths: FloatArray) -> FloatArray:
    """What a cell's series use, shape (months, draws), in whole hundredths."""
    used = usage.consumption
    mean, contract = used.mean[rows] * CENTS, used.contract[rows]
    later = mean * np.where(contract >= 0, 1.0, 0.0)[:, None] * used.after_term[rows]
    drawn = np.repeat((mean - later).sum(axis=0)[:, None], paths.shape[1], axis=1)
    waits = later.any(axis=1)
    contracts, place = np.unique(contract[waits], return_inverse=True)
    by_contract = np.zeros((contracts.size, mean.shape[1]))
    np.add.at(by_contract, place, later[waits])
    for one, amounts in zip(contracts.tolist(), by_contract, strict=True):
        first = int(np.flatnonzero(amounts)[0])
        drawn[first:] += amounts[first:, None] * renewed[one]
    return np.rint(drawn * _own_factor(used, rows, paths))


def _paths(usage: Usage, shocked: Shocked, name: str) -> FloatArray:
    months, persistence = usage.consumption.mean.shape[1], usage.shocks.consumption_persistence
    return persistent_scores(shocked.draws, months, persistence, shocked.seed, f"consumption of {name}")


def _own_factor(used: Consumption, rows: IntArray, paths: FloatArray) -> FloatArray:
    """The cell's own error, shape (months, draws), mean 1: the root of the sum of its series' variances."""
    total = used.mean[rows].sum(axis=0)
    spread = np.sqrt(((used.mean[rows] * used.relative_sd[rows]) ** 2).sum(axis=0))
    log_sd = lognormal_sd(np.divide(spread, total, out=np.zeros_like(total), where=total > 0))
    return np.exp(log_sd[:, None] * paths - log_sd[:, None] ** 2 / 2)
