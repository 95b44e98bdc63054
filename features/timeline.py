"""What happened on each deal, and what both sides answered, as of any time: for people to read."""

from collections.abc import Collection, Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.schema import QUESTIONS, SIDES
from features.gate import Known, gate
from features.promise_ledger import deals_known, instant
from features.snapshots import DAY, Calendar
from features.streams.moments import moment_rows, step_number
from features.streams.qualification import answer_rows

__all__ = ["answers_of", "moments_of", "moments_timeline", "qualification_state"]

_AGREED_WITHIN = 1


def moments_timeline(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str] | None = None
) -> pa.Table:
    """One row per moment or signal known at as_of, by opportunity_id, happened_at and row_id.

    deals: opportunity ids; None for every deal created before as_of, closed ones too. Columns:
    opportunity_id, happened_at, visible_at (since when it may be seen), kind, step (1 to 12; null for a
    signal), derived (read from a note), evidence (text as typed, may be null), source (`moments`, or
    `activities` where derived), row_id (as in `features.evidence`; `text:` begins ids that name an activity),
    contact_id (null where nobody is named). What was read from a note leaves when a recorded row stands
    for it.
    """
    return moments_of(*_known(tables, as_of, deals)).to_pyarrow()


def moments_of(known: Known, calendar: Calendar, keys: ir.Table) -> ir.Table:
    """The timeline of the deals behind a gate, as an expression.

    keys: opportunity_id and its number `deal`.
    """
    rows = moment_rows(known)
    rows = rows.filter(_stands(rows, calendar)).inner_join(keys, rows.key == keys.deal)
    table = rows.select(
        "opportunity_id",
        happened_at=instant(rows.at_s),
        visible_at=instant(rows.seen_s),
        kind=rows.kind,
        step=step_number(rows.kind),
        derived=rows.derived,
        evidence=rows.evidence,
        source=ibis.ifelse(rows.derived, "activities", "moments"),
        row_id=rows.row_id,
        contact_id=rows.contact_id,
    )
    return table.order_by("opportunity_id", "happened_at", "row_id")


def qualification_state(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str] | None = None
) -> pa.Table:
    """Eight rows for each deal with an answer known at as_of: the four questions, vendor before customer.

    deals: as in `moments_timeline`. Columns: opportunity_id, question, side, answer (0 unknown to 4 proven;
    null if never answered), evidence (text as typed), answered_at (when recorded), staleness_days (from then
    to as_of), gap (levels between the sides' answers), agrees (whether that is one level at most). The last
    two are the same on both sides' rows, and null unless both answered.
    """
    return answers_of(*_known(tables, as_of, deals)).to_pyarrow()


def answers_of(known: Known, calendar: Calendar, keys: ir.Table) -> ir.Table:
    """Both sides' answers on the deals behind a gate, as an expression. keys: as for `moments_of`."""
    rows = answer_rows(known)
    rows = rows.filter(_stands(rows, calendar))
    answered = rows.select("key").distinct().inner_join(keys, rows.key == keys.deal)
    cells = answered.mutate(place=ibis.range(0, len(QUESTIONS) * len(SIDES)).unnest())
    cells = cells.select(
        "opportunity_id", "deal", "place",
        asked=_nth(cells.place // len(SIDES), QUESTIONS), by=_nth(cells.place % len(SIDES), SIDES),
    )  # fmt: skip
    joined = cells.left_join(rows, [("deal", "key"), ("asked", "question"), ("by", "side")])
    of_question = ibis.window(group_by=["deal", "asked"])
    apart = joined.answer.max().over(of_question) - joined.answer.min().over(of_question)
    both = joined.answer.count().over(of_question) == len(SIDES)
    gap = ibis.ifelse(both, apart, ibis.null("int64"))
    table = joined.select(
        "opportunity_id", "place", "answer", "evidence", question=joined.asked, side=joined.by,
        answered_at=instant(joined.at_s),
        staleness_days=(calendar.anchor_s - joined.at_s).cast("float64") / float(DAY),
        gap=gap, agrees=gap <= _AGREED_WITHIN,
    )  # fmt: skip
    columns = ("opportunity_id", "question", "side", "answer", "evidence", "answered_at", "staleness_days")
    return table.order_by("opportunity_id", "place").select(*columns, "gap", "agrees")


def _known(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str] | None
) -> tuple[Known, Calendar, ir.Table]:
    """The tables behind the gate, its calendar, and each deal's opportunity_id with its number `deal`."""
    calendar, keys = deals_known(tables, as_of, deals)
    numbers = ibis.row_number().over(ibis.window(order_by="opportunity_id")).cast("int64")
    keys = keys.select("opportunity_id", deal=numbers)
    return gate(tables, calendar, keys), calendar, keys


def _stands(rows: ir.Table, calendar: Calendar) -> ir.BooleanValue:
    """Seen before the calendar's end, and not ended before it."""
    return (rows.seen_s < calendar.anchor_s) & (rows.until_s.isnull() | (rows.until_s >= calendar.anchor_s))


def _nth(place: ir.IntegerValue, names: tuple[str, ...]) -> ir.StringValue:
    return place.cases(*enumerate(names), else_=ibis.null("string"))
