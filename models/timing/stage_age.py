"""The plain curves: hazards of closing by stage and age, as Kaplan-Meier counts them.

What a user would otherwise have, and what serves where there is too little to learn more from. Each
stage and age band is pulled to its stage, each stage to all deals, and all deals to one close in 90 days,
so that few closes claim little and none at all still gives a curve.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, IntArray
from models.baselines import column_numbers, column_texts
from models.timing.at_risk import AtRisk
from models.timing.hazards import Hazards

__all__ = ["STAGE_AND_AGE", "StageAge"]

STAGE_AND_AGE = ("stage", "deal_age_days")
"""The columns of the feature frame that the plain curves read, if it has them."""

_PULL = 50.0
"""Snapshots' weight of the coarser group; a deal's snapshots tell much the same, so this is a few deals."""
_PRIOR_DAYS = 90.0
_BANDS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class StageAge:
    """Hazards by cell: for each stage its age bands, in order; the last cell is that of all deals.

    ages: days at which the bands are cut. closing, won_if_closed: (cells, bins).
    """

    stages: tuple[str, ...]
    ages: tuple[float, ...]
    closing: tuple[tuple[float, ...], ...]
    won_if_closed: tuple[tuple[float, ...], ...]

    @classmethod
    def fit(cls, frame: pa.Table, risk: AtRisk, edges: FloatArray) -> "StageAge":
        """Counted on the pairs of snapshot and bin; frame: the snapshots."""
        age = column_numbers(frame, "deal_age_days")
        ages = np.unique(np.nanquantile(age, _BANDS)) if np.isfinite(age).any() else np.array([])
        stages, of_stage = np.unique(column_texts(frame, "stage").astype(str), return_inverse=True)
        bands = len(ages) + 2
        cell = of_stage * bands + _band(age, ages)
        nested = [
            _Grouping(np.zeros(len(cell), dtype=np.int64), 1, 1.0),
            _Grouping(of_stage.astype(np.int64), len(stages), _PULL),
            _Grouping(cell, len(stages) * bands, _PULL),
        ]
        closed, row, held = risk.closed, risk.row, risk.bin
        close_in_90_days = 1 - np.exp(-np.diff(edges) / _PRIOR_DAYS)
        closing = _rates(closed, row, held, nested, close_in_90_days)
        won = _rates(risk.won[closed], row[closed], held[closed], nested, np.full(edges.size - 1, 0.5))
        return cls(tuple(str(stage) for stage in stages), tuple(ages.tolist()), _rows(closing), _rows(won))

    def hazards(self, frame: pa.Table, edges: FloatArray) -> Hazards:
        """The hazards of each deal of the frame; a stage never seen has those of all deals."""
        bands = len(self.ages) + 2
        known = {stage: place for place, stage in enumerate(self.stages)}
        place = np.array(
            [known.get(str(stage), -1) for stage in column_texts(frame, "stage")], dtype=np.int64
        )
        band = _band(column_numbers(frame, "deal_age_days"), np.array(self.ages))
        cell = np.where(place < 0, len(self.stages) * bands, place * bands + band)
        return Hazards(edges, np.array(self.closing)[cell], np.array(self.won_if_closed)[cell])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives back an equal object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "StageAge":
        """The object that `as_dict` described."""
        return cls(
            tuple(stored["stages"]),
            tuple(stored["ages"]),
            _rows(stored["closing"]),
            _rows(stored["won_if_closed"]),
        )


@dataclass(frozen=True)
class _Grouping:
    """The group of each snapshot, how many groups there are, and how hard they are pulled to the coarser."""

    of: IntArray
    groups: int
    pull: float


def _band(age: FloatArray, cuts: FloatArray) -> IntArray:
    """The age band of each row; one of its own, the last, where the age is not known."""
    band = np.searchsorted(cuts, age, side="right")
    return np.where(np.isfinite(age), band, len(cuts) + 1).astype(np.int64)


def _rates(
    happened: BoolArray, row: IntArray, held: IntArray, nested: Sequence[_Grouping], prior: FloatArray
) -> FloatArray:
    """How often it happened in each bin, (groups, bins): of the finest grouping, then of the coarsest.

    row, held: the snapshot and the bin of each pair. nested: from coarse to fine, each group whole within
    one of the grouping before, and the groups of one next to each other.
    """
    bins, rates, coarsest = prior.size, prior[None], prior[None]
    for grouping in nested:
        at, size = grouping.of[row] * bins + held, grouping.groups * bins
        n, above = np.bincount(at, minlength=size), np.bincount(at, happened, minlength=size)
        towards = np.repeat(rates, grouping.groups // max(len(rates), 1), axis=0)
        rates = (above.reshape(-1, bins) + grouping.pull * towards) / (n.reshape(-1, bins) + grouping.pull)
        coarsest = rates if grouping.groups == 1 else coarsest
    return np.vstack([rates, coarsest])


def _rows(table: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in table)
