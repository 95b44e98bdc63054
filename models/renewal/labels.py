"""Labels of contracts: how each term ended, as far as that was known by the cut-off.

Beside `models.labels` the only module that may look past a snapshot's as_of.
"""

from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ModelContractError
from models.arrays import DAY_US, NEVER, micros

__all__ = ["renewal_labels"]

_INSTANT = pa.timestamp("us", "UTC")


def renewal_labels(contracts: ir.Table | pa.Table, keys: pa.Table, as_of: datetime) -> pa.Table:
    """The outcome of each snapshot's contract, decided strictly before as_of; rows in the order of `keys`.

    contracts: the canonical table. keys: columns contract_id and as_of (a feature frame will do). Returns
    contract_id, as_of, account_id, y (int8: 1 renewed, 0 churned, null unknown), closed_at (when it was
    decided, UTC; null exactly where y is), ratio (renewed ÷ committed amount, where it renewed and both are
    above zero) and days_left (from as_of to the end of the term, negative once it is over; null without an
    end). What is undecided is censored, also where the term is over; so is an outcome without its time.
    Raises ModelContractError if a snapshot stands after its contract's decision.
    """
    known = _as_of(contracts if isinstance(contracts, ir.Table) else ibis.memtable(contracts), as_of)
    ids = pc.cast(keys["contract_id"], pa.string())
    place = pc.index_in(ids, value_set=pc.cast(known["contract_id"], pa.string()).combine_chunks())
    found: dict[str, Any] = {name: known[name].take(place) for name in known.column_names}
    at = pc.cast(keys["as_of"], _INSTANT)
    columns: dict[str, Any] = {
        "contract_id": ids,
        "as_of": at,
        "account_id": pc.cast(found["account_id"], pa.string()),
        "y": found["y"],
        "closed_at": found["closed_at"],
        "ratio": found["ratio"],
        "days_left": _days_between(at, found["end_at"]),
    }
    labels = pa.table(columns)
    _check_undecided_at_snapshot(labels)
    return labels


def _as_of(contracts: ir.Table, as_of: datetime) -> pa.Table:
    """Every contract with what was known of its end before as_of."""
    decided = contracts.outcome.isin(["renewed", "churned"]) & (
        contracts.decided_at < ibis.literal(as_of, type="timestamp('UTC')")
    )
    renewed = decided & (contracts.outcome == "renewed")
    both = renewed & (contracts.committed_amount > 0) & (contracts.renewed_amount > 0)
    known = contracts.select(
        "contract_id",
        "account_id",
        "end_at",
        y=ibis.ifelse(decided, ibis.ifelse(renewed, 1, 0), ibis.null("int64")).cast("int8"),
        closed_at=ibis.ifelse(decided, contracts.decided_at, ibis.null(contracts.decided_at.type())),
        ratio=ibis.ifelse(both, contracts.renewed_amount / contracts.committed_amount, ibis.null("float64")),
    ).to_pyarrow()
    for name in ("end_at", "closed_at"):
        at = known.schema.get_field_index(name)
        known = known.set_column(at, name, pc.cast(known[name], _INSTANT, safe=False))
    return known


def _days_between(earlier: Any, later: Any) -> pa.Array:
    ends = micros(later)
    days = (np.where(ends == NEVER, 0, ends) - micros(earlier)) / DAY_US
    return pa.array(days, pa.float64(), mask=ends == NEVER)


def _check_undecided_at_snapshot(labels: pa.Table) -> None:
    decided = micros(labels["closed_at"])
    late = np.flatnonzero((decided < micros(labels["as_of"])) & (decided != NEVER))
    if late.size:
        row = labels.slice(int(late[0]), 1).to_pylist()[0]
        raise ModelContractError(
            f"Snapshot of contract {row['contract_id']!r}, column as_of: expected a time up to its decision "
            f"({row['closed_at']}), found {row['as_of']} ({late.size} such rows). Draw snapshots only while "
            "a contract's renewal is undecided."
        )
