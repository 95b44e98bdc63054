"""Stretches of time during which something holds of someone, overlaps counted once."""

import ibis
import ibis.expr.types as ir

__all__ = ["FOREVER", "merged"]

FOREVER = 2**40
"""The end, in epoch seconds, of a stretch that has not ended."""


def merged(rows: ir.Table, *by: str) -> ir.Table:
    """The rows' stretches less what an earlier one of the same `key` and `by` covers.

    rows: key, seen_s (beginning), ends_s (FOREVER where it has not ended), the `by` columns and others
    that are kept. Instead of ends_s the result has until_s, null where there is no end. A stretch looks
    at those alone that began before it, so that it is known once it begins.
    """
    rows = rows.filter(rows.ends_s > rows.seen_s)
    order = ["seen_s", "ends_s", *(name for name in rows.columns if name not in ("key", "seen_s", "ends_s"))]
    earlier = ibis.window(group_by=["key", *by], order_by=order, rows=(None, -1))
    rows = rows.mutate(covered_s=rows.ends_s.max().over(earlier))
    rows = rows.mutate(seen_s=ibis.greatest(rows.seen_s, rows.covered_s.fill_null(rows.seen_s)))
    rows = rows.filter(rows.ends_s > rows.seen_s)
    until = ibis.ifelse(rows.ends_s == FOREVER, ibis.null("int64"), rows.ends_s)
    return rows.mutate(until_s=until).drop("covered_s", "ends_s")
