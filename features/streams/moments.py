"""Streams of micro-moments: the steps of a purchase in their order, and signals beside them."""

import ibis
import ibis.expr.types as ir

from data.schema import MOMENT_KINDS
from features.gate import Known
from features.streams.stream import Stream, as_count, known_once

__all__ = ["PROPOSAL_KINDS", "STEPS", "STREAMS", "moment_rows", "step_number"]

STEPS = MOMENT_KINDS[: MOMENT_KINDS.index("sign_off") + 1]
"""The steps of a purchase from the problem recognised to the sign-off; the other kinds are signals."""

PROPOSAL_KINDS = ("cost_benefit", "negotiation")
"""Steps that cannot be reached before something was proposed."""

_NUMBER = {step: number for number, step in enumerate(STEPS, start=1)}


def step_number(kind: ir.StringValue) -> ir.IntegerValue:
    """The place of a step among the twelve; null for a signal."""
    return kind.cases(*_NUMBER.items(), else_=ibis.null("int8")).cast("int64")


@known_once("moment_rows")
def moment_rows(known: Known) -> ir.Table:
    """Moments and signals, recorded or read from notes; the latter until a recorded row stands for them.

    `earlier_s` falls with time, so that the largest is the first.
    """
    rows = known["moments"]
    rows = rows.select(
        "kind", "evidence", "derived", "known_s", "contact_id", key=rows.deal, at_s=rows.occurred_s,
        row_id=rows.moment_id, seen_s=ibis.greatest(rows.known_s, rows.occurred_s),
        until_s=rows.superseded_s, earlier_s=-rows.occurred_s,
    )  # fmt: skip
    return rows.filter(rows.until_s.isnull() | (rows.until_s > rows.seen_s))


def _steps(known: Known) -> ir.Table:
    """Steps with their number, whether new to the deal, whether beyond or behind the furthest one before.

    A step read from a note stays where it was seen, and the row recorded in its place is no step of its
    own: neither a second first, nor a step back where others came between.
    """
    rows = moment_rows(known)
    rows = rows.mutate(
        step=step_number(rows.kind), stands_from_s=ibis.ifelse(rows.derived, rows.until_s, rows.known_s)
    )
    rows = rows.filter(rows.step.notnull())
    order = ["seen_s", "at_s", "row_id"]
    before = ibis.window(group_by="key", order_by=order, rows=(None, -1))
    of_kind = ibis.window(group_by=["key", "kind"], order_by=order)
    together = ibis.window(group_by=["key", "kind", "stands_from_s"])
    rows = rows.mutate(
        furthest_before=rows.step.max().over(before),
        nth_of_kind=ibis.row_number().over(of_kind),
        n_replaced=as_count(rows.derived).sum().over(together),
    )
    is_advance = rows.furthest_before.isnull() | (rows.step > rows.furthest_before)
    is_repeat = ~rows.derived & (rows.n_replaced > 0)
    rows = rows.mutate(
        is_first=rows.nth_of_kind == 0,
        is_advance=is_advance,
        advanced_s=ibis.ifelse(is_advance, rows.at_s, ibis.null("int64")),
        is_regression=(rows.step < rows.furthest_before).fill_null(False) & ~is_repeat,
    )
    return rows.drop("until_s", "derived", "contact_id")


STREAMS = (
    Stream("moments", "deal", "moments", "micro-moments and signals", moment_rows),
    Stream("steps", "deal", "moments", "the steps of the purchase", _steps),
)
