"""Streams of an account's contracts and consumption: how it pays, what it committed to, what it uses.

Money is counted in whole cents, so that sums are exact in any order. Currencies are not converted.
"""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams.stream import Stream

__all__ = ["STREAMS", "WINDOW_DAYS"]

WINDOW_DAYS = 90
_LONGEST_PERIOD = 31 * DAY
_MOST = 1e12
"""Amounts beyond it are cut to it, so that cents stay whole numbers."""


def _cents(amount: ir.FloatingValue) -> ir.IntegerValue:
    bounded = ibis.least(ibis.greatest(amount.cast("float64"), -_MOST), _MOST)
    return (bounded * 100.0).round().cast("int64")


def _running(known: Known) -> ir.Table:
    """Contracts from their start to their end, each once the deal that it came from has closed.

    A contract drafted for an open deal says nothing of how the account pays today, and too much of how
    that deal will end. A deal created after its contract was known, or never recorded, is not waited for.
    """
    rows, deals = known["contracts"], known["opportunities"]
    rows = rows.mutate(begins_s=rows.start_s.coalesce(rows.known_s))
    rows = rows.mutate(seen_s=ibis.greatest(rows.known_s, rows.begins_s))
    deals = deals.select(origin="opportunity_id", origin_created_s="created_s", origin_closed_s="closed_s")
    rows = rows.left_join(deals, [rows.opportunity_id == deals.origin, rows.seen_s > deals.origin_created_s])
    rows = rows.filter(rows.origin.isnull() | rows.origin_closed_s.notnull())
    return rows.select(
        "billing", "committed_amount", key=rows.account_id, row_id=rows.contract_id, at_s=rows.begins_s,
        until_s=rows.end_s, seen_s=ibis.greatest(rows.seen_s, rows.origin_closed_s.coalesce(rows.seen_s)),
    )  # fmt: skip


def _billing(known: Known) -> ir.Table:
    """Running contracts with how they are paid."""
    rows = _running(known)
    rows = rows.filter(rows.until_s.isnull() | (rows.until_s > rows.seen_s))
    return rows.drop("committed_amount")


def _commitments(known: Known) -> ir.Table:
    """What contracts commit to per day, as four bends of the sum over the last 90 days.

    The days of a term that lie within the window are
    ramp(start) - ramp(start + 90) - ramp(end) + ramp(end + 90), where ramp(t) is 0 until t and then as_of
    - t. So each bend enters with its slope (cents per day; days per day) and slope x t, in whole days.
    """
    rows = _running(known)
    rows = rows.filter((rows.committed_amount > 0) & (rows.until_s > rows.at_s))
    rows = rows.mutate(start_day=rows.at_s // DAY, end_day=rows.until_s // DAY)
    term_days = ibis.greatest(rows.end_day - rows.start_day, 1)
    daily = (_cents(rows.committed_amount).cast("float64") / term_days.cast("float64")).round()
    rows = rows.mutate(daily=daily.cast("int64"), bend=ibis.range(0, 4).unnest())
    slope = rows.bend.cases((0, 1), (3, 1), else_=-1).cast("int64")
    bend_day = ibis.ifelse(rows.bend < 2, rows.start_day, rows.end_day)
    bend_day = bend_day + ibis.ifelse(rows.bend.isin((1, 3)), WINDOW_DAYS, 0)
    return rows.select(
        "key", "row_id", at_s=bend_day * DAY, seen_s=ibis.greatest(rows.seen_s, bend_day * DAY),
        committed_daily=slope * rows.daily, committed_offset=slope * rows.daily * bend_day,
        days=slope, days_offset=slope * bend_day,
    )  # fmt: skip


def _consumption(known: Known) -> ir.Table:
    """Cents used by account, added up by when they count and when they were recorded.

    A period's use counts when it is recorded, at the latest 31 days after the period began: else a month
    that is not reported yet would look like a decline. `earlier_s` falls with time, so that the largest is
    the first.
    """
    rows = known["usage"]
    rows = rows.filter(rows.amount.notnull())
    began_s = rows.usage_date_s.coalesce(rows.known_s)
    seen_s = ibis.greatest(rows.known_s, began_s)
    rows = rows.select(
        key=rows.account_id, seen_s=seen_s, at_s=ibis.least(seen_s, began_s + _LONGEST_PERIOD),
        cents=_cents(rows.amount),
    )  # fmt: skip
    rows = rows.group_by("key", "seen_s", "at_s").agg(cents=rows.cents.sum().cast("int64"))
    used = (rows.cents.cast("float64") / 100.0).cast("string")
    return rows.mutate(row_id=rows.key, used=used, earlier_s=-rows.at_s)


STREAMS = (
    Stream("billing", "account", "contracts", "the account's running contracts", _billing),
    Stream("commitments", "account", "contracts", "what the account committed to", _commitments),
    Stream("consumption", "account", "usage", "what the account consumed", _consumption),
)
