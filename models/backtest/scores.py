"""From the rows of a backtest to its figures: by part, level, horizon and model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrays import FloatArray, micros
from models.backtest.metrics import QUANTILES, score_cells
from models.backtest.rows import MODEL
from models.forecast.groups import TOTAL
from models.forecast.months import HORIZON, MONTH, QUARTER

__all__ = ["NOMINAL", "score_rows", "sentences"]

NOMINAL = 0.80
"""What the interval from P10 to P90 should cover."""

_PERIODS = (MONTH, QUARTER, HORIZON)
_PARTS = {
    "open_deals": "bookings from open deals",
    "not_yet_created": "bookings from deals not yet created",
    "bookings": "all bookings of new business",
    "renewals": "renewals",
    "consumption": "consumption",
}


def score_rows(rows: pa.Table, *, seed: int = 0) -> list[dict[str, Any]]:
    """The scores of each part, level, kind of period and model; of months also by how far ahead they lie.

    months_ahead: null where all are taken together. Cells where nothing happened count too. Sorted by part,
    level, period, months ahead and model, dealcast first.
    """
    found = []
    for part, of_part in _split(rows, "part", tuple(_PARTS)):
        for level, of_level in _split(of_part, "level", (TOTAL,)):
            for kind, of_kind in _split(of_level, "period_kind", _PERIODS):
                horizons: list[tuple[Any, pa.Table]] = [(None, of_kind)]
                horizons += _split(of_kind, "months_ahead", ()) if kind == MONTH else []
                for ahead, cells in horizons:
                    for model, of_model in _split(cells, "model", (MODEL,)):
                        about = {
                            "part": part, "level": level, "period_kind": kind, "months_ahead": ahead,
                            "model": model,
                        }  # fmt: skip
                        found.append(about | _scored(of_model, seed))
    return found


def sentences(scores: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the totals say in words, a sentence a part: how far off, beside the best baseline; coverage."""
    whole = [
        one
        for one in scores
        if one["level"] == TOTAL and one["period_kind"] == MONTH and one["months_ahead"] is None
    ]
    said = []
    for part, words in _PARTS.items():
        of_part = {one["model"]: one for one in whole if one["part"] == part}
        ours = of_part.pop(MODEL, None)
        if ours is None or ours["wape"] is None:
            continue
        rivals = [one for one in of_part.values() if one["wape"] is not None]
        best = min(rivals, key=lambda one: one["wape"], default=None)
        beside = f"; the best baseline, {_plain(best['model'])}, {_percent(best['wape'])}" if best else ""
        said.append(
            f"{words[0].upper()}{words[1:]}: off by {_percent(ours['wape'])} of what came, month by month"
            f"{beside}; bias {100 * ours['bias']:+.0f} %; {_percent(ours['coverage'])} of {ours['cells']} "
            "months within the 80 % interval."
        )
    return said


def _scored(cells: pa.Table, seed: int) -> dict[str, object]:
    point = cells["p50"].null_count > 0
    quantiles = None if point else {name: _values(cells, name) for name in QUANTILES}
    none = None if point else _values(cells, "p_none")
    return score_cells(
        _values(cells, "actual"), _values(cells, "mean"), quantiles, none, micros(cells["month"]), seed=seed
    )


def _values(cells: pa.Table, name: str) -> FloatArray:
    return np.asarray(cells[name].to_numpy(), dtype=np.float64)


def _split(rows: pa.Table, column: str, first: Sequence[Any]) -> list[tuple[Any, pa.Table]]:
    """The rows by value of a column: those of `first` in its order, then the others in theirs."""
    values = set(rows[column].to_pylist())
    ordered = [*(one for one in first if one in values), *sorted(values - set(first))]
    return [(value, rows.filter(pc.equal(rows[column], value))) for value in ordered]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _plain(model: str) -> str:
    return model.replace("_", " ")
