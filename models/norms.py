"""What won training deals alike looked like, and how a deal stands against it: learnt columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.feature import Learnt, RolesMissing
from models.alike import Alike, Figures, mean_by_cell, median_by_cell
from models.arrays import BoolArray, FloatArray
from models.columns import numbers, only, texts

__all__ = ["LEAN", "Norm", "RoleShares", "fit_norm", "norm_from_dict"]

LEAN = 10.0
"""Deals' weight of the coarser cell in the shares of a finer one."""


@dataclass(frozen=True)
class Norm:
    """Medians of `number` among won training deals alike."""

    number: str
    medians: Figures

    def apply(self, frame: pa.Table) -> FloatArray:
        """number / its median; NaN if the number is null, nothing was learnt, or the median is zero."""
        median = self.medians.resolved[0][self.medians.alike.cells(frame), 0]
        return numbers(frame, self.number, "number") / np.where(median == 0, np.nan, median)


@dataclass(frozen=True)
class RoleShares:
    """For each role the share of won training deals alike that had engaged it by then.

    touches: each role with its column of touchpoints, in the order of the shares.
    """

    touches: tuple[tuple[str, str], ...]
    shares: Figures

    @classmethod
    def fit(cls, won: pa.Table, value: RolesMissing) -> "RoleShares":
        """The shares among the rows given, which are those of won deals."""
        engaged = [numbers(won, column, "count") > 0 for _, column in value.touches]
        alike = Alike.of(
            won, category=value.category, age=value.age, segment=_recorded_segment(won, value.segments)
        )
        shares = mean_by_cell(alike, won, np.column_stack(engaged).astype(np.float64), lean=LEAN)
        return cls(value.touches, shares)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "RoleShares":
        """The shares whose plain values (`dataclasses.asdict`) are given."""
        touches = tuple((role, column) for role, column in stored["touches"])
        return cls(touches, Figures.from_dict(stored["shares"]))

    def apply(self, frame: pa.Table) -> FloatArray:
        """The roles that won deals alike had engaged and this deal has not, by their shares' sum."""
        cells, shares = self.shares.alike.cells(frame), self.shares.resolved[0]
        missing = np.zeros(frame.num_rows)
        for place, (_, column) in enumerate(self.touches):
            untouched = ~(numbers(frame, column, "count") > 0)
            missing += np.where(untouched, shares[cells, place], 0.0)
        return np.where(np.isnan(shares[cells, 0]), np.nan, missing)


def fit_norm(seen: pa.Table, won: BoolArray, value: Learnt) -> Norm | RoleShares:
    """What is learnt of a value from the training rows whose deals were won."""
    rows = only(seen, value.reads).filter(pa.array(won))
    if isinstance(value, RolesMissing):
        return RoleShares.fit(rows, value)
    number = numbers(rows, value.number, "number")
    alike = Alike.of(rows, category=value.category, age=value.age)
    return Norm(value.number, median_by_cell(alike, rows, number, present=~np.isnan(number)))


def norm_from_dict(stored: dict[str, Any] | None) -> Norm | RoleShares | None:
    """The norm whose plain values (`dataclasses.asdict`) are given."""
    if stored is None:
        return None
    if "shares" in stored:
        return RoleShares.from_dict(stored)
    return Norm(stored["number"], Figures.from_dict(stored["medians"]))


def _recorded_segment(won: pa.Table, columns: tuple[str, ...]) -> str:
    """The first column with several values, recorded for at least half of the rows; "" if there is none."""
    for column in columns:
        text = texts(won, column)
        if 2 * text.null_count <= won.num_rows and len(pc.unique(text.drop_null())) > 1:
            return column
    return ""
