"""Labels: how each deal ended, as far as that was known by the cut-off.

The only module that may look past a snapshot's as_of.
"""

from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ModelContractError
from models.arrays import NEVER, micros

__all__ = ["label_frame"]

_INSTANT = pa.timestamp("us", "UTC")


def label_frame(opportunities: ir.Table, keys: pa.Table, as_of: datetime) -> pa.Table:
    """The outcome of each snapshot's deal, known strictly before as_of; rows in the order of `keys`.

    keys: columns opportunity_id and as_of (a feature frame will do). Returns opportunity_id, as_of,
    y (int8: 1 won, 0 lost, null unknown) and closed_at (UTC; null exactly where y is). A close
    without an outcome, or with one that became known at or after as_of, leaves the deal open.
    Raises ModelContractError if a snapshot stands after its deal's close.
    """
    known = _known_outcomes(opportunities, as_of)
    ids = pc.cast(keys["opportunity_id"], pa.string())
    place = pc.index_in(ids, value_set=pc.cast(known["opportunity_id"], pa.string()).combine_chunks())
    columns: dict[str, Any] = {
        "opportunity_id": ids,
        "as_of": pc.cast(keys["as_of"], _INSTANT),
        "y": known["y"].take(place),
        "closed_at": known["closed_at"].take(place),
    }
    labels = pa.table(columns)
    _check_open_at_snapshot(labels)
    return labels


def _known_outcomes(opportunities: ir.Table, as_of: datetime) -> pa.Table:
    decided = opportunities.filter(
        opportunities.outcome.isin(["won", "lost"]),
        opportunities.closed_at < ibis.literal(as_of, type="timestamp('UTC')"),
    )
    outcomes = decided.select(
        "opportunity_id",
        closed_at=decided.closed_at,
        y=ibis.ifelse(decided.outcome == "won", 1, 0).cast("int8"),
    ).to_pyarrow()
    closed_at = outcomes.schema.get_field_index("closed_at")
    return outcomes.set_column(closed_at, "closed_at", pc.cast(outcomes["closed_at"], _INSTANT, safe=False))


def _check_open_at_snapshot(labels: pa.Table) -> None:
    closed = micros(labels["closed_at"])
    late = np.flatnonzero((closed < micros(labels["as_of"])) & (closed != NEVER))
    if late.size:
        row = labels.slice(int(late[0]), 1).to_pylist()[0]
        raise ModelContractError(
            f"Snapshot of opportunity {row['opportunity_id']!r}, column as_of: expected a time up to "
            f"the deal's close ({row['closed_at']}), found {row['as_of']} ({late.size} such rows). "
            "Draw snapshots only while a deal is open."
        )
