"""From a feature frame to the matrix the model sees, by what was learnt on training rows.

Numbers, counts and flags pass as they are. A category becomes the place of its level in the order of
how often its training deals were won; rare levels and those never seen share one level, OTHER. Missing
stays missing (NaN), apart from OTHER. A learnt value is computed from the norm learnt here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.feature import Feature, Kind, Learnt
from models.arrays import BoolArray, FloatArray
from models.columns import numbers, texts
from models.norms import Norm, RoleShares, fit_norm, norm_from_dict

__all__ = ["OTHER", "Column", "Encoder"]

OTHER = "(other)"
MIN_ROWS = 20
MAX_LEVELS = 60
_PRIOR_ROWS = 20.0


@dataclass(frozen=True)
class Column:
    """How one feature becomes a column of the matrix.

    levels: of a category, in the order of their codes, OTHER among them. missing: the value that
    stands in for null where training rows held too few nulls to learn from (a category's OTHER, else
    the median); None where null is a value of its own.
    """

    name: str
    kind: Kind
    family: str
    levels: tuple[str, ...] = ()
    missing: float | None = None
    norm: Norm | RoleShares | None = None

    def read(self, frame: pa.Table) -> FloatArray:
        """The column's values, before `missing` is filled in; null is NaN."""
        if self.norm is not None:
            return self.norm.apply(frame)
        if self.kind == "category":
            return _codes(texts(frame, self.name), self.levels)
        return numbers(frame, self.name, self.kind)

    def encode(self, frame: pa.Table) -> FloatArray:
        """The column's values as the model sees them; NaN is missing."""
        values = self.read(frame)
        return values if self.missing is None else np.where(np.isnan(values), self.missing, values)

    def decode(self, frame: pa.Table) -> Any:
        """The column's values as people read them (an Arrow array); null is missing."""
        values = self.read(frame)
        shown = pa.array(values, mask=np.isnan(values))
        if self.kind == "category":
            return pa.array(self.levels, pa.string()).take(pc.cast(shown, pa.int64()))
        if self.kind == "flag":
            return pc.cast(shown, pa.bool_())
        return pc.cast(shown, pa.int64()) if self.kind == "count" else shown


@dataclass(frozen=True)
class Encoder:
    """The columns of the matrix, in order."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(
        cls,
        frame: pa.Table,
        y: FloatArray,
        *,
        rows: BoolArray,
        weight: FloatArray,
        features: Sequence[Feature],
    ) -> "Encoder":
        """Learn levels, norms and stand-ins from the rows that are True in `rows`.

        y: 1 won, 0 lost, read at those rows only, as is weight.
        """
        seen = frame if rows.all() else frame.filter(pa.array(rows))
        return cls(tuple(_fit_column(seen, y[rows], weight[rows], feature) for feature in features))

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the matrix's columns."""
        return tuple(column.name for column in self.columns)

    def transform(self, frame: pa.Table) -> FloatArray:
        """The matrix (n, k), float64, row by row in memory; columns are found by name.

        Raises ModelContractError if a column is absent or of another type; others are ignored.
        """
        matrix = np.empty((frame.num_rows, len(self.columns)))
        for place, column in enumerate(self.columns):
            matrix[:, place] = column.encode(frame)
        return matrix

    def decode(self, frame: pa.Table) -> pa.Table:
        """The frame as the model sees it: its keys, then each feature; unseen categories are OTHER."""
        keys = {
            key: frame[key] for key in ("opportunity_id", "contract_id", "as_of") if key in frame.column_names
        }
        shown: dict[str, Any] = keys | {column.name: column.decode(frame) for column in self.columns}
        return pa.table(shown)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives back an equal encoder."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Encoder":
        """The encoder that `as_dict` described."""
        return cls(
            tuple(
                Column(
                    **{
                        **column,
                        "levels": tuple(column["levels"]),
                        "norm": norm_from_dict(column["norm"]),
                    }
                )
                for column in stored["columns"]
            )
        )


def _fit_column(seen: pa.Table, y: FloatArray, weight: FloatArray, feature: Feature) -> Column:
    levels: tuple[str, ...] = ()
    norm: Norm | RoleShares | None = None
    if isinstance(feature.value, Learnt):
        norm = fit_norm(seen, y == 1, feature.value)
    elif feature.kind == "category":
        levels = _fit_levels(texts(seen, feature.name), y, weight)
    column = Column(feature.name, feature.kind, feature.family, levels, None, norm)
    values = column.read(seen)
    if np.isnan(values).sum() >= min(MIN_ROWS, values.size):
        return column
    # LightGBM would read a null it has not learnt about as 0.0, which is somebody else's value
    stand_in = levels.index(OTHER) if levels else float(np.nanmedian(values))
    return Column(feature.name, feature.kind, feature.family, levels, float(stand_in), norm)


def _fit_levels(text: Any, y: FloatArray, weight: FloatArray) -> tuple[str, ...]:
    """Levels by their smoothed weighted win log-odds, ties by name."""
    encoded = pc.dictionary_encode(text)
    names = [str(name) for name in encoded.dictionary.to_pylist()]
    present = np.asarray(pc.is_valid(text), dtype=bool)
    codes = np.asarray(pc.fill_null(encoded.indices, 0), dtype=np.int64)[present]
    rows = np.bincount(codes, minlength=len(names))
    won = np.bincount(codes, weight[present] * y[present], minlength=len(names))
    total = np.bincount(codes, weight[present], minlength=len(names))
    by_size = sorted(range(len(names)), key=lambda i: (-rows[i], names[i]))
    kept = [i for i in by_size if rows[i] >= MIN_ROWS and names[i] != OTHER][:MAX_LEVELS]
    rest = sorted(set(by_size) - set(kept))
    prior = float((weight * y).sum() / weight.sum()) if weight.sum() > 0 else 0.5

    def log_odds(wins: float, all_: float) -> float:
        share = (wins + _PRIOR_ROWS * prior + 0.5) / (all_ + _PRIOR_ROWS + 1.0)
        return float(np.log(share / (1 - share)))

    scored = [(log_odds(won[i], total[i]), names[i]) for i in kept]
    scored.append((log_odds(float(won[rest].sum()), float(total[rest].sum())), OTHER))
    return tuple(name for _, name in sorted(scored))


def _codes(text: Any, levels: tuple[str, ...]) -> FloatArray:
    """Each text's place among the levels, OTHER's for one never seen, NaN for null."""
    place: Any = pc.index_in(text, value_set=pa.array(levels, pa.string()))
    codes = np.asarray(pc.fill_null(place, levels.index(OTHER)), dtype=np.float64)
    return np.where(np.asarray(pc.is_null(text), dtype=bool), np.nan, codes)
