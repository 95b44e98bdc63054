"""Streams beyond the deal: facts of deals and accounts, their past deals, the sellers' record."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.custom import custom_columns, typed
from features.streams.stream import Stream, as_count

__all__ = ["STREAMS", "ownership"]


def _typed_columns(table: ir.Table) -> dict[str, ir.Value]:
    readings: dict[str, ir.Value] = {}
    for name in custom_columns(table):
        readings |= typed(name, table[name])
    return readings


def _deals(known: Known) -> ir.Table:
    """Facts that a deal has from its creation on."""
    rows = known["opportunities"]
    return rows.select(
        "type", "lead_source", "currency", "created_s", key=rows.opportunity_id, seen_s=rows.created_s,
        at_s=rows.created_s, row_id=rows.opportunity_id, **_typed_columns(rows),
    )  # fmt: skip


def _accounts(known: Known) -> ir.Table:
    """Facts of an account, from when it was recorded on."""
    rows = known["accounts"]
    return rows.select(
        "industry", "region", "decision_structure", key=rows.account_id, seen_s=rows.known_s,
        at_s=rows.known_s, row_id=rows.account_id, employees=rows.employees.cast("float64"),
        created_s=rows.created_s, **_typed_columns(rows),
    )  # fmt: skip


def _closings(known: Known) -> ir.Table:
    """Closed deals with their outcome."""
    rows = known["opportunities"]
    rows = rows.filter(rows.closed_s.notnull())
    return rows.select(
        "opportunity_id", "account_id", "owner_id", "created_s", "closed_s", seen_s=rows.closed_s,
        at_s=rows.closed_s, row_id=rows.opportunity_id, is_won=as_count(rows.outcome == "won"),
    )  # fmt: skip


def _by_account(known: Known) -> ir.Table:
    """Closed deals by account."""
    rows = _closings(known)
    return rows.mutate(key=rows.account_id)


def ownership(known: Known) -> ir.Table:
    """Who owned which deal from when to when.

    Without a recorded change the owner from creation on is taken to be the present one; changes recorded
    before the creation count from the creation on.
    """
    deals, changes = known["opportunities"], known["opportunity_changes"]
    changes = changes.filter((changes.field == "owner") & changes.new_value.notnull())
    order = ["changed_s", "source_row", "old_value", "new_value"]
    changes = changes.mutate(
        next_s=changes.changed_s.lead().over(ibis.window(group_by="opportunity_id", order_by=order))
    )
    first = changes.group_by("opportunity_id").agg(first_s=changes.changed_s.min())
    started = deals.left_join(first, "opportunity_id")
    initial = started.select(
        "opportunity_id", key=started.owner_id, from_s=started.created_s, to_s=started.first_s
    )
    later = changes.select("opportunity_id", key="new_value", from_s="changed_s", to_s="next_s")
    periods = initial.union(later)
    closes = deals.select("opportunity_id", "created_s", "closed_s", is_won=as_count(deals.outcome == "won"))
    rows = periods.inner_join(closes, "opportunity_id")
    rows = rows.mutate(row_id=rows.opportunity_id, from_s=ibis.greatest(rows.from_s, rows.created_s))
    return rows.filter(rows.key.notnull() & (rows.to_s.isnull() | (rows.to_s > rows.from_s)))


def _load(known: Known) -> ir.Table:
    """Open deals by owner, each until it closes or passes on."""
    rows = ownership(known)
    rows = rows.mutate(seen_s=rows.from_s, at_s=rows.from_s, until_s=ibis.least(rows.to_s, rows.closed_s))
    return rows.filter(rows.until_s.isnull() | (rows.until_s > rows.seen_s))


def _owner_closings(known: Known) -> ir.Table:
    """Closed deals by the owner at the close (of a deal closed as it was created: the first owner)."""
    rows = ownership(known)
    began = (rows.from_s < rows.closed_s) | (rows.from_s == rows.created_s)
    held = began & (rows.to_s.isnull() | (rows.to_s >= rows.closed_s))
    rows = rows.filter(rows.closed_s.notnull() & held)
    return rows.mutate(seen_s=rows.closed_s, at_s=rows.closed_s)


def _contact_facts(known: Known) -> ir.Table:
    """The buying group's contacts with the user's own fields, once both are recorded."""
    roles, contacts = known["opportunity_contacts"], known["contacts"]
    members = roles.group_by("deal", "contact_id").agg(member_s=roles.known_s.min())
    joined = members.inner_join(contacts, "contact_id")
    seen = ibis.greatest(joined.member_s, joined.known_s)
    rows = joined.mutate(key=joined.deal, seen_s=seen, at_s=seen, row_id=joined.contact_id)
    rows = rows.mutate(**_typed_columns(rows))
    order = ibis.window(group_by="key", order_by=["seen_s", "row_id"])
    return rows.mutate(rank=ibis.row_number().over(order))


def _contracts(known: Known) -> ir.Table:
    """The account's contracts with the user's own fields."""
    rows = known["contracts"]
    rows = rows.mutate(key=rows.account_id, seen_s=rows.known_s, at_s=rows.known_s, row_id=rows.contract_id)
    rows = rows.mutate(**_typed_columns(rows))
    order = ibis.window(group_by="key", order_by=["seen_s", "row_id"])
    return rows.mutate(rank=ibis.row_number().over(order))


STREAMS = (
    Stream("deals", "opportunity", "opportunities", "facts of the deal", _deals, single=True),
    Stream("accounts", "account", "accounts", "facts of the account", _accounts, single=True),
    Stream(
        "account_closings", "account", "opportunities", "the account's closed deals",
        _by_account,
    ),
    Stream(
        "all_closings", "all", "opportunities", "all closed deals",
        lambda k: _closings(k).mutate(key=ibis.literal("all")),
    ),
    Stream("owner_closings", "owner", "opportunities", "the seller's closed deals", _owner_closings),
    Stream("owner_load", "owner", "opportunities", "the seller's open deals", _load),
    Stream("contact_facts", "deal", "contacts", "your own fields of contacts", _contact_facts),
    Stream("account_contracts", "account", "contracts", "your own fields of contracts", _contracts),
)  # fmt: skip
