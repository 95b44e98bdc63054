"""What won deals look like: typical values by stage, for the sentences that reps read."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrays import BoolArray
from models.encoding import Encoder

__all__ = ["Typical", "typical_of", "typical_values"]

Typical = dict[str, dict[str, dict[str, Any]]]
"""{"overall": {"": {feature: value}}, "stages": {stage: {feature: value}}}"""

_ENOUGH_ROWS = 20


def typical_values(frame: pa.Table, encoder: Encoder, *, rows: BoolArray) -> Typical:
    """Per stage and overall: the median of numbers and counts, the commonest category, a flag's share.

    rows: the won training rows. A stage with fewer than 20 of them is left out, as is a feature that
    is null throughout. Stages are those of the frame's `stage` column, if it has one.
    """
    won = frame.filter(pa.array(rows))
    seen = encoder.decode(won)
    stages: dict[str, dict[str, Any]] = {}
    if "stage" in frame.column_names and pa.types.is_string(frame["stage"].type):
        stage = won["stage"]
        for name in sorted(str(value) for value in pc.unique(stage).drop_null().to_pylist()):
            same: Any = pc.equal(stage, pa.scalar(name))
            here = seen.filter(same)
            if here.num_rows >= _ENOUGH_ROWS:
                stages[name] = _typical(here, encoder)
    return {"overall": {"": _typical(seen, encoder)}, "stages": stages}


def typical_of(typical: Typical, stage: str | None) -> dict[str, Any]:
    """The typical values at a stage; overall if there are none for it."""
    return typical["stages"].get(stage or "") or typical["overall"][""]


def _typical(seen: pa.Table, encoder: Encoder) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in encoder.columns:
        present: Any = seen[column.name].drop_null()
        if not len(present):
            continue
        if column.kind == "category":
            counted = present.value_counts().to_pylist()
            values[column.name] = min(counted, key=lambda entry: (-entry["counts"], entry["values"]))[
                "values"
            ]
        elif column.kind == "flag":
            values[column.name] = float(np.mean(np.asarray(present, dtype=np.float64)))
        else:
            values[column.name] = float(np.median(np.asarray(present, dtype=np.float64)))
    return values
