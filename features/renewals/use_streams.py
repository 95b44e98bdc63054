"""Streams of what a contract's customer uses: whose use it is, when it counts, what it is worth.

Money is counted in whole cents of the contract's currency and units in thousandths, so that sums are exact
in any order. Rows of one period add up, corrections included.
"""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.renewals.lineage import cents
from features.snapshots import DAY
from features.streams.stream import as_count

__all__ = [
    "SMALL_SHARE",
    "counted_rows",
    "feed_rows",
    "period_rows",
    "product_rows",
    "value_rows",
]

SMALL_SHARE = 0.05
"""Of the commitment pro rata: use up to it is no more than trying."""

_LONGEST_PERIOD = 31 * DAY
_SUMS = ("cents", "milli", "users", "has_amount", "credits")
_PERIOD = ("product", "began_s", "seen_s")


def _usage_of_contracts(known: Known) -> ir.Table:
    """Use by contract, product, period and time of recording.

    A row that names its contract is that contract's. One that names none is shared by the account's
    contracts that ran when the period began and were recorded no later than the row: in proportion to what
    they commit to, or equally where one commits to nothing. Where their currencies differ, nobody knows the
    amount's currency: then units are shared and the amount is left out. People are not divided.
    """
    rows, terms = known["usage"], known["lineage"]
    began_s = rows.usage_date_s.coalesce(rows.known_s)
    rows = rows.select(
        "account_id", "contract_id", "product", began_s=began_s, seen_s=ibis.greatest(rows.known_s, began_s),
        cents=cents(rows.amount.fill_null(0.0)), milli=cents(rows.quantity.fill_null(0.0) * 10.0),
        users=rows.active_users.fill_null(0).cast("int64"), has_amount=as_count(rows.amount.notnull()),
        credits=as_count((rows.amount < 0) | (rows.quantity < 0)),
    )  # fmt: skip
    named = rows.inner_join(terms.select("contract", "contract_id"), "contract_id")
    loose = rows.filter(rows.contract_id.isnull())
    loose = loose.group_by("account_id", *_PERIOD).agg(**_summed(loose))
    columns = ("contract", *_PERIOD, *_SUMS)
    return named.select(*columns).union(_shared(loose, terms).select(*columns))


def _summed(rows: ir.Table) -> dict[str, ir.IntegerValue]:
    return {name: rows[name].sum().cast("int64") for name in _SUMS}


def _shared(loose: ir.Table, terms: ir.Table) -> ir.Table:
    """Rows without a contract, by each contract that has a share in them."""
    terms = terms.select("contract", "known_s", "begins_s", "end_s", "committed", "currency", of="account_id")
    pairs = loose.inner_join(terms, loose.account_id == terms.of)
    pairs = pairs.filter(
        (pairs.known_s <= pairs.seen_s) & (pairs.begins_s <= pairs.began_s)
        & (pairs.end_s.isnull() | (pairs.began_s < pairs.end_s))
    )  # fmt: skip
    of_row = ibis.window(group_by=["account_id", *_PERIOD])
    pairs = pairs.mutate(
        contracts=pairs.contract.count().over(of_row),
        committing=as_count(pairs.committed > 0).sum().over(of_row),
        committed_by_all=pairs.committed.sum().over(of_row),
        is_mixed=pairs.currency.min().over(of_row) != pairs.currency.max().over(of_row),
    )
    is_mixed = pairs.is_mixed.fill_null(False)
    by_commitment = (pairs.committing == pairs.contracts) & ~is_mixed
    share = ibis.ifelse(
        by_commitment,
        pairs.committed.cast("float64") / pairs.committed_by_all.cast("float64"),
        ibis.literal(1.0, "float64") / pairs.contracts.cast("float64"),
    )

    def part(column: ir.IntegerValue) -> ir.IntegerValue:
        return (column.cast("float64") * share).round().cast("int64")

    zero = ibis.literal(0, "int64")
    return pairs.mutate(
        cents=ibis.ifelse(is_mixed, zero, part(pairs.cents)),
        has_amount=ibis.ifelse(is_mixed, zero, pairs.has_amount),
        milli=part(pairs.milli),
    )


def counted_rows(known: Known) -> ir.Table:
    """Use by contract and product, with when it counts and whether it falls into the contract's term.

    A period's use counts when it is recorded, at the latest 31 days after the period began: else a month
    that is not reported yet would look like a decline. is_own: begun within the term, so it counts for the
    burn; other use, and that of the contract before, counts for level and trend alone.
    """
    rows, terms = _usage_of_contracts(known), known["lineage"]
    terms = terms.select("begins_s", "end_s", "previous", key="contract", contract_s="known_s")
    own = terms.mutate(of=terms.key, is_before=ibis.literal(False))
    before = terms.filter(terms.previous.notnull()).mutate(of=terms.previous, is_before=ibis.literal(True))
    rows = rows.inner_join(own.union(before), [("contract", "of")])
    in_term = (rows.began_s >= rows.begins_s) & (rows.end_s.isnull() | (rows.began_s < rows.end_s))
    return rows.select(
        "key", "product", "began_s", *_SUMS, seen_s=ibis.greatest(rows.seen_s, rows.contract_s),
        at_s=ibis.least(rows.seen_s, rows.began_s + _LONGEST_PERIOD),
        is_own=~rows.is_before & in_term,
        is_active=(rows.cents > 0) | (rows.milli > 0) | (rows.users > 0),
    )  # fmt: skip


def period_rows(known: Known) -> ir.Table:
    """Use by contract and period, its own and that of the contract before."""
    rows = known["counted_use"]
    rows = rows.group_by("key", "is_own", "began_s", "at_s", "seen_s").agg(
        **_summed(rows), active_s=ibis.ifelse(rows.is_active, rows.at_s, ibis.null("int64")).max()
    )
    return rows.mutate(row_id=rows.key, earlier_s=-rows.began_s)


def product_rows(known: Known) -> ir.Table:
    """Periods in which a product was used at all."""
    rows = known["counted_use"]
    rows = rows.filter(rows.is_active & rows.product.notnull())
    return rows.select("key", "product", "at_s", "seen_s", row_id=rows.key)


def value_rows(known: Known) -> ir.Table:
    """Periods by whose report a contract's use had passed a small share of its commitment pro rata.

    Without a commitment: periods by whose report there was any use. Sums run in the order of recording.
    """
    rows, terms = known["use"], known["lineage"]
    rows = rows.filter(rows.is_own)
    rows = rows.inner_join(terms.select("begins_s", "end_s", "committed", "contract"), [("key", "contract")])
    so_far = ibis.window(group_by="key", order_by=["seen_s", "began_s", "at_s"], rows=(None, 0))
    rows = rows.mutate(
        money=rows.cents.sum().over(so_far), units=rows.milli.sum().over(so_far),
        amounts=rows.has_amount.sum().over(so_far),
    )  # fmt: skip
    elapsed_days = ibis.greatest((rows.at_s - rows.begins_s) // DAY, 1).cast("float64")
    term_days = ibis.greatest((rows.end_s - rows.begins_s) // DAY, 1).cast("float64")
    due = rows.committed.cast("float64") * elapsed_days / term_days * SMALL_SHARE
    due = ibis.ifelse(rows.end_s.notnull() & (rows.committed > 0), due, 0.0)  # greatest skips nulls
    money = rows.money.cast("float64")
    reached = ibis.ifelse(rows.amounts > 0, (money > 0) & (money >= due), rows.units > 0)
    rows = rows.filter(reached)
    return rows.select("key", "seen_s", at_s="began_s", row_id="key", earlier_s=-rows.began_s)


def feed_rows(known: Known) -> ir.Table:
    """When anybody's use was last reported, by whole days: shows that use is reported at all.

    A day counts once it is over, so that a long history is a few thousand rows.
    """
    rows = known["usage"]
    began_s = rows.usage_date_s.coalesce(rows.known_s)
    rows = rows.mutate(seen_s=ibis.greatest(rows.known_s, began_s), began_s=began_s)
    rows = rows.mutate(at_s=ibis.least(rows.seen_s, rows.began_s + _LONGEST_PERIOD))
    rows = rows.group_by(day=rows.seen_s // DAY).agg(at_s=rows.at_s.max())
    return rows.mutate(
        seen_s=(rows.day + 1) * DAY - 1, key=ibis.literal("all"), row_id=ibis.literal("all")
    ).drop("day")
