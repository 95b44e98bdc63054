"""Streams of why they buy: avenues tested, a need the customer states, senior people who back it."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.moments import moment_rows
from features.streams.people import MEETING_KINDS
from features.streams.qualification import answer_rows
from features.streams.stream import Stream

__all__ = ["AVENUES", "STREAMS"]

AVENUES = ("competitor_mentioned", "long_list", "short_list", "proof_of_concept", "bake_off")
"""Moments that show that other ways were looked at."""

_NEED_LEVEL = 3
_BACKERS = ("executive_sponsor", "economic_buyer")


def _avenues(known: Known) -> ir.Table:
    """The first sign of each avenue, from a note or recorded."""
    rows = moment_rows(known)
    rows = rows.filter(rows.kind.isin(AVENUES))
    order = ibis.window(group_by=["key", "kind"], order_by=["seen_s", "at_s", "row_id"])
    rows = rows.mutate(place=ibis.row_number().over(order))
    return rows.filter(rows.place == 0).select("key", "seen_s", "at_s", "row_id", "kind", "evidence")


def _needs(known: Known) -> ir.Table:
    """The customer's answer to why, where it is at level 3 or 4, until it answers anew."""
    rows = answer_rows(known)
    return rows.filter((rows.question == "why") & (rows.side == "customer") & (rows.answer >= _NEED_LEVEL))


def _senior_meetings(known: Known) -> ir.Table:
    """Past meetings to which a C-level contact or an executive sponsor came, seen once that is recorded."""
    touches, contacts, roles = known["touches"], known["contacts"], known["opportunity_contacts"]
    touches = touches.filter(touches.kind.isin(MEETING_KINDS))
    touches = touches.select("key", "activity_id", "contact_id", "at_s", "seen_s")
    top = contacts.filter(contacts.seniority == "c_level").select(person="contact_id", since_s="known_s")
    by_level = touches.inner_join(top, touches.contact_id == top.person)
    sponsors = roles.filter(roles.buying_role == "executive_sponsor")
    sponsors = sponsors.group_by(deal="deal", person="contact_id").agg(since_s=sponsors.known_s.min())
    by_role = touches.inner_join(
        sponsors, [touches.key == sponsors.deal, touches.contact_id == sponsors.person]
    )
    columns = ("key", "activity_id", "at_s", "seen_s", "since_s")
    both = by_level.select(*columns).union(by_role.select(*columns))
    both = both.filter(both.since_s.notnull())
    both = both.mutate(seen_s=ibis.greatest(both.seen_s, both.since_s))
    return both.group_by("key", "at_s", row_id=both.activity_id).agg(seen_s=both.seen_s.min())


def _senior_supporters(known: Known) -> ir.Table:
    """Executive sponsors and economic buyers recorded as supporters, until they leave the buying group."""
    rows = known["opportunity_contacts"]
    rows = rows.filter((rows.stance == "supporter") & rows.buying_role.isin(_BACKERS))
    rows = rows.filter(rows.removed_s.isnull() | (rows.removed_s > rows.known_s))
    return rows.select(
        "buying_role", key=rows.deal, seen_s=rows.known_s, at_s=rows.known_s, row_id=rows.contact_id,
        until_s=rows.removed_s,
    )  # fmt: skip


STREAMS = (
    Stream("avenues", "deal", "moments", "other ways that were looked at", _avenues),
    Stream("stated_needs", "deal", "qualification", "the customer's own reason, well founded", _needs),
    Stream("senior_meetings", "deal", "activities", "meetings with senior people", _senior_meetings),
    Stream(
        "senior_supporters", "deal", "opportunity_contacts", "senior people recorded as for it",
        _senior_supporters,
    ),
)  # fmt: skip
