"""Which buying roles came to which meeting: the history behind "who will be in the room next".

Unlike a feature this tells of every meeting up to a time, with the second from which each fact was known,
so that whoever labels or predicts can take the part before a snapshot and the part after it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.catalogue import STREAMS
from features.gate import Known, gate
from features.snapshots import DAY, Calendar
from features.streams.people import touches

__all__ = ["MeetingHistory", "meeting_history", "meetings_of"]


@dataclass(frozen=True)
class MeetingHistory:
    """Meetings, demos, workshops and events with at least one contact, as known before a time.

    All times are whole epoch seconds; a fraction of a second that the time has is cut off each clock alike,
    so they compare with any snapshot of that time's calendar in whole seconds. held: opportunity_id,
    activity_id, held_s (when it took place), known_s (from when it is known to have, held_s or later); one
    row per meeting, sorted by all of them. came: activity_id, role, known_s (from when both the touch and the
    role were known); one row per meeting and role. members: opportunity_id, role, since_s, until_s (null if
    it lasts); the stretches during which a role is recorded in the deal's buying group.
    """

    held: pa.Table
    came: pa.Table
    members: pa.Table


def meeting_history(
    tables: Mapping[str, ir.Table], as_of: datetime, deals_wanted: Collection[str] | None = None
) -> MeetingHistory:
    """The meetings known before as_of of the deals wanted, by default all, in the order of opportunity_id."""
    deals = tables["opportunities"].select("opportunity_id").distinct()
    if deals_wanted is not None:
        wanted = ibis.memtable(pa.table({"wanted": pa.array(sorted(set(deals_wanted)), pa.string())}))
        deals = deals.semi_join(wanted, deals.opportunity_id == wanted.wanted)
    deals = deals.mutate(deal=ibis.row_number().over(ibis.window(order_by="opportunity_id")).cast("int64"))
    calendar = Calendar(as_of, DAY)
    known = gate(tables, calendar, deals)
    known["touches"] = touches(known)
    held, came, group = (table.to_pyarrow() for table in meetings_of(known, calendar, deals))
    return MeetingHistory(held, came, group)


def meetings_of(known: Known, calendar: Calendar, keys: ir.Table) -> tuple[ir.Table, ir.Table, ir.Table]:
    """The tables of a `MeetingHistory` of the deals behind a gate, as expressions.

    keys: opportunity_id and its number `deal`.
    """
    end_s = calendar.anchor_s

    def rows(stream: str) -> ir.Table:
        found = STREAMS[stream].rows(known).inner_join(keys.rename(key="deal"), "key")
        return found.filter(found.seen_s < end_s)

    meetings, met, members = rows("meetings"), rows("role_touches"), rows("role_kinds")
    held = meetings.select("opportunity_id", activity_id="row_id", held_s="at_s", known_s="seen_s")
    of_meetings = met.semi_join(held, met.row_id == held.activity_id)
    came = of_meetings.group_by(activity_id="row_id", role="buying_role").agg(
        known_s=of_meetings.seen_s.min()
    )
    group = members.select("opportunity_id", "role", since_s="seen_s", until_s="until_s")
    return (
        held.order_by("opportunity_id", "held_s", "known_s", "activity_id"),
        came.order_by("activity_id", "role"),
        group.order_by("opportunity_id", "role", "since_s"),
    )
