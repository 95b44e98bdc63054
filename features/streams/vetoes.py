"""The stream of those who can veto: who holds such a role, and whom of them nobody has won over."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.people import members
from features.streams.stream import Stream
from features.streams.stretches import FOREVER, merged

__all__ = ["STREAMS", "VETO_ROLES"]

VETO_ROLES = (
    "blocker", "economic_buyer", "decision_maker", "executive_sponsor", "procurement", "legal", "finance",
    "technical_evaluator",
)  # fmt: skip
"""Roles whose holder alone can stop a purchase."""

_COLUMNS = ("key", "contact_id", "seen_s", "ends_s", "at_s", "row_id", "role", "fact")


def _vetoes(known: Known) -> ir.Table:
    """Stretches during which a person of the buying group can veto, and those of exposure, by `fact`.

    Exposed is who was never spoken to in the deal, or stands against it by a stance recorded in any role.
    """
    everyone = members(known)
    holders = everyone.filter(everyone.role.isin(VETO_ROLES))
    touches = known["touches"]
    met = touches.filter(touches.prev_at_s.isnull())
    met = met.select(met_key="key", met_contact="contact_id", met_s="seen_s")
    silent = holders.left_join(met, [("key", "met_key"), ("contact_id", "met_contact")])
    silent = silent.mutate(ends_s=ibis.least(silent.ends_s, silent.met_s.fill_null(FOREVER)))
    against = everyone.filter(everyone.stance == "opponent").select(
        to_key="key", to_contact="contact_id", from_s="seen_s", to_s="ends_s"
    )
    opposed = holders.inner_join(against, [("key", "to_key"), ("contact_id", "to_contact")])
    opposed = opposed.mutate(
        seen_s=ibis.greatest(opposed.seen_s, opposed.from_s), ends_s=ibis.least(opposed.ends_s, opposed.to_s)
    )
    facts = [("holds", holders), ("exposed", silent), ("exposed", opposed)]
    rows = ibis.union(*(rows.mutate(fact=ibis.literal(fact)).select(*_COLUMNS) for fact, rows in facts))
    return merged(rows, "contact_id", "fact")


STREAMS = (
    Stream("vetoes", "deal", "opportunity_contacts", "who can veto, and who of them is exposed", _vetoes),
)
