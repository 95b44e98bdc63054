"""Streams of the contract itself, of the account's other contracts, of its promises and of its first deal."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.custom import custom_columns, typed
from features.streams.promises import overdue, promise_states
from features.streams.stream import as_count

__all__ = [
    "decision_rows",
    "origin_rows",
    "overdue_rows",
    "promise_rows",
    "promise_table",
    "running_rows",
    "slip_rows",
    "term_rows",
]


def term_rows(known: Known) -> ir.Table:
    """The contract's own facts and fields, from when it was recorded on."""
    terms, contracts = known["lineage"], known["contracts"]
    readings: dict[str, ir.Value] = {}
    for name in custom_columns(contracts):
        readings |= typed(name, contracts[name])
    own = contracts.select(
        own_id="contract_id", amount=contracts.committed_amount.cast("float64"), **readings
    )
    rows = terms.inner_join(own, terms.contract_id == own.own_id).drop("own_id")
    return rows.mutate(
        key=rows.contract, seen_s=rows.known_s, at_s=rows.known_s, row_id=rows.contract_id,
        has_previous=as_count(rows.previous.notnull()),
    )  # fmt: skip


def running_rows(known: Known) -> ir.Table:
    """The account's contracts from their start to their end."""
    rows = known["lineage"]
    rows = rows.mutate(seen_s=ibis.greatest(rows.known_s, rows.begins_s))
    return rows.select(
        "billing", "seen_s", key="account_id", at_s="begins_s", until_s="end_s", row_id="contract_id",
        earlier_s=-rows.begins_s,
    )  # fmt: skip


def decision_rows(known: Known) -> ir.Table:
    """How the account's contracts ended, once that was known."""
    rows = known["contracts"]
    rows = rows.filter(rows.decided_s.notnull() & rows.outcome.notnull())
    return rows.select(
        "outcome", key=rows.account_id, seen_s=ibis.greatest(rows.known_s, rows.decided_s),
        at_s=rows.decided_s, row_id=rows.contract_id,
    )  # fmt: skip


def _of_contracts(known: Known, rows: ir.Table) -> ir.Table:
    """Rows of deals (`key` is the deal's number) by each contract that goes back to the deal."""
    terms, numbers = known["lineage"], known["numbered_deals"]
    terms = terms.inner_join(numbers, terms.origin == numbers.opportunity_id)
    terms = terms.select("contract", "begins_s", "deal", contract_s="known_s")
    rows = rows.drop("opportunity_id") if "opportunity_id" in rows.columns else rows
    joined = rows.rename(of_deal="key").inner_join(terms, [("of_deal", "deal")])
    joined = joined.mutate(key=joined.contract, seen_s=ibis.greatest(joined.seen_s, joined.contract_s))
    return joined.drop("contract", "deal", "of_deal", "contract_s")


def promise_table(known: Known) -> ir.Table:
    """Events of promises on the deal that each contract goes back to, with the state they lead to."""
    return _of_contracts(known, promise_states(known))


def promise_rows(known: Known) -> ir.Table:
    """Features promised before the contract began."""
    rows = known["promise_table"]
    rows = rows.filter((rows.event == "promised") & (rows.at_s <= rows.begins_s))
    return rows.mutate(what=rows.feature.fill_null("–"), until_s=rows.ends_s)


def overdue_rows(known: Known) -> ir.Table:
    """Open promises past their date."""
    return overdue(known["promise_table"])


def slip_rows(known: Known) -> ir.Table:
    """Each event of a promise, with whether it is a slip."""
    rows = known["promise_table"]
    return rows.mutate(until_s=rows.ends_s)


def origin_rows(known: Known) -> ir.Table:
    """How the deal that the contract goes back to was won, seen once the deal's close is known."""
    terms, deals, won = known["lineage"], known["opportunities"], known["origins"]
    deals = deals.select(of_deal="opportunity_id", closed_s="closed_s")
    rows = terms.inner_join(deals, terms.origin == deals.of_deal)
    rows = rows.inner_join(won.rename(won_id="opportunity_id"), [("origin", "won_id")])
    rows = rows.filter(rows.closed_s.notnull())
    seen_s = ibis.greatest(rows.known_s, rows.closed_s, rows.won_s)
    return rows.mutate(key=rows.contract, seen_s=seen_s, at_s=rows.won_s, row_id=rows.origin)
