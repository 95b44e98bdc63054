"""Streams of a deal's sponsors: who is there, what runs through them, what else they carry."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams.people import MEETING_KINDS, members
from features.streams.stream import Stream
from features.streams.stretches import FOREVER, merged

__all__ = ["BACKERS", "SPONSORS", "STREAMS"]

SPONSORS = ("champion", "mobilizer")
"""Roles that carry a purchase from within."""

BACKERS = (*SPONSORS, "executive_sponsor")
"""Sponsors and those who back them from above."""

_ENGAGED_S = 90 * DAY
_BUSY_S = 30 * DAY
_MEMBERS = 2**32


def _present(known: Known, roles: tuple[str, ...]) -> ir.Table:
    """Stretches (seen_s to ends_s) during which a person is present in one of the roles."""
    rows = members(known)
    rows = rows.filter(rows.role.isin(roles))
    rows = merged(rows.select("key", "contact_id", "seen_s", "ends_s", "at_s", "row_id"), "contact_id")
    return rows.mutate(ends_s=rows.until_s.fill_null(FOREVER)).drop("until_s")


def _sponsors(known: Known) -> ir.Table:
    """Champions and mobilizers, by `fact`: their presence, their engagement, their two-way touches.

    Engaged is who is present and took part in an activity of the last 90 days; a two-way touch counts
    for 90 days, while the sponsor is present.
    """
    present = _present(known, SPONSORS)
    spans = present.select(of="key", who="contact_id", from_s="seen_s", to_s="ends_s")
    touches = known["touches"]
    rows = touches.inner_join(spans, [("key", "of"), ("contact_id", "who")])
    rows = rows.select(
        "key", "contact_id", "at_s", "two_way", row_id=rows.activity_id,
        seen_s=ibis.greatest(rows.seen_s, rows.from_s), ends_s=ibis.least(rows.at_s + _ENGAGED_S, rows.to_s),
    )  # fmt: skip
    rows = rows.filter(rows.ends_s > rows.seen_s)
    engaged = merged(rows.drop("two_way"), "contact_id").mutate(fact=ibis.literal("engaged"))
    two_way = rows.filter(rows.two_way).drop("two_way").rename(until_s="ends_s")
    there = present.mutate(until_s=ibis.ifelse(present.ends_s == FOREVER, ibis.null("int64"), present.ends_s))
    columns = ("key", "contact_id", "at_s", "row_id", "seen_s", "until_s", "fact")
    return ibis.union(
        there.mutate(fact=ibis.literal("present")).select(*columns),
        engaged.select(*columns),
        two_way.mutate(fact=ibis.literal("two_way")).select(*columns),
    )


def _deals_carried(known: Known, people: ir.Table) -> ir.Table:
    """When each of the people joined the buying group of an open deal, any deal, and when that ended."""
    roles, deals = known["all_opportunity_contacts"], known["opportunities"]
    joined = roles.semi_join(people, roles.contact_id == people.who).inner_join(deals, "opportunity_id")
    ends = ibis.least(joined.removed_s.fill_null(FOREVER), joined.closed_s.fill_null(FOREVER))
    rows = joined.select(
        "opportunity_id", key=joined.contact_id, seen_s=ibis.greatest(joined.known_s, joined.created_s),
        ends_s=ends,
    )  # fmt: skip
    rows = merged(rows, "opportunity_id")
    return rows.select("seen_s", who="key", ends_s=rows.until_s.fill_null(FOREVER))


def _meetings_attended(known: Known, people: ir.Table) -> ir.Table:
    """When each past meeting of the people, on any deal, became known, and when it left the last 30 days."""
    activities, came = known["all_activities"], known["activity_participants"]
    came = came.filter(came.attended.fill_null(True)).semi_join(people, came.contact_id == people.who)
    came = came.select("activity_id", who="contact_id").distinct()
    rows = activities.filter(activities.kind.isin(MEETING_KINDS)).inner_join(came, "activity_id")
    rows = rows.select(
        "who", seen_s=ibis.greatest(rows.known_s, rows.occurred_s), ends_s=rows.occurred_s + _BUSY_S
    )
    return rows.filter(rows.ends_s > rows.seen_s)


def _changes(stretches: ir.Table, *by: str) -> ir.Table:
    """By how much the number of stretches that hold changes, at each second (at_s) at which it does."""
    start = stretches.select(*by, at_s="seen_s", change=ibis.literal(1, "int64"))
    stop = stretches.filter(stretches.ends_s < FOREVER)
    stop = stop.select(*by, at_s="ends_s", change=ibis.literal(-1, "int64"))
    changes = start.union(stop)
    return changes.group_by(*by, "at_s").agg(change=changes.change.sum().cast("int64"))


def _carried(known: Known, present: ir.Table) -> ir.Table:
    """When each deal and each meeting lay on each of the present (`member`) while there, by `fact`."""
    people = present.select(who="contact_id").distinct()
    deals, meetings = _deals_carried(known, people), _meetings_attended(known, people)
    work = deals.mutate(fact=ibis.literal(0, "int64")).union(meetings.mutate(fact=ibis.literal(1, "int64")))
    spans = present.select("key", "member", person="contact_id", in_s="seen_s", out_s="ends_s")
    rows = spans.inner_join(work, [("person", "who")])
    rows = rows.select(
        "key", "fact", "member", seen_s=ibis.greatest(rows.in_s, rows.seen_s),
        ends_s=ibis.least(rows.out_s, rows.ends_s),
    )  # fmt: skip
    return rows.filter(rows.ends_s > rows.seen_s)


def _busiest(known: Known) -> ir.Table:
    """What the busiest sponsor or backer present carries (`load`), by `fact`, whenever it changes.

    deals: open deals, this one included, in whose buying group the person stands; meetings: those of the
    last 30 days that the person attended. Made of the moments of change alone, since the largest of
    several people's sums is no running total. Members are numbered: numbers are quicker than names.
    """
    present = _present(known, BACKERS)
    present = present.mutate(
        member=ibis.dense_rank().over(ibis.window(order_by=["key", "contact_id"])).cast("int64")
    )
    of_member = ("key", "fact", "member")
    changes = _changes(_carried(known, present), *of_member)
    moments = changes.select("key", "fact", "at_s").distinct()
    every = moments.inner_join(changes.select(*of_member).distinct(), ["key", "fact"])
    every = every.left_join(changes, [*of_member, "at_s"])
    every = every.select(*of_member, "at_s", change=every.change.fill_null(0))
    so_far = ibis.window(group_by=of_member, order_by="at_s", rows=(None, 0))
    every = every.mutate(load=every.change.sum().over(so_far).cast("int64"))
    # one number says both: the largest load, and of equals the member numbered first
    every = every.mutate(top=every.load * _MEMBERS + (_MEMBERS - 1 - every.member))
    rows = every.group_by("key", "fact", "at_s").agg(top=every.top.max())
    rows = rows.mutate(load=rows.top // _MEMBERS, member=_MEMBERS - 1 - rows.top % _MEMBERS)
    names = present.select("member", row_id="contact_id").distinct()
    rows = rows.inner_join(names, "member")
    return rows.select(
        "key", "load", "at_s", "row_id", seen_s=rows.at_s, rank=rows.at_s * 2 + rows.fact,
        fact=ibis.ifelse(rows.fact == 0, "deals", "meetings"),
    )  # fmt: skip


STREAMS = (
    Stream(
        "sponsors", "deal", "activity_participants", "champions and mobilizers: present, engaged, two-way",
        _sponsors,
    ),
    Stream(
        "sponsor_load", "deal", "opportunity_contacts", "what the busiest sponsor carries over all deals",
        _busiest,
    ),
)  # fmt: skip
