"""Consumption, drawn: series around their means, with errors of their own and errors that all share.

Errors that series have on their own are summed in closed form over a cell (their variances add up), since
thousands of series need not be drawn one by one to know their sum. What falls after a contract's term
counts in the draws in which it renews: the very draws of the renewals.
"""

import numpy as np

from models.arrays import FloatArray, IntArray
from models.forecast.book import Consumption, Renewals
from models.forecast.chance import lognormal_sd, persistent_scores
from models.forecast.expected import renewal_lots
from models.forecast.groups import TOTAL, Cells
from models.forecast.lots import CENTS, Shocked, Sums, empty_sums, happens
from models.forecast.shocks import Shocks

__all__ = ["DEFAULT_COMMON_SD", "common_factor", "draw_consumption"]

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


def draw_consumption(
    consumption: Consumption, renewals: Renewals, shocks: Shocks, shocked: Shocked, cells: Cells
) -> Sums:
    """Hundredths by level, key, month and draw, before the common factor. cells: of the series."""
    months = consumption.mean.shape[1]
    waits = (consumption.contract >= 0) & (consumption.mean * consumption.after_term > 0).any(axis=1)
    contracts, place = np.unique(consumption.contract[waits], return_inverse=True)
    row = np.full(len(consumption.mean), -1)
    row[waits] = place
    renewed = happens(renewal_lots(renewals, months).at(contracts), shocked)
    sums = empty_sums(cells, months, shocked.draws)
    for cell in range(cells.count):
        rows = np.flatnonzero(cells.cell == cell)
        used = _cell(consumption, rows, row, renewed, shocked.draws)
        used *= _own_factor(consumption, rows, shocks, shocked, cells.names[cell])
        sums[TOTAL][0] += used
        for (level, _), places in zip(cells.levels, cells.of, strict=True):
            sums[level][places[cell]] += used
    return sums


def _cell(
    consumption: Consumption, rows: IntArray, row: IntArray, renewed: FloatArray, draws: int
) -> FloatArray:
    """The mean of a cell's series given which contracts renew, shape (months, draws), in hundredths."""
    mean, after = consumption.mean[rows] * CENTS, consumption.after_term[rows]
    waits = row[rows] >= 0
    after = np.where(waits[:, None], after, 0.0)
    used = np.repeat((mean * (1.0 - after)).sum(axis=0)[:, None], draws, axis=1)
    later = np.zeros((renewed.shape[0], mean.shape[1]))
    np.add.at(later, row[rows][waits], (mean * after)[waits])
    for contract in np.flatnonzero(later.any(axis=1)):
        first = int(np.flatnonzero(later[contract])[0])
        used[first:] += later[contract, first:, None] * renewed[contract]
    return used


def _own_factor(
    consumption: Consumption, rows: IntArray, shocks: Shocks, shocked: Shocked, name: str
) -> FloatArray:
    """The cell's own error, shape (months, draws), mean 1: the root of the sum of its series' variances."""
    mean = consumption.mean[rows]
    total = mean.sum(axis=0)
    spread = np.sqrt(((mean * consumption.relative_sd[rows]) ** 2).sum(axis=0))
    log_sd = lognormal_sd(np.divide(spread, total, out=np.zeros_like(total), where=total > 0))
    paths = persistent_scores(
        shocked.draws, mean.shape[1], shocks.consumption_persistence, shocked.seed, f"consumption of {name}"
    )
    return np.exp(log_sd[:, None] * paths - log_sd[:, None] ** 2 / 2)
