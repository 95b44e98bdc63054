"""Streams about people: who is known, who was touched, who came to meetings."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.stream import Stream, as_count, known_once
from features.streams.stretches import FOREVER, merged

__all__ = [
    "MEETING_KINDS",
    "STREAMS",
    "TALK_KINDS",
    "known_roles",
    "meetings",
    "members",
    "role_touches",
    "seniority_rank",
    "touches",
]

MEETING_KINDS = ("meeting", "demo", "workshop", "event")
TALK_KINDS = (*MEETING_KINDS, "call")
_SENIORITY_RANK = {"c_level": 5, "vp": 4, "director": 3, "manager": 2, "individual": 1}


def touches(known: Known) -> ir.Table:
    """One row per past activity and contact who took part; a repeated participant counts once.

    Stands among the known tables as `touches`, since several streams are made of it. is_earliest: nobody
    knew of an earlier touch of the contact when this one became known; two_way: the buyer wrote or spoke.
    """
    activities, people = known["activities"], known["activity_participants"]
    people = people.filter(people.contact_id.notnull() & (people.attended.isnull() | people.attended))
    joined = activities.inner_join(people.select("activity_id", "contact_id"), "activity_id")
    wrote = (joined.direction == "inbound").fill_null(False)
    rows = joined.select(
        "activity_id", "contact_id", "kind", key=joined.deal, at_s=joined.occurred_s,
        seen_s=ibis.greatest(joined.known_s, joined.occurred_s),
        two_way=wrote | joined.kind.isin(TALK_KINDS).fill_null(False),
    )  # fmt: skip
    order = ["seen_s", "at_s", "activity_id"]
    of_contact = ibis.window(group_by=["key", "contact_id"], order_by=order)
    earlier = ibis.window(group_by=["key", "contact_id"], order_by=order, rows=(None, -1))
    rows = rows.mutate(
        prev_at_s=rows.at_s.max().over(earlier),
        is_earliest=(rows.at_s < rows.at_s.min().over(earlier)).fill_null(True),
        nth_of_contact=ibis.dense_rank().over(of_contact) + 1,
        prev_activity=rows.activity_id.lag().over(of_contact),
    )
    rows = rows.filter(rows.prev_activity.isnull() | (rows.prev_activity != rows.activity_id))
    return rows.drop("prev_activity")


def seniority_rank(contacts: ir.Table) -> ir.IntegerValue:
    """A contact's level, 5 (C-level) to 1 (individual); null if unknown."""
    return contacts.seniority.cases(*_SENIORITY_RANK.items(), else_=ibis.null("int8")).cast("int64")


def _touches_with_seniority(known: Known) -> ir.Table:
    """Touches with the contact's seniority (5 highest), where the contact was recorded by then."""
    touches, contacts = known["touches"], known["contacts"]
    facts = contacts.select(person="contact_id", person_s="known_s", rank_of=seniority_rank(contacts))
    joined = touches.left_join(facts, touches.contact_id == facts.person)
    visible = joined.person_s <= joined.seen_s
    return joined.mutate(
        row_id=joined.activity_id,
        is_first=as_count(joined.prev_at_s.isnull()),
        seniority=ibis.ifelse(visible, joined.rank_of, ibis.null("int64")),
    )


@known_once("known_roles")
def known_roles(known: Known) -> ir.Table:
    """Since when each contact is known in each role of a deal (`unknown` is no role)."""
    roles = known["opportunity_contacts"]
    roles = roles.filter(roles.buying_role.notnull() & (roles.buying_role != "unknown"))
    return roles.group_by("deal", "contact_id", "buying_role").agg(role_s=roles.known_s.min())


@known_once("role_touches")
def role_touches(known: Known) -> ir.Table:
    """Touches once per role of the contact, seen once both touch and role are known."""
    touches, roles = known["touches"], known_roles(known)
    joined = touches.inner_join(
        roles.rename(role_contact="contact_id"),
        [touches.key == roles.deal, touches.contact_id == roles.contact_id],
    )
    return joined.select(
        "key", "contact_id", "buying_role", "at_s", row_id=joined.activity_id,
        seen_s=ibis.greatest(joined.seen_s, joined.role_s),
    )  # fmt: skip


def _roled_touches(known: Known) -> ir.Table:
    """Touches of contacts who have some role, seen once the first role is known."""
    touches, roles = known["touches"], known_roles(known)
    first = roles.group_by("deal", "contact_id").agg(role_s=roles.role_s.min())
    joined = touches.inner_join(
        first.rename(role_contact="contact_id"),
        [touches.key == first.deal, touches.contact_id == first.contact_id],
    )
    seen = ibis.greatest(joined.seen_s, joined.role_s)
    return joined.select("key", "at_s", row_id=joined.activity_id, seen_s=seen)


def _met(known: Known, *by: str) -> ir.Table:
    """The first touch of each role, or of each contact in a role."""
    touches = role_touches(known)
    first = touches.group_by("key", *by).agg(seen_s=touches.seen_s.min(), row_id=touches.row_id.min())
    return first.mutate(at_s=first.seen_s)


def _blocker_clock(known: Known) -> ir.Table:
    """When blockers became known, and when they were spoken to."""
    roles, touches = known_roles(known), role_touches(known)
    recorded = roles.filter(roles.buying_role == "blocker").select(
        key="deal", seen_s="role_s", at_s="role_s", row_id="contact_id"
    )
    spoken = touches.filter(touches.buying_role == "blocker").select("key", "seen_s", "at_s", "row_id")
    return recorded.union(spoken)


def members(known: Known) -> ir.Table:
    """Since when (seen_s) and until when (ends_s) each row of a buying group counts."""
    roles = known["opportunity_contacts"]
    return roles.select(
        "contact_id", key=roles.deal, at_s=roles.known_s, seen_s=roles.known_s, row_id=roles.contact_id,
        role=roles.buying_role.fill_null("unknown"), stance=roles.stance.fill_null("unknown"),
        ends_s=roles.removed_s.fill_null(FOREVER),
    )  # fmt: skip


def _present(known: Known, *by: str) -> ir.Table:
    """Stretches during which someone belongs to the buying group, overlaps counted once."""
    rows = members(known)
    return merged(
        rows.select("key", "seen_s", "ends_s", "at_s", "row_id", *dict.fromkeys(("contact_id", *by))), *by
    )


def _untouched(known: Known) -> ir.Table:
    """Stretches during which someone belongs to the buying group in a role and was not spoken to."""
    rows, met = _present(known, "contact_id", "role"), _met(known, "contact_id", "buying_role")
    met = met.select(met_key="key", met_contact="contact_id", met_role="buying_role", met_s="seen_s")
    same = [("key", "met_key"), ("contact_id", "met_contact"), ("role", "met_role")]
    rows = rows.left_join(met, same)
    rows = rows.mutate(until_s=ibis.least(rows.until_s, rows.met_s))
    return rows.filter(rows.until_s.isnull() | (rows.until_s > rows.seen_s))


@known_once("meetings")
def meetings(known: Known) -> ir.Table:
    """One row per past meeting: who came, compared with the meetings recorded before it."""
    touches = _touches_with_seniority(known)
    touches = touches.filter(touches.kind.isin(MEETING_KINDS))
    met = touches.group_by("activity_id").agg(
        **{name: touches[name].max() for name in ("key", "at_s", "seen_s")},
        attendance=touches.count().cast("float64"),
        new_faces=touches.is_first.sum().cast("float64"),
        seniority=touches.seniority.max().cast("float64"),
    )
    order = ["seen_s", "at_s", "activity_id"]

    return met.mutate(
        row_id=met.activity_id,
        rank=ibis.row_number().over(ibis.window(group_by="key", order_by=["at_s", "activity_id"])),
        attendance_before=met.attendance.mean().over(
            ibis.window(group_by="key", order_by=order, rows=(-3, -1))
        ),
    )


def _absences(known: Known) -> ir.Table:
    """Contacts who were invited to a past meeting and did not come."""
    activities, people = known["activities"], known["activity_participants"]
    people = people.filter(people.contact_id.notnull() & people.attended.notnull() & ~people.attended)
    joined = activities.inner_join(people.select("activity_id", "contact_id").distinct(), "activity_id")
    return joined.select(
        key=joined.deal, at_s=joined.occurred_s, row_id=joined.activity_id,
        seen_s=ibis.greatest(joined.known_s, joined.occurred_s),
    )  # fmt: skip


_TOUCHES = "activity_participants"
_ROLES = "opportunity_contacts"

STREAMS = (
    Stream("touches", "deal", _TOUCHES, "past activities by contact who took part", _touches_with_seniority),
    Stream("role_touches", "deal", _TOUCHES, "the same, by buying role", role_touches),
    Stream("roled_touches", "deal", _TOUCHES, "touches of contacts with a known role", _roled_touches),
    Stream("roles_met", "deal", _TOUCHES, "first touch of each role", lambda k: _met(k, "buying_role")),
    Stream("blocker_clock", "deal", _ROLES, "blockers recorded or spoken to", _blocker_clock),
    Stream("contacts_present", "deal", _ROLES, "the buying group", lambda k: _present(k, "contact_id")),
    Stream(
        "roles_present", "deal", _ROLES, "the buying group by role",
        lambda k: _present(k, "contact_id", "role"),
    ),
    Stream("roles_untouched", "deal", _ROLES, "those of them nobody has spoken to", _untouched),
    Stream("role_kinds", "deal", _ROLES, "distinct roles recorded", lambda k: _present(k, "role")),
    Stream(
        "stances", "deal", _ROLES, "recorded stances", lambda k: _present(k, "contact_id", "stance")
    ),
    Stream("meetings", "deal", "activities", "past meetings with who came", meetings),
    Stream("absences", "deal", _TOUCHES, "invited contacts who did not come", _absences),
)  # fmt: skip
