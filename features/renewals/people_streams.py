"""Streams of who is in touch with an account, over all of its deals and beyond them."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.people import seniority_rank
from features.streams.stream import as_count
from features.streams.stretches import FOREVER, merged

__all__ = ["SPONSORS", "contact_rows", "deal_rows", "sponsor_rows", "sponsor_touch_rows", "touch_rows"]

SPONSORS = ("champion", "mobilizer", "executive_sponsor", "economic_buyer")
"""The roles whose silence or leaving endangers a renewal."""


def _deals(known: Known) -> ir.Table:
    deals = known["opportunities"].select(
        of_deal="opportunity_id", of_account="account_id", created_s="created_s"
    )
    return deals.filter(deals.created_s.notnull())


def contact_rows(known: Known) -> ir.Table:
    """Past activities of an account: those that name it, and those of its deals once these are recorded.

    Stands among the known tables as `account_activities`, since several streams are made of it.
    """
    rows, deals = known["all_activities"], _deals(known)
    rows = rows.select(
        "activity_id", "opportunity_id", "account_id", "kind", "direction", "occurred_s", "known_s"
    )
    rows = rows.left_join(deals, rows.opportunity_id == deals.of_deal)
    seen_s = ibis.greatest(rows.known_s, rows.occurred_s)
    of_deal = ibis.greatest(seen_s, rows.created_s.fill_null(seen_s))
    rows = rows.mutate(
        key=rows.account_id.coalesce(rows.of_account), at_s=rows.occurred_s,
        seen_s=ibis.ifelse(rows.account_id.notnull(), seen_s, of_deal),
        is_inbound=as_count(rows.direction == "inbound"), has_direction=as_count(rows.direction.notnull()),
    )  # fmt: skip
    rows = rows.filter(rows.key.notnull())
    return rows.select(
        "key", "at_s", "seen_s", "activity_id", "kind", "direction", "is_inbound", "has_direction",
        row_id="activity_id",
    )  # fmt: skip


def touch_rows(known: Known) -> ir.Table:
    """Past activities of an account by contact who took part, with the level where known by then."""
    rows, people, contacts = known["account_activities"], known["activity_participants"], known["contacts"]
    people = people.filter(people.contact_id.notnull() & (people.attended.isnull() | people.attended))
    rows = rows.inner_join(people.select("activity_id", "contact_id").distinct(), "activity_id")
    levels = contacts.select(person="contact_id", person_s="known_s", level=seniority_rank(contacts))
    rows = rows.left_join(levels, rows.contact_id == levels.person)
    level = ibis.ifelse(rows.person_s <= rows.seen_s, rows.level, ibis.null("int64"))
    return rows.mutate(seniority=level).drop("person", "person_s", "level")


def _sponsors(known: Known) -> ir.Table:
    """Rows that name a contact of an account's deals as a sponsor; ends_s is FOREVER until removed."""
    rows, deals = known["all_opportunity_contacts"], _deals(known)
    rows = rows.filter(rows.buying_role.isin(SPONSORS))
    rows = rows.inner_join(deals, rows.opportunity_id == deals.of_deal)
    rows = rows.filter(rows.of_account.notnull())
    seen_s = ibis.greatest(rows.known_s, rows.created_s)
    return rows.select(
        "contact_id", key="of_account", role="buying_role", seen_s=seen_s, at_s=rows.known_s,
        row_id="contact_id", ends_s=rows.removed_s.fill_null(FOREVER),
    )  # fmt: skip


def sponsor_rows(known: Known) -> ir.Table:
    """Stretches during which someone is a sponsor in one of the account's deals, overlaps counted once."""
    return merged(_sponsors(known).drop("role").distinct(), "contact_id").mutate(one=ibis.literal(1, "int64"))


def sponsor_touch_rows(known: Known) -> ir.Table:
    """Past activities in which a sponsor took part, seen once the role is recorded too; one row each."""
    touches, sponsors = known["account_touches"], _sponsors(known)
    since = sponsors.group_by(account="key", person="contact_id").agg(role_s=sponsors.seen_s.min())
    rows = touches.inner_join(since, [touches.key == since.account, touches.contact_id == since.person])
    rows = rows.mutate(seen_s=ibis.greatest(rows.seen_s, rows.role_s))
    rows = rows.group_by("key", "activity_id", "at_s").agg(seen_s=rows.seen_s.min())
    return rows.mutate(row_id=rows.activity_id, earlier_s=-rows.at_s)


def deal_rows(known: Known) -> ir.Table:
    """The account's deals: open from their creation until they close."""
    rows = known["opportunities"]
    return rows.select(
        "type", key=rows.account_id, seen_s=rows.created_s, at_s=rows.created_s, until_s=rows.closed_s,
        row_id=rows.opportunity_id,
    )  # fmt: skip
