"""Streams of a deal's sponsors: who is there, what runs through them, what else they carry."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams.people import MEETING_KINDS, members
from features.streams.stream import Stream
from features.streams.stretches import FOREVER, merged

__all__ = ["BACKERS", "SPONSORS", "STREAMS", "WORK", "work"]

SPONSORS = ("champion", "mobilizer")
"""Roles that carry a purchase from within."""

BACKERS = (*SPONSORS, "executive_sponsor")
"""Sponsors and those who back them from above."""

WORK = ("who", "opportunity_id", "fact", "source", "row_id", "at_s", "seen_s", "ends_s")
"""Columns of what people carry, from second `seen_s` to `ends_s`; `opportunity_id` is null without a deal."""

_ENGAGED_S = 90 * DAY
_BUSY_S = 30 * DAY


def _present(known: Known, roles: tuple[str, ...]) -> ir.Table:
    """Stretches (seen_s to ends_s) during which a person is present in one of the roles."""
    rows = members(known)
    rows = rows.filter(rows.role.isin(roles))
    rows = merged(rows.select("key", "contact_id", "seen_s", "ends_s", "at_s", "row_id"), "contact_id")
    return rows.mutate(ends_s=rows.until_s.fill_null(FOREVER)).drop("until_s")


def _sponsors(known: Known) -> ir.Table:
    """Champions and mobilizers, by `fact`: their presence, and their two-way touches while present, each of
    which counts for 90 days."""
    present = _present(known, SPONSORS)
    spans = present.select(of="key", who="contact_id", from_s="seen_s", to_s="ends_s")
    touches = known["touches"].filter(lambda row: row.two_way)
    rows = touches.inner_join(spans, [("key", "of"), ("contact_id", "who")])
    rows = rows.select(
        "key", "contact_id", "at_s", row_id=rows.activity_id, fact=ibis.literal("two_way"),
        seen_s=ibis.greatest(rows.seen_s, rows.from_s), until_s=ibis.least(rows.at_s + _ENGAGED_S, rows.to_s),
    )  # fmt: skip
    rows = rows.filter(rows.until_s > rows.seen_s)
    until = ibis.ifelse(present.ends_s == FOREVER, ibis.null("int64"), present.ends_s)
    there = present.mutate(until_s=until, fact=ibis.literal("present"))
    return there.select(*rows.columns).union(rows)


def _deals_carried(known: Known, people: ir.Table) -> ir.Table:
    """Stretches (seen_s to ends_s) in which each of the people stands in the group of an open deal."""
    roles, deals = known["all_opportunity_contacts"], known["opportunities"]
    joined = roles.semi_join(people, roles.contact_id == people.who).inner_join(deals, "opportunity_id")
    ends = ibis.least(joined.removed_s.fill_null(FOREVER), joined.closed_s.fill_null(FOREVER))
    rows = joined.select(
        "opportunity_id", key=joined.contact_id, seen_s=ibis.greatest(joined.known_s, joined.created_s),
        ends_s=ends,
    )  # fmt: skip
    rows = merged(rows, "opportunity_id")
    return rows.select(
        "opportunity_id", "seen_s", who="key", ends_s=rows.until_s.fill_null(FOREVER), at_s=rows.seen_s,
        row_id="opportunity_id", fact=ibis.literal("deals"), source=ibis.literal("opportunities"),
    ).select(*WORK)  # fmt: skip


def _meetings_attended(known: Known, people: ir.Table) -> ir.Table:
    """Past meetings of the people, on any deal, from when they became known until 30 days after them."""
    activities, came = known["all_activities"], known["activity_participants"]
    came = came.filter(came.attended.fill_null(True)).semi_join(people, came.contact_id == people.who)
    came = came.select("activity_id", who="contact_id").distinct()
    rows = activities.filter(activities.kind.isin(MEETING_KINDS)).inner_join(came, "activity_id")
    rows = rows.select(
        "opportunity_id", "who", seen_s=ibis.greatest(rows.known_s, rows.occurred_s),
        ends_s=rows.occurred_s + _BUSY_S, at_s="occurred_s", row_id="activity_id",
        fact=ibis.literal("meetings"), source=ibis.literal("activities"),
    ).select(*WORK)  # fmt: skip
    return rows.filter(rows.ends_s > rows.seen_s)


def work(known: Known, people: ir.Table) -> ir.Table:
    """What the people (`who`) carry, over all deals: the columns `WORK`, by `fact` (deals, meetings).

    Where `work_elsewhere` stands among the known tables, the deals there are not the only ones: it holds
    such rows, of which those of other deals and meetings are added.
    """
    rows = _deals_carried(known, people).union(_meetings_attended(known, people))
    if "work_elsewhere" not in known:
        return rows
    activities = known["all_activities"].select(row_id="activity_id", fact=ibis.literal("meetings"))
    elsewhere = known["work_elsewhere"].anti_join(known["opportunities"], "opportunity_id")
    elsewhere = elsewhere.anti_join(activities, ["row_id", "fact"]).semi_join(people, "who")
    return rows.union(elsewhere.select(*WORK))


def _carried(known: Known) -> ir.Table:
    """What each sponsor or backer carries while present, by `fact`: open deals, this one included, in whose
    buying group the person stands; meetings of the last 30 days, on any deal; and being `present` itself."""
    present = _present(known, BACKERS)
    people = present.select(who="contact_id").distinct()
    spans = present.select("key", person="contact_id", in_s="seen_s", out_s="ends_s")
    carried = spans.inner_join(work(known, people), [("person", "who")])
    carried = carried.mutate(
        seen_s=ibis.greatest(carried.in_s, carried.seen_s), ends_s=ibis.least(carried.out_s, carried.ends_s)
    )
    there = present.rename(person="contact_id").mutate(
        fact=ibis.literal("present"), source=ibis.literal("opportunity_contacts")
    )
    columns = ("key", "seen_s", "ends_s", "at_s", "row_id", "person", "fact", "source")
    rows = there.select(*columns).union(carried.select(*columns))
    rows = rows.filter(rows.ends_s > rows.seen_s)
    until = ibis.ifelse(rows.ends_s >= FOREVER, ibis.null("int64"), rows.ends_s)
    return rows.mutate(until_s=until).drop("ends_s")


STREAMS = (
    Stream(
        "sponsors", "deal", "activity_participants", "champions and mobilizers: present, two-way",
        _sponsors,
    ),
    Stream(
        "sponsor_load", "deal", "opportunity_contacts", "what sponsors carry over all deals", _carried,
    ),
)  # fmt: skip
