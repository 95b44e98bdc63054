"""Lots: things that happen at most once, in a month, and are then worth an amount: a win, a renewal.

One uniform number per lot and draw says whether it happens, in which month and, by what is left of it, at
which amount. Amounts are whole hundredths, so sums are exact in any order: a scenario worked out by
difference equals a simulation from scratch to the last bit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.arrays import BoolArray, FloatArray, IntArray
from models.forecast.chance import Levels, normal_scores, stream
from models.forecast.groups import TOTAL, Cells

__all__ = [
    "CENTS",
    "Lots",
    "Shocked",
    "Sums",
    "add_cell",
    "add_lots",
    "change_lots",
    "empty_sums",
    "happens",
]

CENTS = 100.0
_BLOCK = 256
_SPREAD_STEPS = 256

Singles = npt.NDArray[np.float32]
"""Chances in single precision: sixteen million steps, at half the time."""

Sums = dict[str, FloatArray]
"""By level: hundredths by key, month and draw, shape (keys, months, draws)."""


@dataclass(frozen=True)
class Lots:
    """kind: keys the random numbers, with the id. log_odds: shape (n,). share: shape (n, m), share of those
    that happen which happen by the end of each month. amount: shape (n,), NaN: left out. spread: shape
    (n,), log sd of the amount, its mean held."""

    kind: str
    ids: tuple[str, ...]
    log_odds: FloatArray
    share: FloatArray
    amount: FloatArray
    spread: FloatArray

    def at(self, rows: IntArray) -> "Lots":
        """The lots of some rows."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            log_odds=self.log_odds[rows],
            share=self.share[rows],
            amount=self.amount[rows],
            spread=self.spread[rows],
        )

    def worth(self, row: int) -> FloatArray:
        """What a lot is worth if it happens, in hundredths: one amount, or equally likely ones in steps."""
        amount, spread = self.amount[row], self.spread[row]
        if spread == 0:
            return np.rint(np.array([amount * CENTS]))
        steps = np.exp(spread * _SCORES)
        return np.rint(amount * CENTS * steps / steps.mean())


_SCORES = normal_scores(_SPREAD_STEPS)


@dataclass(frozen=True)
class Shocked:
    """The common levels of a kind of lots: chance and share (see `Levels`), and the seed."""

    chance: Levels
    share: Levels
    seed: int

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return self.chance.of_draw.size

    @cached_property
    def pair(self) -> IntArray:
        """The place of each draw's pair of levels."""
        return self.chance.of_draw * self.share.shifts.size + self.share.of_draw

    def thresholds(self, lots: Lots) -> Singles:
        """By lot, month and pair of levels: what a uniform must fall below for it to happen by then."""
        chance = self.chance.chances(lots.log_odds)
        share = self.share.shares(lots.share)
        joint = chance[:, None, :, None] * share[:, :, None, :]
        return joint.reshape(*lots.share.shape, -1).astype(np.float32)


def empty_sums(cells: Cells, months: int, draws: int) -> Sums:
    """Nothing yet, for each level of the cells and the total."""
    sizes = {TOTAL: 1} | {level: len(keys) for level, keys in cells.levels}
    return {level: np.zeros((size, months, draws)) for level, size in sizes.items()}


def add_cell(amounts: FloatArray, cells: Cells, cell: int, into: Sums) -> None:
    """Add what a cell is worth, shape (months, draws), to each level that it belongs to."""
    into[TOTAL][0] += amounts
    for (level, _), places in zip(cells.levels, cells.of, strict=True):
        into[level][places[cell]] += amounts


def add_lots(lots: Lots, cells: Cells, shocked: Shocked, into: Sums) -> None:
    """Add what the lots are worth in each draw. cells: of these lots, row by row."""
    rows = np.flatnonzero(~np.isnan(lots.amount))
    _add(lots.at(rows), cells.at(rows), shocked, into, lots.at(rows).worth)


def change_lots(before: Lots, after: Lots, cells: Cells, shocked: Shocked, into: Sums) -> None:
    """Bring sums that hold `before` to what they are with `after`: the same lots, changed.

    Where only the amount differs, what happens stays, and the difference is added.
    """
    priced = ~np.isnan(before.amount)
    alike = (before.log_odds == after.log_odds) & (before.share == after.share).all(axis=1)
    unlike_worth = (before.amount != after.amount) | (before.spread != after.spread)
    rows = np.flatnonzero(priced & alike & unlike_worth)
    old, new = before.at(rows), after.at(rows)
    _add(new, cells.at(rows), shocked, into, lambda row: new.worth(row) - old.worth(row))
    rows = np.flatnonzero(priced & ~alike)
    old, new = before.at(rows), after.at(rows)
    _add(old, cells.at(rows), shocked, into, lambda row: -old.worth(row))
    _add(new, cells.at(rows), shocked, into, new.worth)


def happens(lots: Lots, shocked: Shocked) -> BoolArray:
    """Whether a lot happens, whenever, in each draw: shape (n, draws)."""
    chances = shocked.chance.chances(lots.log_odds).astype(np.float32)
    found = np.zeros((len(lots.ids), shocked.draws), np.bool_)
    for row, chance in enumerate(chances):
        found[row] = _uniforms(lots, row, shocked) < chance.take(shocked.chance.of_draw)
    return found


def _add(lots: Lots, cells: Cells, shocked: Shocked, into: Sums, worth: Callable[[int], FloatArray]) -> None:
    """Lots of one cell are summed in one small array, then added to each level that the cell belongs to."""
    order = np.argsort(cells.cell, kind="stable")
    pair, buffer = shocked.pair, np.zeros(into[TOTAL].shape[1:])
    last = np.append(np.diff(cells.cell[order]) != 0, True)
    for place, table in enumerate(_tables(lots.at(order), shocked)):
        row = int(order[place])
        _land(_uniforms(lots, row, shocked), table, pair, worth(row), buffer)
        if last[place]:
            add_cell(buffer, cells, int(cells.cell[row]), into)
            buffer[:] = 0.0


def _tables(lots: Lots, shocked: Shocked) -> Iterator[Singles]:
    """The thresholds of each lot, made for a block of them at a time."""
    for start in range(0, len(lots.ids), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(lots.ids)))
        yield from shocked.thresholds(lots.at(rows))


def _uniforms(lots: Lots, row: int, shocked: Shocked) -> Singles:
    """The lot's numbers, from 0 to below 1, one a draw."""
    return stream(shocked.seed, lots.kind, lots.ids[row]).random(shocked.draws, dtype=np.float32)


def _land(uniform: Singles, table: Singles, pair: IntArray, worth: FloatArray, buffer: FloatArray) -> None:
    """Add the lot's worth to the months of the draws in which it happens."""
    draw = np.flatnonzero(uniform < table[-1].take(pair))
    level, held = pair.take(draw), uniform.take(draw)
    reached = np.zeros(draw.size, dtype=np.int16)
    for month_before in table[:-1]:
        reached += (held >= month_before.take(level)).view(np.int8)
    month = reached.astype(np.int64)
    amount = worth
    if worth.size > 1:
        high = table[month, level]
        low = np.where(month > 0, table[np.maximum(month - 1, 0), level], 0.0)
        step = (held - low) / (high - low) * worth.size
        amount = worth.take(np.minimum(step.astype(np.int64), worth.size - 1))
    buffer.reshape(-1)[month * uniform.size + draw] += amount
