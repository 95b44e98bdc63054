"""How fully sellers record buying roles: tells "nobody is there" from "this seller rarely says who is"."""

from collections.abc import Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir

from features.gate import gate
from features.snapshots import DAY, Calendar
from features.streams.owners import people_met

__all__ = ["role_completeness"]


def role_completeness(tables: Mapping[str, ir.Table], as_of: datetime) -> ir.Table:
    """People met on each seller's deals before as_of, and those of them with a recorded buying role.

    Columns: owner_id, touched, recorded (counts of deal and contact, each once, credited to the deal's
    owner at the first touch). One row per owner on whose deals somebody was met. Add them up by
    `users.manager_id` for teams.
    """
    calendar = Calendar(as_of, DAY)
    deals = tables["opportunities"].select("opportunity_id", deal=ibis.literal(0, "int64"))
    rows = people_met(gate(tables, calendar, deals))
    rows = rows.filter(rows.seen_s < calendar.anchor_s)
    return rows.group_by(owner_id="key").agg(
        touched=rows.count(where=rows.fact == "met"), recorded=rows.count(where=rows.fact == "recorded")
    )
