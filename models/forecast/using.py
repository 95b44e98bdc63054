"""Consumption, drawn: series around their means, with errors of their own and errors that all share.

Errors that series have on their own are summed in closed form over a cell (their variances add up), since
thousands of series need not be drawn one by one to know their sum. What falls after a contract's term
counts in the draws in which it renews: the very draws of the renewals.
"""

from collections.abc import Iterable
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
    _add(usage, range(cells.count), shocked, cells, into, 1.0)


def change_consumption(before: Usage, after: Usage, shocked: Shocked, cells: Cells, into: Sums) -> None:
    """Bring sums that hold `before` to what they are with `after`: cells that differ are drawn again."""
    which = [int(cell) for cell in np.unique(cells.cell[before.differs(after)])]
    _add(before, which, shocked, cells, into, -1.0)
    _add(after, which, shocked, cells, into, 1.0)


def _add(usage: Usage, which: Iterable[int], shocked: Shocked, cells: Cells, into: Sums, sign: float) -> None:
    for cell in which:
        rows = np.flatnonzero(cells.cell == cell)
        used = _cell(usage, rows, shocked)
        used *= _own_factor(usage, rows, shocked, cells.names[cell])
        add_cell(sign * np.rint(used), cells, cell, into)


def _cell(usage: Usage, rows: IntArray, shocked: Shocked) -> FloatArray:
    """The mean of a cell's series given which contracts renew, shape (months, draws), in hundredths."""
    used, m = usage.consumption, usage.consumption.mean.shape[1]
    mean, contract = used.mean[rows] * CENTS, used.contract[rows]
    later = mean * np.where(contract >= 0, 1.0, 0.0)[:, None] * used.after_term[rows]
    drawn = np.repeat((mean - later).sum(axis=0)[:, None], shocked.draws, axis=1)
    waits = later.any(axis=1)
    contracts, place = np.unique(contract[waits], return_inverse=True)
    by_contract = np.zeros((contracts.size, m))
    np.add.at(by_contract, place, later[waits])
    renewed = happens(renewal_lots(usage.renewals, m).at(contracts), shocked)
    for amounts, goes_on in zip(by_contract, renewed, strict=True):
        first = int(np.flatnonzero(amounts)[0])
        drawn[first:] += amounts[first:, None] * goes_on
    return drawn


def _own_factor(usage: Usage, rows: IntArray, shocked: Shocked, name: str) -> FloatArray:
    """The cell's own error, shape (months, draws), mean 1: the root of the sum of its series' variances."""
    mean = usage.consumption.mean[rows]
    total = mean.sum(axis=0)
    spread = np.sqrt(((mean * usage.consumption.relative_sd[rows]) ** 2).sum(axis=0))
    log_sd = lognormal_sd(np.divide(spread, total, out=np.zeros_like(total), where=total > 0))
    persistence = usage.shocks.consumption_persistence
    paths = persistent_scores(
        shocked.draws, mean.shape[1], persistence, shocked.seed, f"consumption of {name}"
    )
    return np.exp(log_sd[:, None] * paths - log_sd[:, None] ** 2 / 2)
