"""The exact mean of each figure of a forecast: what the draws would average to, were there endless draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.arrays import FloatArray
from models.forecast.groups import TOTAL, Cells
from models.forecast.shocks import BOOKINGS, NOT_YET_CREATED, OPEN_DEALS

__all__ = ["Expected", "by_level"]


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


def by_level(means: FloatArray, cells: Cells) -> dict[str, FloatArray]:
    """Rows (n, m) summed by the keys of each level, and in total."""
    summed = np.zeros((max(cells.count, 1), means.shape[1]))
    np.add.at(summed, cells.cell, means)
    found = {TOTAL: summed.sum(axis=0, keepdims=True)}
    for (level, keys), places in zip(cells.levels, cells.of, strict=True):
        found[level] = np.zeros((len(keys), means.shape[1]))
        np.add.at(found[level], places, summed)
    return found
