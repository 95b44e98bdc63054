"""Streams of mutual qualification: what each side answers, and how far the sides agree."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.stream import Stream, as_count

__all__ = ["STREAMS"]

_ORDER = ["known_s", "source_row"]


def _answers(known: Known) -> ir.Table:
    """Each side's answer (0 to 4) to each question, until it answers anew."""
    rows = known["qualification"]
    rows = rows.filter(rows.answer.notnull())
    of_side = ibis.window(group_by=["deal", "question", "side"], order_by=_ORDER)
    return rows.select(
        "question", "side", key=rows.deal, seen_s=rows.known_s, at_s=rows.known_s,
        row_id=rows.opportunity_id, answer=rows.answer.cast("int64"),
        until_s=rows.known_s.lead().over(of_side),
    )  # fmt: skip


def _agreements(known: Known) -> ir.Table:
    """How far the sides' latest answers to a question lie apart, until either answers anew."""
    rows = known["qualification"]
    rows = rows.filter(rows.answer.notnull())
    of_question = ibis.window(group_by=["deal", "question"], order_by=_ORDER)
    so_far = ibis.window(group_by=["deal", "question"], order_by=_ORDER, rows=(None, 0))
    vendor, customer = rows.side == "vendor", rows.side == "customer"
    rows = rows.mutate(
        vendor_answer=ibis.ifelse(vendor, rows.answer, ibis.null(rows.answer.type())),
        customer_answer=ibis.ifelse(customer, rows.answer, ibis.null(rows.answer.type())),
        vendor_turn=as_count(vendor).sum().over(so_far),
        customer_turn=as_count(customer).sum().over(so_far),
        next_s=rows.known_s.lead().over(of_question),
    )
    # a turn holds one answer of its side: the latest before or at the row
    vendors = rows.vendor_answer.max().over(ibis.window(group_by=["deal", "question", "vendor_turn"]))
    customers = rows.customer_answer.max().over(ibis.window(group_by=["deal", "question", "customer_turn"]))
    rows = rows.mutate(gap=(vendors - customers).abs().cast("int64"))
    rows = rows.filter(rows.gap.notnull())
    return rows.select(
        "question", "gap", key=rows.deal, seen_s=rows.known_s, at_s=rows.known_s, row_id=rows.opportunity_id,
        until_s=rows.next_s, agrees=rows.gap <= 1,
    )  # fmt: skip


STREAMS = (
    Stream("answers", "deal", "qualification", "answers to the four questions, by side", _answers),
    Stream("agreements", "deal", "qualification", "questions that both sides have answered", _agreements),
)
