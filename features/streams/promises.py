"""Streams of promised features: the state of each promise over time, and each slip."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams.stream import Stream, as_count

__all__ = ["STREAMS"]


def _events(known: Known) -> ir.Table:
    """Promise events with what was said of the same feature before, in recorded order."""
    rows = known["promises"]
    rows = rows.mutate(
        key=rows.deal, at_s=rows.occurred_s, row_id=rows.promise_id,
        seen_s=ibis.greatest(rows.known_s, rows.occurred_s),
    )  # fmt: skip
    order = ["seen_s", "at_s", "promise_id"]
    of_feature = ibis.window(group_by=["key", "feature"], order_by=order)
    so_far = ibis.window(group_by=["key", "feature"], order_by=order, rows=(None, 0))
    given = ibis.ifelse(rows.event == "promised", rows.at_s, ibis.null("int64"))
    rows = rows.mutate(
        next_s=rows.seen_s.lead().over(of_feature),
        due_before_s=rows.due_s.lag().over(of_feature),
        promised_s=given.min().over(so_far),
    )
    return rows.mutate(is_slip=as_count((rows.event == "rescheduled") & _later(rows)))


def _later(rows: ir.Table) -> ir.BooleanValue:
    """A new date that is later, or a date moved without saying to when."""
    return rows.due_s.isnull() | rows.due_before_s.isnull() | (rows.due_s > rows.due_before_s)


def _states(known: Known) -> ir.Table:
    """The state of each promised feature (open, delivered, withdrawn) until its next event."""
    rows = _events(known)
    state = rows.event.cases(("delivered", "delivered"), ("withdrawn", "withdrawn"), else_="open")
    since = rows.promised_s.fill_null(rows.at_s)
    return rows.select(
        "key", "seen_s", "at_s", "row_id", "feature", "due_s", until_s=rows.next_s, state=state,
        since_s=since, waited_days=ibis.greatest(rows.at_s - since, 0) // DAY,
    )  # fmt: skip


def _overdue(known: Known) -> ir.Table:
    """Open promises from their due time on."""
    rows = _states(known)
    rows = rows.filter((rows.state == "open") & rows.due_s.notnull())
    rows = rows.mutate(seen_s=ibis.greatest(rows.seen_s, rows.due_s), row_seen_s=rows.seen_s)
    return rows.filter(rows.until_s.isnull() | (rows.until_s > rows.seen_s))


def _slips(known: Known) -> ir.Table:
    """Each event, with whether it is a slip and whether it is a promise made after one."""
    rows = _events(known)
    order = ["seen_s", "at_s", "promise_id"]
    before = ibis.window(group_by="key", order_by=order, rows=(None, -1))
    rows = rows.mutate(slips_before=rows.is_slip.sum().over(before))
    again = (rows.event == "promised") & (rows.slips_before > 0)
    return rows.mutate(is_promise_after_slip=as_count(again))


STREAMS = (
    Stream("promise_states", "deal", "promises", "promised features and their state", _states),
    Stream("promises_overdue", "deal", "promises", "open promises past their date", _overdue),
    Stream("promise_events", "deal", "promises", "promises, slips and deliveries", _slips),
)
