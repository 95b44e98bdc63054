"""Streams of mutual qualification: what each side answers, and when something was proposed."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.stream import Stream, known_once

__all__ = ["STREAMS", "answer_rows"]

_ORDER = ["known_s", "source_row", "answer"]
_PROPOSAL = "propos|quote|quotation|offer"
"""What the name of a stage says (in lower case) that is entered with a proposal."""


@known_once("answer_rows")
def answer_rows(known: Known) -> ir.Table:
    """Each side's answer (0 to 4) to each question, until it answers anew.

    `level` tells the answer in words. `points` are one more than the answer, so that a sum of zero says
    that there is none. `earlier_s` falls with time, so that the largest is the first.
    """
    rows = known["qualification"]
    rows = rows.filter(rows.answer.notnull())
    of_side = ibis.window(group_by=["deal", "question", "side"], order_by=_ORDER)
    answer = rows.answer.cast("int64")
    return rows.select(
        "question", "side", "evidence", key=rows.deal, seen_s=rows.known_s, at_s=rows.known_s,
        row_id=rows.opportunity_id, answer=answer, points=answer + 1,
        level=answer.cast("string") + ibis.literal(" of 4"),
        until_s=rows.known_s.lead().over(of_side), earlier_s=-rows.known_s,
    )  # fmt: skip


def _proposals(known: Known) -> ir.Table:
    """Changes to a stage whose name says proposal, quote or offer."""
    rows = known["deal_changes"]
    rows = rows.filter((rows.field == "stage") & rows.new_value.lower().re_search(_PROPOSAL))
    return rows.select(
        key=rows.deal, seen_s=rows.changed_s, at_s=rows.changed_s, row_id=rows.opportunity_id,
        stage=rows.new_value, earlier_s=-rows.changed_s,
    )  # fmt: skip


STREAMS = (
    Stream("answers", "deal", "qualification", "answers to the four questions, by side", answer_rows),
    Stream("proposals", "deal", "opportunity_changes", "stages entered with a proposal", _proposals),
)
