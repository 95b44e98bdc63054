"""What each contract follows: the contract before it, the first deal behind it, how many terms there were."""

import ibis
import ibis.expr.types as ir

from features.assemble import Keep
from features.gate import Known
from features.snapshots import DAY
from features.streams.stream import as_count

__all__ = ["GAP_DAYS", "cents", "lineage"]

GAP_DAYS = 31
"""How far apart one term may end and the next begin."""

_MOST = 1e12
_DOUBLINGS = 4
"""Chains are followed over 2^4 = 16 terms."""


def cents(amount: ir.FloatingValue) -> ir.IntegerValue:
    """Whole cents, null where there is no amount; amounts beyond 1e12 are cut to it."""
    bounded = ibis.least(ibis.greatest(amount.cast("float64"), -_MOST), _MOST)
    counted = (bounded * 100.0).round().cast("int64")
    return ibis.ifelse(amount.isnull(), ibis.null("int64"), counted)  # greatest and least skip nulls


def lineage(known: Known, keep: Keep) -> ir.Table:
    """One row per contract, known from its `known_s` on.

    Columns: contract (its number, in the order of the ids), contract_id, account_id, known_s, begins_s (from
    start_at, else when it was recorded), end_s, billing, currency, committed (cents), previous (its number),
    previous_committed (cents), origin (the opportunity that it, or the nearest contract before it in the
    chain, came from), generation (terms before it).

    The contract before is one of the same account and no other currency that was recorded no later, began
    earlier and ends within 31 days of the start. Of several: one whose renewed amount was known by then and
    is what this one commits to, then the one recorded last. So nothing that is recorded later moves a link.
    """
    rows = known["contracts"]
    rows = rows.select(
        "contract_id", "account_id", "opportunity_id", "known_s", "end_s", "billing", "currency",
        "committed_amount", "renewed_amount", "decided_s", begins_s=rows.start_s.coalesce(rows.known_s),
        contract=ibis.row_number().over(ibis.window(order_by="contract_id")).cast("int64"),
    )  # fmt: skip
    before = _previous(rows)
    joined = rows.left_join(before, rows.contract == before.follower)
    chained = _chained(_settled(keep("lineage_links", joined)), keep)
    return chained.select(
        "contract", "contract_id", "account_id", "known_s", "begins_s", "end_s", "billing", "currency",
        "previous", "previous_committed", "origin", "generation", committed=cents(chained.committed_amount),
    )  # fmt: skip


def _previous(rows: ir.Table) -> ir.Table:
    """The contract before each that follows one: follower, previous, previous_committed."""
    old = rows.rename({f"old_{name}": name for name in rows.columns})
    pairs = rows.inner_join(old, rows.account_id == old.old_account_id)
    apart = (pairs.old_end_s - pairs.begins_s).abs()
    unlike = (pairs.currency != pairs.old_currency).fill_null(False)
    pairs = pairs.filter(
        (pairs.old_known_s <= pairs.known_s) & (pairs.old_begins_s < pairs.begins_s)
        & (apart <= GAP_DAYS * DAY) & ~unlike
    )  # fmt: skip
    agreed = (pairs.old_decided_s <= pairs.known_s) & (pairs.old_renewed_amount == pairs.committed_amount)
    pairs = pairs.mutate(agreed=as_count(agreed))
    order = [ibis.desc("agreed"), ibis.desc("old_known_s"), "old_contract"]
    pairs = pairs.mutate(place=ibis.row_number().over(ibis.window(group_by="contract", order_by=order)))
    pairs = pairs.filter(pairs.place == 0)
    return pairs.select(
        follower="contract",
        previous="old_contract",
        previous_committed=cents(pairs.old_committed_amount),
    )


def _chained(rows: ir.Table, keep: Keep) -> ir.Table:
    """The rows with `origin` and `generation`, by doubling the steps that links reach back."""
    links = rows.select(
        "contract", up="previous", origin="opportunity_id", generation=as_count(rows.previous.notnull())
    )
    for step in range(_DOUBLINGS):
        links = _settled(keep(f"links_{step}", links))
        above = links.select(
            above="contract", above_up="up", above_origin="origin", above_generation="generation"
        )
        joined = links.left_join(above, links.up == above.above)
        links = joined.select(
            "contract",
            up="above_up",
            origin=joined.origin.coalesce(joined.above_origin),
            generation=joined.generation + joined.above_generation.fill_null(0),
        )
    return _settled(rows).inner_join(_settled(keep("links", links)), "contract")


def _settled(rows: ir.Table) -> ir.Table:
    """The same rows as a query of their own: Ibis mixes up computed columns where it merges chained joins."""
    return rows.filter(rows.contract.notnull())
