"""Streams of the promise spiral: each phase when it was first reached, and the honest ways out.

The slip is the first one to be seen: a promise rescheduled to later (see `features.streams.promises`), or a
due date passed and the promise still open seven days later (so that a delivery logged late begins no
spiral; such a slip happened at the due date). A row comes after it if it happened at or after that moment;
it is seen once both the row and the slip are. Phases:

1 promised_after_silence  A promise made when attention was lost: the buyer, heard before, had not been heard
                          for 14 days (two-way activities known when the promise is), or fewer people came to
                          the latest meeting than on average to the three before it.
2 slip                    The slip itself.
3 new_faces               A meeting after the slip with someone never met before, when others had been.
4 competitor              A competitor mentioned after the slip.
5 metrics_or_references   Metrics or a reference asked for after the slip, while a promise is not delivered.
6 junior_only             A meeting after the slip to which nobody above an individual came, or whose most
                          senior guest stands two levels or more below whom meetings before had reached.
7 promised_again          Another feature promised after the slip.

A phase once reached stays reached: its row is the first evidence to be seen, from a note or recorded.
"""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams import activity, people
from features.streams.moments import moment_rows
from features.streams.promises import ORDER, overdue, promise_events, promise_states
from features.streams.stream import Stream, as_count, known_once

__all__ = ["PHASES", "STREAMS", "WAYS_OUT", "first_slip"]

PHASES = (
    "promised_after_silence", "slip", "new_faces", "competitor", "metrics_or_references", "junior_only",
    "promised_again",
)  # fmt: skip
"""The phases of the spiral, in order; the first has number 1."""

WAYS_OUT = ("beta_or_launch_partner", "delivered", "withdrawn", "reference_delivered")

_SILENCE_DAYS = 14
_GRACE_DAYS = 7
_LEVELS_BELOW = 2
_SIGNALS = (
    "competitor_mentioned", "metrics_requested", "reference_requested", "beta_or_launch_partner",
    "reference_delivered",
)  # fmt: skip
_ROW = ("key", "seen_s", "at_s", "row_id", "source", "what")


def _steps(known: Known) -> ir.Table:
    """The first evidence of each phase: `phase` (1 to 7), and when the slip was (from phase 2 on)."""
    events, slip = promise_events(known), first_slip(known)
    meetings = _meetings(known, events)
    moments = _after(_moments(known), slip)
    asked = moments.filter(moments.kind.isin(("metrics_requested", "reference_requested")))
    phases = (
        _in_silence(known, events, meetings),
        slip,
        _after(_new_faces(meetings), slip),
        moments.filter(moments.kind == "competitor_mentioned"),
        _while_open(asked, promise_states(known)),
        _after(_juniors(meetings), slip),
        _again(events, slip),
    )
    numbered = [
        rows.select(*_ROW, phase=ibis.literal(number, "int64"), name=ibis.literal(name))
        for number, (name, rows) in enumerate(zip(PHASES, phases, strict=True), start=1)
    ]
    rows = _first(ibis.union(*numbered), "phase")
    starts = slip.select(slip_key="key", slip_at_s="at_s")
    rows = rows.left_join(starts, rows.key == starts.slip_key)
    since = ibis.ifelse(rows.phase >= 2, rows.slip_at_s, ibis.null("int64"))
    return rows.select(*_ROW, "phase", "name", slip_at_s=since, is_after=as_count(rows.phase >= 2))


def _ways_out(known: Known) -> ir.Table:
    """The first of each honest way out: while a promise was open or after the slip, a beta or launch
    partnership or a reference that had been asked for; a promise delivered, or withdrawn openly."""
    events, moments = promise_events(known), _moments(known)
    requests = moments.filter(moments.kind == "reference_requested")
    requests = requests.select(asked_key="key", asked_s="seen_s", asked_at_s="at_s")
    beta = moments.filter(moments.kind == "beta_or_launch_partner")
    reference = moments.filter(moments.kind == "reference_delivered")
    reference = reference.semi_join(
        requests,
        [
            reference.key == requests.asked_key,
            reference.seen_s >= requests.asked_s,
            reference.at_s >= requests.asked_at_s,
        ],
    )
    offers = beta.union(reference)
    kept = events.filter(events.event.isin(("delivered", "withdrawn")))
    rows = ibis.union(
        _while_open(offers, promise_states(known)).select(*_ROW, name="kind"),
        _after(offers, first_slip(known)).select(*_ROW, name="kind"),
        _told(kept, kept.event).select(*_ROW, name=kept.event),
    )
    return _first(rows, "name")


def _first(rows: ir.Table, by: str) -> ir.Table:
    """The row of each deal and group that is seen first, in the one order that ties have."""
    order = ibis.window(group_by=["key", by], order_by=[*ORDER, "source", "what"])
    return rows.mutate(place=ibis.row_number().over(order)).filter(lambda row: row.place == 0).drop("place")


def _after(rows: ir.Table, slip: ir.Table) -> ir.Table:
    """Rows that happened at or after the slip, seen once both are."""
    start = slip.select(slip_key="key", slip_at_s="at_s", slip_seen_s="seen_s", slipped="feature")
    rows = rows.inner_join(start, [rows.key == start.slip_key, rows.at_s >= start.slip_at_s])
    return rows.mutate(seen_s=ibis.greatest(rows.seen_s, rows.slip_seen_s)).drop("slip_key", "slip_at_s")


def _while_open(rows: ir.Table, states: ir.Table) -> ir.Table:
    """Rows at whose first sight some promise of the deal is open."""
    states = states.filter(states.state == "open")
    states = states.select(open_key="key", from_s="seen_s", to_s="until_s")
    still = states.to_s.isnull() | (states.to_s > rows.seen_s)
    return rows.semi_join(states, [rows.key == states.open_key, states.from_s <= rows.seen_s, still])


def _told(events: ir.Table, said: ir.StringValue | str) -> ir.Table:
    """Promise events with what they say of their feature."""
    words = events.feature.fill_null("a feature") + ibis.literal(": ") + said
    return events.mutate(source=ibis.literal("promises"), what=words)


@known_once("first_slip")
def first_slip(known: Known) -> ir.Table:
    """The deal's first slip, with its feature."""
    events, late = promise_events(known), overdue(promise_states(known), _GRACE_DAYS)
    moved = _told(events.filter(events.is_slip == 1), "moved to a later date")
    late = _told(late.mutate(at_s=late.due_s), "its date passed undelivered")
    rows = moved.select(*_ROW, "feature").union(late.select(*_ROW, "feature"))
    return _first(rows.mutate(deal=rows.key), "deal").drop("deal")


def _again(events: ir.Table, slip: ir.Table) -> ir.Table:
    """Promises of another feature after the slip (both named, compared without case and outer blanks)."""
    made = _after(_told(events.filter(events.event == "promised"), "promised"), slip)
    return made.filter(made.feature.strip().lower() != made.slipped.strip().lower())


def _in_silence(known: Known, events: ir.Table, meetings: ir.Table) -> ir.Table:
    """Promises made after attention was lost, judged by what is known when the promise is."""
    made = _told(events.filter(events.event == "promised"), "promised").select(*_ROW)
    talks = _stream(activity.STREAMS, "activities", known)
    talks = talks.filter(talks.two_way)
    nothing = ibis.null("int64")
    met = ibis.union(
        talks.select(with_key="key", met_s="seen_s", heard_s=talks.at_s, fewer_s=nothing),
        meetings.select(with_key="key", met_s="seen_s", heard_s=nothing, fewer_s=meetings.fewer_s),
    )
    by_then = made.inner_join(met, [made.key == met.with_key, met.met_s <= made.seen_s])
    rows = by_then.group_by(_ROW).agg(heard_s=by_then.heard_s.max(), fewer_s=by_then.fewer_s.max())
    return rows.filter((rows.at_s - rows.heard_s >= _SILENCE_DAYS * DAY) | (rows.fewer_s % 2 == 1))


def _meetings(known: Known, events: ir.Table) -> ir.Table:
    """Past meetings of deals with promises: `best_before`, the highest level reached before, and `fewer_s`,
    twice the second of the meeting and one more where fewer came than before: odd if the latest one did."""
    rows = people.meetings(known).semi_join(events, "key")
    before = ibis.window(group_by="key", order_by=["seen_s", "at_s", "activity_id"], rows=(None, -1))
    return rows.mutate(
        best_before=rows.seniority.max().over(before),
        fewer_s=rows.at_s * 2 + as_count(rows.attendance < rows.attendance_before),
    )


def _new_faces(meetings: ir.Table) -> ir.Table:
    return _came(meetings.filter((meetings.new_faces > 0) & meetings.attendance_before.notnull()))


def _juniors(meetings: ir.Table) -> ir.Table:
    fell = meetings.best_before - meetings.seniority >= _LEVELS_BELOW
    return _came(meetings.filter((meetings.seniority == 1) | fell))


def _came(meetings: ir.Table) -> ir.Table:
    """Meetings with who came, in words."""
    came, new, level = (
        meetings[name].cast("int64").cast("string").fill_null("unknown")
        for name in ("attendance", "new_faces", "seniority")
    )
    words = ibis.literal("").concat(came, " came, ", new, " of them new; highest level ", level, " of 5")
    return meetings.mutate(source=ibis.literal("activities"), what=words)


def _moments(known: Known) -> ir.Table:
    """The signals of the spiral and of the ways out."""
    rows = moment_rows(known)
    rows = rows.filter(rows.kind.isin(_SIGNALS))
    return rows.select(
        "kind", "key", "seen_s", "at_s", "row_id", source=ibis.literal("moments"),
        what=rows.evidence.fill_null(rows.kind),
    )  # fmt: skip


def _stream(streams: tuple[Stream, ...], name: str, known: Known) -> ir.Table:
    """The rows of one of another module's streams."""
    return next(stream for stream in streams if stream.name == name).rows(known)


STREAMS = (
    Stream("spiral_steps", "deal", "promises", "phases of the promise spiral, once reached", _steps),
    Stream("spiral_ways_out", "deal", "promises", "honest ways out of the promise spiral", _ways_out),
)
