"""Streams of micro-moments: the steps of a purchase in their order, and signals beside them."""

import ibis
import ibis.expr.types as ir

from data.schema import MOMENT_KINDS
from features.gate import Known
from features.streams.stream import Stream, as_count

__all__ = ["STEPS", "STREAMS"]

STEPS = MOMENT_KINDS[: MOMENT_KINDS.index("sign_off") + 1]
"""The steps of a purchase from the problem recognised to the sign-off; the other kinds are signals."""

_NUMBER = {step: number for number, step in enumerate(STEPS, start=1)}


def _moments(known: Known) -> ir.Table:
    """Recorded moments and signals."""
    rows = known["moments"]
    return rows.select(
        "kind", key=rows.deal, at_s=rows.occurred_s, row_id=rows.moment_id,
        seen_s=ibis.greatest(rows.known_s, rows.occurred_s),
    )  # fmt: skip


def _steps(known: Known) -> ir.Table:
    """Steps with their number, whether new to the deal, and whether behind the furthest one before."""
    rows = _moments(known)
    rows = rows.mutate(step=rows.kind.cases(*_NUMBER.items(), else_=ibis.null("int8")).cast("int64"))
    rows = rows.filter(rows.step.notnull())
    order = ["seen_s", "at_s", "row_id"]
    before = ibis.window(group_by="key", order_by=order, rows=(None, -1))
    of_kind = ibis.window(group_by=["key", "kind"], order_by=order)
    rows = rows.mutate(furthest_before=rows.step.max().over(before))
    return rows.mutate(
        is_first=as_count(ibis.row_number().over(of_kind) == 0),
        is_regression=as_count(rows.step < rows.furthest_before),
    )


STREAMS = (
    Stream("moments", "deal", "moments", "recorded micro-moments and signals", _moments),
    Stream("steps", "deal", "moments", "the steps of the purchase", _steps),
)
