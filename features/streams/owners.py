"""Streams of how well sellers record buying roles: who was met on their deals, and who of them has a role."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.history import ownership
from features.streams.stream import Stream, known_once

__all__ = ["STREAMS", "people_met"]


@known_once("people_met")
def people_met(known: Known) -> ir.Table:
    """Each contact of each deal at the first touch, by `fact`: met, and recorded with a buying role.

    All deals, not only those asked for. key is the deal's owner at the first touch; a touch before the
    deal was created counts from its creation on. A person is recorded once any role but `unknown` is.
    """
    firsts, roles = _first_touches(known), known["all_opportunity_contacts"]
    roles = roles.filter(roles.buying_role.notnull() & (roles.buying_role != "unknown"))
    roled = roles.group_by("opportunity_id", "contact_id").agg(role_s=roles.known_s.min())
    people = firsts.left_join(roled, ["opportunity_id", "contact_id"])
    people = people.select("opportunity_id", "contact_id", "met_s", "role_s")
    periods = ownership(known).select("opportunity_id", "key", "from_s", "to_s", "created_s")
    people = people.inner_join(periods, "opportunity_id")
    people = people.mutate(met_s=ibis.greatest(people.met_s, people.created_s))
    held = (people.from_s <= people.met_s) & (people.to_s.isnull() | (people.met_s < people.to_s))
    people = people.filter(held)
    met = people.mutate(seen_s=people.met_s, fact=ibis.literal("met"))
    recorded = people.filter(people.role_s.notnull())
    recorded = recorded.mutate(
        seen_s=ibis.greatest(recorded.met_s, recorded.role_s), fact=ibis.literal("recorded")
    )
    rows = met.union(recorded)
    return rows.select("key", "opportunity_id", "fact", "seen_s", at_s=rows.met_s, row_id=rows.contact_id)


def _first_touches(known: Known) -> ir.Table:
    """When it was first known that each contact took part in an activity of each deal."""
    activities, people = known["all_activities"], known["activity_participants"]
    people = people.filter(people.contact_id.notnull() & people.attended.fill_null(True))
    joined = activities.inner_join(people.select("activity_id", "contact_id"), "activity_id")
    seen = ibis.greatest(joined.known_s, joined.occurred_s)
    return joined.group_by("opportunity_id", "contact_id").agg(met_s=seen.min())


def _everybodys(known: Known) -> ir.Table:
    """The same of all sellers together."""
    return people_met(known).mutate(key=ibis.literal("all"))


STREAMS = (
    Stream("owner_people", "owner", "activity_participants", "people met on the seller's deals", people_met),
    Stream("all_people", "all", "activity_participants", "people met on all deals", _everybodys),
)
