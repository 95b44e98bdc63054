"""The exact mean of each figure of a forecast: what the draws would average to, were there endless draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.arrays import FloatArray
from models.calibration import sigmoid
from models.forecast.book import Consumption, OpenDeals, Renewals
from models.forecast.groups import TOTAL, Cells
from models.forecast.lots import Lots
from models.forecast.shocks import BOOKINGS, NOT_YET_CREATED, OPEN_DEALS

__all__ = ["Expected", "by_level", "deal_lots", "expected_consumption", "renewal_lots"]


@dataclass(frozen=True)
class Expected:
    """means: by part and level, shape (keys, months), in money. keys: by part and level."""

    means: Mapping[str, Mapping[str, FloatArray]]
    keys: Mapping[str, Mapping[str, tuple[str, ...]]]

    def months(self, part: str, level: str = TOTAL, key: str = TOTAL) -> FloatArray:
        """The mean by month; zeros for a key that a part does not have."""
        parts = (OPEN_DEALS, NOT_YET_CREATED) if part == BOOKINGS else (part,)
        found = [
            self.means[name][level][self.keys[name][level].index(key)]
            for name in parts
            if key in self.keys.get(name, {}).get(level, ())
        ]
        return np.sum(found, axis=0) if found else np.zeros(self._count)

    @property
    def _count(self) -> int:
        return next(iter(next(iter(self.means.values())).values())).shape[1]


def deal_lots(deals: OpenDeals) -> Lots:
    """Open deals as lots."""
    spread = np.broadcast_to(np.asarray(deals.spread, dtype=np.float64), deals.amount.shape)
    return Lots("deal", deals.ids, deals.log_odds, deals.share_closed, deals.amount, spread)


def renewal_lots(renewals: Renewals, months: int) -> Lots:
    """Contracts as lots: each in the month that it falls due in, worth what it renews for."""
    share = (np.arange(months) >= renewals.due[:, None]).astype(np.float64)
    relative = np.divide(
        renewals.ratio_sd, renewals.ratio, out=np.zeros_like(renewals.ratio), where=renewals.ratio > 0
    )
    spread = np.sqrt(np.log1p(relative**2))
    amount = renewals.committed * renewals.ratio
    return Lots("contract", renewals.ids, renewals.log_odds, share, amount, spread)


def expected_consumption(consumption: Consumption, renewals: Renewals) -> FloatArray:
    """Each series' mean by month, shape (s, m): what comes after a term counts as far as it is renewed."""
    if not len(renewals.ids):
        return consumption.mean
    p = np.where(consumption.contract >= 0, sigmoid(renewals.log_odds)[consumption.contract], 1.0)
    return consumption.mean * (1.0 - consumption.after_term * (1.0 - p)[:, None])


def by_level(means: FloatArray, cells: Cells) -> dict[str, FloatArray]:
    """Rows (n, m) summed by the keys of each level, and in total."""
    summed = np.zeros((max(cells.count, 1), means.shape[1]))
    np.add.at(summed, cells.cell, means)
    found = {TOTAL: summed.sum(axis=0, keepdims=True)}
    for (level, keys), places in zip(cells.levels, cells.of, strict=True):
        found[level] = np.zeros((len(keys), means.shape[1]))
        np.add.at(found[level], places, summed)
    return found
