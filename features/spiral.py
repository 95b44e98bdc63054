"""The promise spiral of each deal as of any time: phases reached and ways out taken, with their evidence."""

from collections.abc import Collection, Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.assemble import known_spine
from features.gate import Known
from features.promise_ledger import deals_known, instant, promised_deals
from features.snapshots import Calendar, snapshots_from_keys
from features.streams import spiral

__all__ = ["phases_of", "spiral_phases"]


def spiral_phases(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str] | None = None
) -> pa.Table:
    """One row per deal and phase reached, or way out seen, before as_of; by opportunity_id and visible_at.

    deals: opportunity ids; None for every deal created before as_of. Of closed ones, what was seen before
    the close. Columns:
    opportunity_id; kind: phase or way_out; phase (1 to 7, null for a way out) and name (of the phase or the
    way out); reached_at (when the evidence happened; a date that passed: the date) and visible_at (from just
    after which it may be seen); source and row_id (table and key of the evidence); what (its words).

    The phases are defined in `features.streams.spiral`, whose rows these are.
    """
    calendar, keys = deals_known(tables, as_of, deals)
    _, known = known_spine(tables, snapshots_from_keys(tables, keys, calendar))
    return phases_of(known, calendar).to_pyarrow()


def phases_of(known: Known, calendar: Calendar) -> ir.Table:
    """The phases and ways out of the deals behind a gate, as an expression."""
    steps, ways_out = (stream.rows(known) for stream in spiral.STREAMS)
    columns = ("key", "phase", "name", "seen_s", "at_s", "source", "row_id", "what")
    steps = steps.mutate(kind=ibis.literal("phase")).select("kind", *columns)
    ways_out = ways_out.mutate(kind=ibis.literal("way_out"), phase=ibis.null("int64")).select(
        "kind", *columns
    )
    rows = steps.union(ways_out)
    rows = rows.filter(rows.seen_s < calendar.anchor_s)
    ends = known["opportunities"].select("opportunity_id", "closed_s")
    ends = promised_deals(known).inner_join(ends, "opportunity_id")
    rows = rows.inner_join(ends, rows.key == ends.deal)
    rows = rows.filter(rows.closed_s.isnull() | (rows.seen_s < rows.closed_s))
    table = rows.select(
        "opportunity_id", "kind", "phase", "name", reached_at=instant(rows.at_s),
        visible_at=instant(rows.seen_s), source=rows.source, row_id=rows.row_id, what=rows.what,
    )  # fmt: skip
    return table.order_by("opportunity_id", "visible_at", "kind", "phase", "name")
