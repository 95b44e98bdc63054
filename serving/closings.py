"""Deals that closed lately, as published beside the open ones: what a change of forecast is told by."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa

__all__ = ["closed_deals"]

_LOOK_BACK = timedelta(days=366)


def closed_deals(tables: Mapping[str, ir.Table], as_of: datetime) -> pa.Table:
    """Deals whose close in the year before `as_of` was known before it, sorted by opportunity_id.

    Columns: opportunity_id, won, closed_at, amount (the last one recorded before as_of, null if none was),
    currency.
    """
    now, since = (ibis.literal(at, type="timestamp('UTC')") for at in (as_of, as_of - _LOOK_BACK))
    deals = tables["opportunities"]
    closed = deals.filter(
        deals.closed_at < now, deals.closed_at >= since, deals.created_at < now, deals.outcome.notnull()
    )
    changes = tables["opportunity_changes"]
    known = changes.filter(changes.field == "amount", changes.changed_at < now)
    newest_first = ibis.row_number().over(
        group_by="opportunity_id", order_by=[ibis.desc("changed_at"), ibis.desc("source_row")]
    )
    newest = known.mutate(place=newest_first).filter(lambda row: row.place == 0)
    amounts = newest.select("opportunity_id", amount=newest.new_value.try_cast("float64"))
    facts = closed.left_join(amounts, "opportunity_id")
    return (
        facts.select("opportunity_id", "closed_at", "amount", "currency", won=facts.outcome == "won")
        .select("opportunity_id", "won", "closed_at", "amount", "currency")
        .order_by("opportunity_id")
        .to_pyarrow()
    )
