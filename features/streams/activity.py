"""Streams of activities: what happened, what is booked, how fast the buyer answers."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.streams.people import TALK_KINDS
from features.streams.stream import Stream

__all__ = ["STREAMS"]

_ANSWERABLE = ("email", "call", "other")


def _activities(known: Known) -> ir.Table:
    """One row per past activity of a deal; two-way means that the buyer took part or wrote."""
    rows = known["activities"]
    inbound = rows.direction == "inbound"
    return rows.select(
        "kind", "direction", "channel", key=rows.deal, at_s=rows.occurred_s, row_id=rows.activity_id,
        seen_s=ibis.greatest(rows.known_s, rows.occurred_s),
        two_way=inbound.fill_null(False) | rows.kind.isin(TALK_KINDS),
    )  # fmt: skip


def _booked(known: Known) -> ir.Table:
    """Meetings and calls recorded before they happen; each counts until it begins."""
    rows = known["activities"]
    rows = rows.filter(rows.kind.isin(TALK_KINDS) & (rows.known_s < rows.occurred_s))
    return rows.select(
        "kind", "direction", key=rows.deal, seen_s=rows.known_s, at_s=rows.occurred_s,
        until_s=rows.occurred_s, row_id=rows.activity_id,
    )  # fmt: skip


def _replies(known: Known) -> ir.Table:
    """Inbound messages that follow an outbound one, with the seconds between the two."""
    rows = _activities(known)
    rows = rows.filter(rows.direction.notnull() & rows.kind.isin(_ANSWERABLE))
    order = ibis.window(group_by="key", order_by=["seen_s", "at_s", "row_id"])
    rows = rows.mutate(before=rows.direction.lag().over(order), before_s=rows.at_s.lag().over(order))
    replies = rows.filter((rows.direction == "inbound") & (rows.before == "outbound"))
    return replies.mutate(latency_s=ibis.greatest(replies.at_s - replies.before_s, 0))


STREAMS = (
    Stream("activities", "deal", "activities", "past activities", _activities),
    Stream("booked", "deal", "activities", "meetings and calls that lie ahead", _booked),
    Stream("replies", "deal", "activities", "the buyer's answers to outbound messages", _replies),
)
