"""Which deals are alike: cells of stage, span of age and segment, coarse to fine.

A cell is known by the deals in it, not by their rows: a deal that stood a while in a cell counts once.
Where a cell has too few deals, the coarser one around it answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrays import BoolArray, FloatArray, IntArray, case_key, deal_codes
from models.columns import numbers, texts

__all__ = ["AGE_EDGES", "ENOUGH_DEALS", "Alike", "Axis", "Figures", "mean_by_cell", "median_by_cell"]

AGE_EDGES = (7.0, 14.0, 30.0, 60.0, 120.0, 240.0, 480.0)
"""Days; doubling spans suit quick cycles and slow ones."""

ENOUGH_DEALS = 10
"""With fewer, a cell does not speak for itself."""

_MAX_LEVELS = 60
_TIE = 1e-9


@dataclass(frozen=True)
class Axis:
    """One column by which deals are told apart: a category by its levels, or an age (days) by spans.

    Beside its levels or spans it has a place for what is missing and, for a category, for what is new.
    """

    column: str
    levels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.levels) + 2 if not self.edges else len(self.edges) + 2

    def codes(self, frame: pa.Table) -> IntArray:
        """The place of each row, 0 to size - 1; a missing value has the last one."""
        if self.edges:
            age = numbers(frame, self.column, "number")
            place = np.searchsorted(self.edges, age, side="right")
            return np.where(np.isnan(age), self.size - 1, place).astype(np.int64)
        text = texts(frame, self.column)
        found: Any = pc.index_in(text, value_set=pa.array(self.levels, pa.string()))
        codes = np.asarray(pc.fill_null(found, len(self.levels)), dtype=np.int64)
        return np.where(np.asarray(pc.is_null(text), dtype=bool), self.size - 1, codes)

    def words(self, code: int) -> str:
        """What deals of a place have in common, as said after "won deals".

        >>> Axis("stage", ("offer",)).words(0), Axis("deal_age_days", edges=(7.0, 30.0)).words(1)
        ('at stage offer', '7 to 30 days old')
        """
        name = self.column.replace("_", " ")
        if self.edges:
            spans = [f"under {self.edges[0]:.0f} days old"]
            spans += [f"{low:.0f} to {high:.0f} days old" for low, high in pairwise(self.edges)]
            return [*spans, f"over {self.edges[-1]:.0f} days old", "of unknown age"][code]
        if code >= len(self.levels):
            return f"without a known {name}"
        return f"{'at' if name == 'stage' else 'with'} {name} {self.levels[code]}"


@dataclass(frozen=True)
class Alike:
    """Axes, the coarsest first; cells of depth d are told apart by the first d of them, 0 by none."""

    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, frame: pa.Table, *, category: str = "", age: str = "", segment: str = "") -> "Alike":
        """The axes of the columns named, with the levels that the frame holds, the commonest 60 at most."""
        axes = [Axis(category, _levels(texts(frame, category)))] if category else []
        axes += [Axis(age, edges=AGE_EDGES)] if age else []
        axes += [Axis(segment, _levels(texts(frame, segment)))] if segment else []
        return cls(tuple(axes))

    @property
    def depth(self) -> int:
        """How many axes there are."""
        return len(self.axes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many cells each depth has, from 0 on."""
        sizes = [1]
        for axis in self.axes:
            sizes.append(sizes[-1] * axis.size)
        return tuple(sizes)

    def cells(self, frame: pa.Table) -> IntArray:
        """The finest cell of each row."""
        cell = np.zeros(frame.num_rows, dtype=np.int64)
        for axis in self.axes:
            cell = cell * axis.size + axis.codes(frame)
        return cell

    def coarser(self, cells: IntArray, depth: int) -> IntArray:
        """The cells of a depth that hold some of the finest ones."""
        return cells // (self.sizes[-1] // self.sizes[depth])

    def words(self, cell: int, depth: int) -> str:
        """What the deals of one of the finest cells have in common at a depth."""
        place, said = int(self.coarser(np.array([cell]), depth)[0]), list[str]()
        for axis in reversed(self.axes[:depth]):
            place, code = divmod(place, axis.size)
            said.insert(0, axis.words(code))
        return ", ".join([f"won deals {said[0]}", *said[1:]]) if said else "all won deals"


@dataclass(frozen=True)
class Figures:
    """Figures of the cells that have enough deals, by depth: {"cell", "deals", "values"} as lists.

    lean: how many deals' weight the coarser cell has in a finer one's figures; 0 for none.
    """

    alike: Alike
    by_depth: tuple[dict[str, list[Any]], ...]
    width: int
    lean: float = 0.0

    @cached_property
    def resolved(self) -> tuple[FloatArray, IntArray, IntArray]:
        """For each of the finest cells: figures (cells, width), the deals behind them, and their depth."""
        values = np.full((1, self.width), np.nan)
        deals, depths = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for depth, known in enumerate(self.by_depth):
            if depth:
                size = self.alike.axes[depth - 1].size
                values, deals, depths = (np.repeat(part, size, axis=0) for part in (values, deals, depths))
            if known["cell"]:
                at, n = np.array(known["cell"]), np.array(known["deals"])
                own, weight = np.array(known["values"], dtype=np.float64), n[:, None] + self.lean
                coarse = np.where(np.isnan(values[at]), own, values[at])
                values[at] = (own * n[:, None] + coarse * self.lean) / weight
                deals[at], depths[at] = n, depth
        return values, deals, depths

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Figures":
        """The figures whose plain values (`dataclasses.asdict`) are given."""
        axes = tuple(
            Axis(axis["column"], tuple(axis["levels"]), tuple(axis["edges"]))
            for axis in stored["alike"]["axes"]
        )
        return cls(Alike(axes), tuple(stored["by_depth"]), stored["width"], stored["lean"])


def mean_by_cell(alike: Alike, frame: pa.Table, values: FloatArray, *, lean: float) -> Figures:
    """The mean of each column of values (n, k) by cell: of each deal's mean, so that deals count alike."""
    cells, deals = alike.cells(frame), _deals(frame)

    def figures(cell: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        cell_of, pair, rows = _cell_and_deal(cell, deals)
        known, place, n = np.unique(cell_of, return_inverse=True, return_counts=True)
        of_deal = [np.bincount(pair, column, minlength=rows.size) / rows for column in values.T]
        means = [np.bincount(place, column, minlength=n.size) / n for column in of_deal]
        return known, n, np.column_stack(means)

    return _figures(alike, cells, values.shape[1], lean, figures)


def median_by_cell(alike: Alike, frame: pa.Table, values: FloatArray, *, present: BoolArray) -> Figures:
    """The median of the values (n,) that are present, by cell; each deal has the same weight in a cell."""
    cells, deals, values = alike.cells(frame)[present], _deals(frame)[present], values[present]

    def figures(cell: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        cell_of, pair, rows = _cell_and_deal(cell, deals)
        known, n = np.unique(cell_of, return_counts=True)
        weight = 1.0 / rows[pair]
        order = np.lexsort((values, cell))
        starts = np.searchsorted(cell[order], known)
        parts = zip(np.split(values[order], starts[1:]), np.split(weight[order], starts[1:]), strict=True)
        return known, n, np.array([[_median(*part)] for part in parts])

    return _figures(alike, cells, 1, 0.0, figures)


def _figures(alike: Alike, cells: IntArray, width: int, lean: float, figures: Any) -> Figures:
    by_depth: list[dict[str, list[Any]]] = []
    for depth in range(alike.depth + 1):
        if not cells.size:
            by_depth.append({"cell": [], "deals": [], "values": []})
            continue
        known, n, values = figures(alike.coarser(cells, depth))
        kept = (n >= ENOUGH_DEALS) | (depth == 0)
        by_depth.append(
            {"cell": known[kept].tolist(), "deals": n[kept].tolist(), "values": values[kept].tolist()}
        )
    return Figures(alike, tuple(by_depth), width, lean)


def _cell_and_deal(cell: IntArray, deals: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The pairs of cell and deal: each pair's cell, each row's pair, each pair's rows."""
    span = int(deals.max()) + 1
    pairs, pair, rows = np.unique(cell * span + deals, return_inverse=True, return_counts=True)
    return pairs // span, pair, rows


def _median(ranked: FloatArray, weight: FloatArray) -> float:
    """The weighted median of ranked values; between two that share the middle, their mean."""
    reached = np.cumsum(weight)
    half = reached[-1] / 2
    low, high = np.searchsorted(reached, [half * (1 - _TIE), half * (1 + _TIE)])
    return float(ranked[low] + ranked[min(high, ranked.size - 1)]) / 2


def _deals(frame: pa.Table) -> IntArray:
    """The deal (or contract) of each row; a frame without keys has one a row."""
    if case_key(frame) in frame.column_names:
        return deal_codes(frame)
    return np.arange(frame.num_rows, dtype=np.int64)


def _levels(text: Any) -> tuple[str, ...]:
    counted: Sequence[dict[str, Any]] = pc.value_counts(text.drop_null()).to_pylist()
    ranked = sorted(counted, key=lambda entry: (-entry["counts"], entry["values"]))[:_MAX_LEVELS]
    return tuple(sorted(str(entry["values"]) for entry in ranked))
