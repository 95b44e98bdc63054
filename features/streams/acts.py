"""A stream of what the buyer does beyond writing: bringing colleagues."""

import ibis.expr.types as ir

from features.gate import Known
from features.streams.stream import Stream

__all__ = ["STREAMS"]


def _colleagues(known: Known) -> ir.Table:
    """Contacts first met in a meeting, a call or a message of the buyer's with somebody met before.

    The few first touches are sought among all touches, not the other way round.
    """
    touches = known["touches"]
    first = touches.filter(touches.prev_at_s.isnull() & touches.two_way)
    again = touches.filter(touches.prev_at_s.notnull()).select("activity_id")
    together = again.semi_join(first, "activity_id").distinct()
    rows = first.semi_join(together, "activity_id")
    return rows.select("key", "contact_id", "at_s", "seen_s", row_id="activity_id")


STREAMS = (
    Stream(
        "colleagues", "deal", "activity_participants", "people brought by people already met", _colleagues
    ),
)
