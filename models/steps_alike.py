"""What became of deals alike: those of the same stage and span of age whose outcome is known.

Where few such deals are known the stage alone tells which are alike, and where these are few too, none is
told from another. It says what was seen, not what causes what.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from models.alike import ENOUGH_DEALS, Alike
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, known_outcomes
from models.columns import numbers

__all__ = ["COMPARED_BY", "PastDeals", "Range", "Seen", "Threshold"]

_STAGE, _AGE = "stage", "deal_age_days"
COMPARED_BY = (_STAGE, _AGE)
"""The columns that say which deals are alike."""

_LOW, _HIGH = 10, 90
_FEW = 10
"""With fewer deals the range is that of all of them."""

Group = tuple[int, int]
"""A depth of the cells and a cell at that depth."""


@dataclass(frozen=True)
class Threshold:
    """That a feature stands at a level or beyond it; up: at least at it, else at most."""

    feature: str
    up: bool
    level: float


@dataclass(frozen=True)
class Seen:
    """Deals alike, and those of them that once stood where a step leads.

    alike: what they have in common, in words. low, high: how far the first feature went in those that
    stood there, the middle 80 % of them (all of fewer than ten); None if none did.
    """

    alike: str
    alike_deals: int
    alike_won: int
    deals: int
    won: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Range:
    """Values of a feature in deals alike: the smallest, the middle 80 % of snapshots, the largest."""

    smallest: float
    low: float
    high: float
    largest: float


@dataclass(frozen=True)
class PastDeals:
    """Snapshots of deals whose outcome is known, row for row alike.

    frame: their features. deal: a code that tells deals apart; won: by code, whether the deal was won.
    """

    frame: pa.Table
    deal: IntArray
    won: BoolArray
    alike: Alike
    _read: dict[str, FloatArray] = field(default_factory=dict, repr=False)
    _found: dict[Any, Seen] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, frame: pa.Table, labels: pa.Table) -> "PastDeals":
        """Those of the frame's snapshots whose label is known; frame and labels are row for row alike."""
        y = known_outcomes(labels)
        known: Any = pa.array(~np.isnan(y))
        frame, y = frame.filter(known), y[~np.isnan(y)]
        deal = deal_codes(frame)
        won = np.zeros(int(deal.max()) + 1 if deal.size else 0, dtype=np.bool_)
        won[deal] = y == 1
        return cls(frame, deal, won, Alike.of(frame, category=_STAGE, age=_AGE))

    def groups_of(self, frame: pa.Table) -> list[Group]:
        """The group of deals alike of each row of a frame: the finest that has ten deals."""
        cells = self.alike.cells(frame)
        finest = {cell: self._group(cell) for cell in np.unique(cells).tolist()}
        return [finest[cell] for cell in cells.tolist()]

    def seen(self, group: Group, thresholds: Sequence[Threshold]) -> Seen:
        """The deals of a group, and those that once, in one snapshot in it, passed all thresholds."""
        key = (group, *thresholds)
        if key not in self._found:
            self._found[key] = self._seen(group, thresholds)
        return self._found[key]

    def words(self, group: Group) -> str:
        """What the deals of a group have in common."""
        depth, cell = group
        finest = cell * (self.alike.sizes[-1] // self.alike.sizes[depth])
        return self.alike.words(finest, depth).replace("won deals", "deals")

    def range_of(self, group: Group, feature: str) -> Range | None:
        """The values of a feature in the snapshots of a group; None where it has none."""
        values = self._column(feature)[self._rows(group)]
        values = values[~np.isnan(values)]
        if not values.size:
            return None
        low, high = np.percentile(values, [_LOW, _HIGH], method="inverted_cdf")
        return Range(float(values.min()), float(low), float(high), float(values.max()))

    def _group(self, cell: int) -> Group:
        for depth in range(self.alike.depth, 0, -1):
            group = (depth, int(self.alike.coarser(np.array([cell]), depth)[0]))
            if np.unique(self.deal[self._rows(group)]).size >= ENOUGH_DEALS:
                return group
        return (0, 0)

    def _seen(self, group: Group, thresholds: Sequence[Threshold]) -> Seen:
        rows = self._rows(group)
        every = np.unique(self.deal[rows])
        passed = np.ones(rows.size, dtype=np.bool_)
        for one in thresholds:
            values = self._column(one.feature)[rows]
            passed &= values >= one.level if one.up else values <= one.level
        there = np.unique(self.deal[rows[passed]])
        low, high = None, None
        if there.size and thresholds:
            low, high = self._range(rows[passed], thresholds[0])
        return Seen(
            alike=self.words(group),
            alike_deals=int(every.size),
            alike_won=int(self.won[every].sum()),
            deals=int(there.size),
            won=int(self.won[there].sum()),
            low=low,
            high=high,
        )

    def _range(self, rows: IntArray, one: Threshold) -> tuple[float, float]:
        """The middle 80 % of how far the deals went."""
        _, place = np.unique(self.deal[rows], return_inverse=True)
        values = self._column(one.feature)[rows]
        furthest = np.full(int(place.max()) + 1, -np.inf if one.up else np.inf)
        (np.maximum if one.up else np.minimum).at(furthest, place, values)
        if furthest.size < _FEW:
            return float(furthest.min()), float(furthest.max())
        low, high = np.percentile(furthest, [_LOW, _HIGH], method="inverted_cdf")
        return float(low), float(high)

    def _rows(self, group: Group) -> IntArray:
        depth, cell = group
        order, starts = self._by_cell[depth]
        first, last = np.searchsorted(starts, [cell, cell + 1])
        return order[first:last]

    def _column(self, name: str) -> FloatArray:
        if name not in self._read:
            kind = "flag" if pa.types.is_boolean(self.frame.schema.field(name).type) else "number"
            self._read[name] = numbers(self.frame, name, kind)
        return self._read[name]

    @cached_property
    def _by_cell(self) -> list[tuple[IntArray, IntArray]]:
        """By depth the rows in the order of their cells, and those cells."""
        cells = self.alike.cells(self.frame)
        found = []
        for depth in range(self.alike.depth + 1):
            coarse = self.alike.coarser(cells, depth)
            order = np.argsort(coarse, kind="stable").astype(np.int64)
            found.append((order, coarse[order]))
        return found
