"""The tables as they stood before an instant, for a look at later ones: what the clock alone would have done.

A feature table at `as_of` needs no cut, since the gate makes it. This one is for features at an instant
*after* the cut: rows recorded in between are gone, while what was planned before goes on as planned.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir

from data.schema import TABLES

__all__ = ["tables_before"]

_FACTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "opportunities": ("closed_at", ("closed_at", "outcome", "loss_reason")),
    "opportunity_contacts": ("removed_at", ("removed_at",)),
    "contracts": ("decided_at", ("decided_at", "outcome", "renewed_amount")),
    "text_moments": ("superseded_at", ("superseded_at",)),
    "text_promises": ("superseded_at", ("superseded_at",)),
}
"""Facts with a time of their own: what is emptied where that time lies at or after the cut."""


def tables_before(
    tables: Mapping[str, ir.Table], cut: datetime, *, deals: Collection[str] = ()
) -> dict[str, ir.Table]:
    """The canonical tables, each cut to the rows recorded before an instant.

    tables: `Warehouse.tables(cut)`, so that of repeated keys the row before the cut stands. deals: ids that
    stay although they are recorded as created later (what was scored before the cut did exist). Facts that
    come later are emptied: closes, removals, decisions, and who came to a meeting that had not been held.
    """
    instant = ibis.literal(cut, type="timestamp('UTC')")
    known = {}
    for name, table in tables.items():
        clock = TABLES[name].clock if name in TABLES else "known_at"
        if clock is not None:
            stays = table[clock] < instant
            if name == "opportunities" and deals:
                stays = stays | table.opportunity_id.isin(sorted(deals))
            table = table.filter(stays)
        if name in _FACTS:
            table = _emptied(table, instant, *_FACTS[name])
        known[name] = table
    known["activity_participants"] = _before_the_meeting(known, instant)
    return known


def _emptied(table: ir.Table, instant: ir.Value, time: str, columns: tuple[str, ...]) -> ir.Table:
    """The table with the columns of a fact empty where its time is not before the instant."""
    came = (table[time] < instant).fill_null(True)
    return table.mutate(
        **{name: ibis.ifelse(came, table[name], ibis.null(table[name].type())) for name in columns}
    )


def _before_the_meeting(known: Mapping[str, ir.Table], instant: ir.Value) -> ir.Table:
    """The people of the activities that are left; whether they came, only where that was by then."""
    people, activities = known["activity_participants"], known["activities"]
    ahead = activities.filter(activities.occurred_at >= instant).select(held_later="activity_id").distinct()
    people = people.semi_join(activities, "activity_id")
    joined = people.left_join(ahead, people.activity_id == ahead.held_later)
    attended = ibis.ifelse(joined.held_later.isnull(), joined.attended, ibis.null("boolean"))
    return joined.mutate(attended=attended).select(*people.columns)
