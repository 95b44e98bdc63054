"""Scoring rows of features that are ready, as `win_features` has them: straight to the model, no frame."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray
from models.calibration import sigmoid
from models.encoding import OTHER, Column

if TYPE_CHECKING:
    from models.win_model import WinModel

__all__ = ["ReadyRows", "ReadyScores"]

_FEW = 5
_LARGEST = 1e300


@dataclass(frozen=True)
class ReadyScores:
    """Scores of some rows. p_win, log_odds: shape (n,). contributions: (n, features), in log-odds.

    base + a row's contributions = its log_odds.
    """

    p_win: FloatArray
    log_odds: FloatArray
    base: float
    contributions: FloatArray


class ReadyRows:
    """A model, and how the values of its features are read from plain rows."""

    def __init__(self, model: "WinModel") -> None:
        self.model = model
        self._columns = {column.name: (place, column) for place, column in enumerate(model.encoder.columns)}
        self._codes = {
            column.name: {level: float(code) for code, level in enumerate(column.levels)}
            for column in model.encoder.columns
            if column.kind == "category"
        }
        filled = [np.nan if one.missing is None else one.missing for one in model.encoder.columns]
        self._empty: FloatArray = np.array(filled, dtype=np.float64)

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> FloatArray:
        """The rows as the model sees them, (n, features).

        A feature that a row lacks, or has as null, is missing; a category never seen is what the model calls
        other. Raises ModelContractError naming row, feature, found and expected: at most five, and the total.
        """
        matrix = np.tile(self._empty, (len(rows), 1))
        problems: list[str] = []
        for number, row in enumerate(rows):
            for name, value in row.items():
                if value is None:
                    continue
                held = self._columns.get(name)
                said = self._unknown(name) if held is None else self._put(matrix[number], *held, value)
                if said is not None:
                    problems.append(f"row {number + 1}, feature {name!r}: {said}")
        if problems:
            more = f" {len(problems)} problems in all." if len(problems) > _FEW else ""
            raise ModelContractError("; ".join(problems[:_FEW]) + f".{more}")
        return matrix

    def score(self, rows: Sequence[Mapping[str, Any]]) -> ReadyScores:
        """Probabilities with their contributions. Raises as `matrix` does."""
        matrix = self.matrix(rows)
        base, parts = self.model.contributions_of(matrix)
        log_odds = base + parts.sum(axis=1)
        return ReadyScores(sigmoid(log_odds), log_odds, base, parts)

    def _put(self, row: FloatArray, place: int, column: Column, value: Any) -> str | None:
        """Write the value into the row; what is wrong with it, if anything is."""
        kind = column.kind
        if kind == "category":
            if not isinstance(value, str):
                return f"expected text, found {value!r:.80}"
            codes = self._codes[column.name]
            row[place] = codes[value] if value in codes else codes[OTHER]
            return None
        if kind == "flag":
            if not isinstance(value, bool):
                return f"expected true or false, found {value!r:.80}"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            return f"expected a number, found {value!r:.80}"
        elif abs(value) > _LARGEST:
            return f"expected a number below {_LARGEST:g} in size, found {value!r:.80}"
        row[place] = value
        return None

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._columns, n=3, cutoff=0.6)
        known = f" Near matches: {', '.join(near)}" if near else " GET /api/v1/features lists them"
        return f"the model {self.model.version} has no such feature.{known}"
