"""The one gate of time: what a snapshot may see of the canonical tables.

Behind it, times are whole epoch seconds in columns that end in `_s`; the timestamps are gone, so nothing
downstream can compare with another clock. Rows recorded at or after the calendar's end are gone too. The
finer cut, row by snapshot, is `seen_s < as_of_s`, made in `features.running` for every stream alike.
"""

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from data.schema import TABLES
from features.snapshots import Calendar

__all__ = ["OF_DEALS", "Known", "gate"]

Known = Mapping[str, ir.Table]
"""Canonical tables behind the gate, by name."""

OF_DEALS = (
    "activities", "moments", "opportunity_contacts", "promises", "qualification", "deal_changes",
)  # fmt: skip
"""The tables that are cut to the deals wanted, and have their number `deal`."""
_ALL_OF = ("activities", "opportunity_contacts")
_UNREAD = ("opportunity_id", "account_id", "duration_minutes", "subject", "body")
"""Columns of activities that no stream reads: the longest table is best kept narrow."""
_FROM_TEXT = {"moments": "text_moments", "promises": "text_promises"}


def gate(tables: Mapping[str, ir.Table], calendar: Calendar, deals_wanted: ir.Table) -> dict[str, ir.Table]:
    """The canonical tables as known just before the calendar's end, times in epoch seconds.

    Facts with a time of their own are emptied until then: a close (with its outcome and reason) that
    lies at or after the end, a removal from a buying group, and what was decided about a contract. What
    happened at a time that nobody noted is taken to have happened when it was recorded.

    Moments and promises read from notes stand beside the recorded ones, `derived` and, once a recorded row
    stands for them, ended at `superseded_s`.

    deals_wanted: opportunity_id and its number `deal`. Tables of deals are cut to these deals and get
    `deal`; `deal_changes` is `opportunity_changes` so cut. The others stay whole, since the history of
    an account or a seller is made of other deals; so do `all_activities` and `all_opportunity_contacts`.
    """
    known = {}
    for name in TABLES:
        known[name] = _recorded(name, tables[name], calendar)
    for name, text in _FROM_TEXT.items():
        known[name] = _with_text(known[name], TABLES[name].key, tables.get(text), calendar)
    deals = known["opportunities"]
    closed = deals.outcome.notnull() & (deals.closed_s < calendar.anchor_s)
    known["opportunities"] = deals.mutate(
        closed_s=ibis.ifelse(closed, deals.closed_s, ibis.null("int64")),
        outcome=ibis.ifelse(closed, deals.outcome, ibis.null("string")),
        loss_reason=ibis.null("string"),
    )
    roles = known["opportunity_contacts"]
    removed = roles.removed_s < calendar.anchor_s
    known["opportunity_contacts"] = roles.mutate(
        removed_s=ibis.ifelse(removed, roles.removed_s, ibis.null("int64"))
    )
    contracts = known["contracts"]
    decided = contracts.decided_s < calendar.anchor_s
    known["contracts"] = contracts.mutate(
        **{
            name: ibis.ifelse(decided, contracts[name], ibis.null(contracts[name].type()))
            for name in ("outcome", "renewed_amount", "decided_s")
        }
    )
    known["deal_changes"] = known["opportunity_changes"]
    for name in _ALL_OF:
        known[f"all_{name}"] = known[name]
    for name in OF_DEALS:
        known[name] = known[name].inner_join(deals_wanted, "opportunity_id")
    known["activities"] = known["activities"].drop(*_UNREAD)
    return known


def _recorded(name: str, table: ir.Table, calendar: Calendar) -> ir.Table:
    """The rows of a table recorded before the calendar's end, times in epoch seconds."""
    clock = TABLES[name].clock
    known = _in_seconds(table if clock is None else table.filter(table[clock] < calendar.as_of), calendar)
    if TABLES[name].business_time == "occurred_at":
        known = known.mutate(occurred_s=known.occurred_s.coalesce(known.known_s))
    return known


def _with_text(recorded: ir.Table, key: str | None, text: ir.Table | None, calendar: Calendar) -> ir.Table:
    """Recorded rows and those read from notes, told apart; ids of the latter name the activity."""
    recorded = recorded.mutate(derived=ibis.literal(False), superseded_s=ibis.null("int64"))
    if text is None:
        return recorded
    read = _in_seconds(text.filter(text.known_at < calendar.as_of), calendar)
    what = read.kind if "kind" in read.columns else ibis.literal("") + read.event + ":" + read.feature
    superseded = read.superseded_s < calendar.anchor_s
    read = read.mutate(
        derived=ibis.literal(True),
        superseded_s=ibis.ifelse(superseded, read.superseded_s, ibis.null("int64")),
        occurred_s=read.occurred_s.coalesce(read.known_s),
        **{str(key): ibis.literal("text:") + read.activity_id + ":" + what},
    )
    columns = {
        name: read[name] if name in read.columns else ibis.null(dtype)
        for name, dtype in recorded.schema().items()
    }
    return recorded.union(read.select(**columns))


def _in_seconds(table: ir.Table, calendar: Calendar) -> ir.Table:
    """Replace each timestamp column by its epoch seconds."""
    times = [name for name, dtype in table.schema().items() if dtype.is_timestamp()]
    seconds = {_seconds_name(name): calendar.seconds(table[name]) for name in times}
    return table.mutate(**seconds).drop(*times) if times else table


def _seconds_name(timestamp_column: str) -> str:
    return timestamp_column.removesuffix("_at").removesuffix("_on") + "_s"
