"""The promise ledger: what was promised on each deal, and what became of it, as of any time."""

from collections.abc import Collection, Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.assemble import known_spine
from features.gate import Known
from features.snapshots import DAY, Calendar, snapshots_from_keys
from features.streams.promises import ORDER, THREAD, promise_states

__all__ = ["deals_known", "instant", "ledger_of", "promise_ledger", "promised_deals"]


def promise_ledger(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str] | None = None
) -> pa.Table:
    """One row per promise known at as_of, by opportunity_id, promised_at and feature.

    deals: opportunity ids; None for every deal created before as_of, closed ones too. Columns:
    opportunity_id, feature (null where nobody said which); state: open, delivered, withdrawn, or superseded
    (only in notes: a recorded row took the place of the latest one, while earlier ones still count);
    promised_at (null where only later events are recorded), first_due_at, due_at (as it stands, null where
    moved to no date; once ended, the last date there was), times_rescheduled, n_slips (those to a later
    or to no date), days_moved (out, by slips), delivered_at, withdrawn_at; days_overdue (open: as_of less
    due_at if past; delivered: delivered_at less first_due_at if later; else null), days_outstanding (from the
    promise to its end, or to as_of if open); derived (read from notes), n_events and evidence (ids in
    `promises`, `; ` between them, as they became known; `text:` begins ids that name an activity).

    The rows, and the rules of time, are those of the features: see `features.streams.promises`.
    """
    calendar, keys = deals_known(tables, as_of, deals)
    _, known = known_spine(tables, snapshots_from_keys(tables, keys, calendar))
    return ledger_of(known, calendar).to_pyarrow()


def ledger_of(known: Known, calendar: Calendar) -> ir.Table:
    """The ledger of the deals behind a gate (see `features.assemble.known_spine`), as an expression."""
    rows = promise_states(known)
    rows = rows.filter(rows.seen_s < calendar.anchor_s)
    threads = _threads(rows, calendar)
    numbers = promised_deals(known)
    threads = threads.inner_join(numbers, threads.key == numbers.deal)
    return _ledger(threads, calendar)


def deals_known(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str] | None
) -> tuple[Calendar, ir.Table]:
    """A calendar that ends at as_of, and its last slot of each of these deals created before it."""
    calendar = Calendar(as_of, DAY)
    keys = tables["opportunities"].filter(lambda row: row.created_at < as_of)
    if deals is not None:
        keys = keys.filter(keys.opportunity_id.isin(sorted(deals)))
    return calendar, keys.select("opportunity_id", slot=ibis.literal(calendar.last_slot, "int64"))


def promised_deals(known: Known) -> ir.Table:
    """The number and the opportunity_id of each deal with promises."""
    return known["promises"].select("deal", "opportunity_id").distinct()


def instant(seconds: ir.IntegerValue) -> ir.TimestampValue:
    """Epoch seconds as a UTC timestamp."""
    return seconds.as_timestamp("s").cast("timestamp('UTC')")


def _threads(rows: ir.Table, calendar: Calendar) -> ir.Table:
    """Each promise with its latest event and totals over its events that still count."""
    stands = rows.ends_s.isnull() | (rows.ends_s >= calendar.anchor_s)
    latest_first = [ibis.desc(column) for column in ORDER]
    rows = rows.mutate(
        stands=stands,
        place=ibis.row_number().over(ibis.window(group_by=THREAD, order_by=ORDER)),
        is_latest=ibis.row_number().over(ibis.window(group_by=THREAD, order_by=latest_first)) == 0,
    )
    threads = rows.group_by(THREAD).agg(
        **{name: rows[name].max(where=rows.is_latest) for name in ("state", "at_s", "since_s", "promised_s")},
        latest_due_s=rows.due_s.max(where=rows.is_latest),
        last_due_s=rows.due_s.argmax(rows.place, where=rows.due_s.notnull()),
        first_due_s=rows.first_due_s.max(),
        latest_stands=rows.stands.any(where=rows.is_latest),
        times_rescheduled=rows.count(where=rows.stands & (rows.event == "rescheduled")),
        n_slips=rows.is_slip.sum(where=rows.stands).fill_null(0),
        days_moved=rows.days_moved.sum(where=rows.stands).fill_null(0),
        n_events=rows.count(where=rows.stands),
        evidence=rows.row_id.group_concat("; ", where=rows.stands, order_by=[rows[name] for name in ORDER]),
    )
    threads = threads.filter(threads.latest_stands | (threads.n_slips > 0))
    return threads.mutate(state=ibis.ifelse(threads.latest_stands, threads.state, "superseded"))


def _ledger(threads: ir.Table, calendar: Calendar) -> ir.Table:
    """The ledger's columns."""
    is_open = threads.state == "open"
    ended = threads.state.isin(("delivered", "withdrawn"))
    now_s = calendar.seconds_of_slot(ibis.literal(calendar.last_slot, "int64"))
    due_s = ibis.ifelse(is_open, threads.latest_due_s, threads.last_due_s)
    late_s = ibis.cases(
        (is_open, now_s - due_s),
        (threads.state == "delivered", threads.at_s - threads.first_due_s),
        else_=ibis.null("int64"),
    )
    ends_s = ibis.ifelse(ended, threads.at_s, ibis.ifelse(is_open, now_s, ibis.null("int64")))
    table = threads.select(
        "opportunity_id", "feature", "state",
        promised_at=instant(threads.promised_s),
        first_due_at=instant(threads.first_due_s),
        due_at=instant(due_s),
        times_rescheduled=threads.times_rescheduled.cast("int64"),
        n_slips=threads.n_slips.cast("int64"),
        days_moved=threads.days_moved.cast("int64"),
        delivered_at=instant(ibis.ifelse(threads.state == "delivered", threads.at_s, ibis.null("int64"))),
        withdrawn_at=instant(ibis.ifelse(threads.state == "withdrawn", threads.at_s, ibis.null("int64"))),
        days_overdue=ibis.ifelse(late_s > 0, late_s.cast("float64") / float(DAY), ibis.null("float64")),
        days_outstanding=(ends_s - threads.since_s).cast("float64") / float(DAY),
        derived=threads.derived,
        n_events=threads.n_events.cast("int64"),
        evidence=threads.evidence,
    )  # fmt: skip
    return table.order_by("opportunity_id", "promised_at", "feature", "derived", "state")
