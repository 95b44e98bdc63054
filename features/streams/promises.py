"""Streams of promised features: the state of each promise over time, and each slip.

Promises read from notes stand beside the recorded ones, as threads of their own: what a note says of a
feature is compared with notes alone. A row from a note counts until a recorded one stands for it
(`superseded_s`), and never if that was there before.
"""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams.stream import Stream, as_count, known_once

__all__ = ["ORDER", "STREAMS", "THREAD", "overdue", "promise_events", "promise_states"]

THREAD = ["key", "feature", "derived"]
"""What tells one promise from another."""

ORDER = ["seen_s", "at_s", "row_id"]


@known_once("promise_events")
def promise_events(known: Known) -> ir.Table:
    """Promise events with what was said of the same promise before, in recorded order.

    promised_s: the first time it was promised; first_due_s: the first date it was due. is_slip:
    rescheduled, unless from a known date to the same or an earlier one; days_moved: by how many whole days.
    """
    rows = known["promises"]
    rows = rows.select(
        "feature", "event", "due_s", "derived", key=rows.deal, at_s=rows.occurred_s, row_id=rows.promise_id,
        seen_s=ibis.greatest(rows.known_s, rows.occurred_s), ends_s=rows.superseded_s,
    )  # fmt: skip
    rows = rows.filter(rows.ends_s.isnull() | (rows.ends_s > rows.seen_s))
    of_thread = ibis.window(group_by=THREAD, order_by=ORDER)
    so_far = ibis.window(group_by=THREAD, order_by=ORDER, rows=(None, 0))
    given = ibis.ifelse(rows.event == "promised", rows.at_s, ibis.null("int64"))
    rows = rows.mutate(
        next_s=rows.seen_s.lead().over(of_thread),
        due_before_s=rows.due_s.lag().over(of_thread),
        promised_s=given.min().over(so_far),
        nth_date=rows.due_s.count().over(so_far),
    )
    dated = ibis.ifelse(rows.nth_date == 1, rows.due_s, ibis.null("int64"))
    is_slip = as_count((rows.event == "rescheduled") & _later(rows))
    moved = ibis.greatest(rows.due_s - rows.due_before_s, 0).fill_null(0) // DAY
    return rows.mutate(first_due_s=dated.max().over(so_far), is_slip=is_slip, days_moved=is_slip * moved)


def _later(rows: ir.Table) -> ir.BooleanValue:
    """A new date that is later, or a date moved without saying to when."""
    return rows.due_s.isnull() | rows.due_before_s.isnull() | (rows.due_s > rows.due_before_s)


@known_once("promise_states")
def promise_states(known: Known) -> ir.Table:
    """The state of each promise (open, delivered, withdrawn) until its next event."""
    rows = promise_events(known)
    state = rows.event.cases(("delivered", "delivered"), ("withdrawn", "withdrawn"), else_="open")
    since = rows.promised_s.fill_null(rows.at_s)
    return rows.mutate(
        until_s=ibis.least(rows.next_s, rows.ends_s), state=state, since_s=since,
        waited_days=ibis.greatest(rows.at_s - since, 0) // DAY,
        is_late=(rows.at_s > rows.first_due_s).fill_null(False),
    )  # fmt: skip


def overdue(states: ir.Table, grace_days: int = 0) -> ir.Table:
    """Open promises from so many days after their due time on. states: as `promise_states` gives them."""
    rows = states.filter((states.state == "open") & states.due_s.notnull())
    rows = rows.mutate(seen_s=ibis.greatest(rows.seen_s, rows.due_s + grace_days * DAY))
    return rows.filter(rows.until_s.isnull() | (rows.until_s > rows.seen_s))


def _slips(known: Known) -> ir.Table:
    """Each event, with whether it is a slip."""
    rows = promise_events(known)
    return rows.mutate(until_s=rows.ends_s)


STREAMS = (
    Stream("promise_states", "deal", "promises", "promised features and their state", promise_states),
    Stream(
        "promises_overdue", "deal", "promises", "open promises past their date",
        lambda known: overdue(promise_states(known)),
    ),
    Stream("promise_events", "deal", "promises", "promises, slips and deliveries", _slips),
)  # fmt: skip
