"""By what a forecast is broken down: region, segment, owner, product, account."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from data.errors import ModelContractError
from models.arrays import IntArray

__all__ = ["OTHERS", "TOTAL", "UNASSIGNED", "UNKNOWN", "Cells", "Group", "Groups", "cells_of", "grouped"]

TOTAL = "total"
UNKNOWN = "(unknown)"
OTHERS = "(others)"
UNASSIGNED = "(not assigned)"
"""Deals to come have no owner yet."""


@dataclass(frozen=True)
class Group:
    """One key per row: codes, shape (n,), are places in keys."""

    codes: IntArray
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.codes.size and not 0 <= self.codes.min() <= self.codes.max() < len(self.keys):
            raise ModelContractError(
                f"group: expected codes from 0 to {len(self.keys) - 1}, found {self.codes.min()} to "
                f"{self.codes.max()}."
            )

    def rows(self, key: str) -> IntArray:
        """The rows of a key; none where it is unknown."""
        return np.flatnonzero(self.codes == self.keys.index(key)) if key in self.keys else _NONE

    def named(self) -> list[str]:
        """Each row's key."""
        return [self.keys[code] for code in self.codes]


Groups = Mapping[str, Group]
_NONE = np.zeros(0, dtype=np.int64)


def grouped(values: Sequence[str | None], *, at_most: int | None = None) -> Group:
    """The group that tells rows apart by a text; a missing one is "(unknown)".

    at_most: so many keys are kept, those with the most rows; the rest are "(others)".

    >>> grouped(["south", None, "north", "south"]).keys
    ('(unknown)', 'north', 'south')
    """
    named = [UNKNOWN if value is None else value for value in values]
    if at_most is not None:
        ranked = sorted(Counter(named).items(), key=lambda entry: (-entry[1], entry[0]))
        kept = {key for key, _ in ranked[:at_most]}
        named = [key if key in kept else OTHERS for key in named]
    keys = tuple(sorted(set(named)))
    places = {key: place for place, key in enumerate(keys)}
    return Group(np.array([places[key] for key in named], dtype=np.int64), keys)


@dataclass(frozen=True)
class Cells:
    """Rows told apart by all levels at once.

    cell: shape (n,), the cell of each row. keys: per cell its key at each level. levels: name and keys of
    each; of: shape (levels, cells), the place of the cell's key within its level.
    """

    cell: IntArray
    levels: tuple[tuple[str, tuple[str, ...]], ...]
    of: IntArray

    def at(self, rows: IntArray) -> "Cells":
        """The cells of some rows."""
        return replace(self, cell=self.cell[rows])

    @property
    def count(self) -> int:
        """How many cells there are."""
        return self.of.shape[1]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each cell, from its keys."""
        return tuple(
            "|".join(keys[place] for (_, keys), place in zip(self.levels, column, strict=True))
            for column in self.of.T
        )


def cells_of(groups: Groups, levels: Sequence[str], n: int, *, at_most: int) -> Cells:
    """The cells of n rows by the levels named; a level that the rows lack has no keys of theirs and is left
    out. Of a level with more than `at_most` keys those with the fewest rows are joined as "(others)".
    """
    held = [(level, _limited(groups[level], at_most)) for level in levels if level in groups]
    if not held or not n:
        return Cells(np.zeros(n, np.int64), (), np.zeros((0, 1 if n else 0), np.int64))
    codes = np.stack([group.codes for _, group in held])
    of, cell = np.unique(codes, axis=1, return_inverse=True)
    return Cells(cell.reshape(-1), tuple((level, group.keys) for level, group in held), of)


def _limited(group: Group, at_most: int) -> Group:
    return group if len(group.keys) <= at_most else grouped(group.named(), at_most=at_most - 1)
