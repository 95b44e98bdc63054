"""Streams of field history: stage, amount, close date, forecast category, custom fields, owner."""

import ibis
import ibis.expr.types as ir

from features.gate import Known
from features.snapshots import DAY
from features.streams.custom import typed
from features.streams.stream import Stream, as_count, day_number, numeric_text

__all__ = ["STREAMS"]

_ORDER = ["changed_s", "source_row", "old_value", "new_value"]


def _history(known: Known, field: str) -> ir.Table:
    """A field's changes, ranked in the one order that ties have."""
    rows = known["deal_changes"]
    rows = rows.filter((rows.field == field) & rows.new_value.notnull())
    order = ibis.window(group_by="deal", order_by=_ORDER)
    return rows.select(
        "changed_s", "source_row", "old_value", "new_value", key=rows.deal, seen_s=rows.changed_s,
        at_s=rows.changed_s, row_id=rows.opportunity_id, rank=ibis.row_number().over(order),
    )  # fmt: skip


def _stages(known: Known) -> ir.Table:
    """Stage changes with the time the stage was entered and whether it was a step back."""
    rows, stages = _history(known, "stage"), known["stages"]
    rows = rows.left_join(stages, rows.new_value == stages.stage)
    order = ibis.window(group_by="key", order_by="rank")
    rows = rows.mutate(
        before=rows.new_value.lag().over(order), position_before=rows.position.lag().over(order)
    )
    moved = rows.before.isnull() | (rows.before != rows.new_value)
    rows = rows.mutate(
        is_step=as_count(rows.before.notnull() & moved),
        is_regression=as_count(rows.position < rows.position_before),
        moved_s=ibis.ifelse(moved, rows.changed_s, ibis.null("int64")),
    )
    so_far = ibis.window(group_by="key", order_by="rank", rows=(None, 0))
    return rows.mutate(entered_s=rows.moved_s.max().over(so_far))


def _amounts(known: Known) -> ir.Table:
    """Amounts with the first one and the count of real changes."""
    rows = _history(known, "amount")
    rows = rows.mutate(amount=numeric_text(rows.new_value))
    rows = rows.filter(rows.amount.notnull())
    order = ibis.window(group_by="key", order_by="rank")
    first = rows.amount.first().over(ibis.window(group_by="key", order_by="rank", rows=(None, 0)))
    before = rows.amount.lag().over(order)
    return rows.mutate(first_amount=first, is_change=as_count(before != rows.amount))


def _close_dates(known: Known) -> ir.Table:
    """Expected close dates (ISO text), with how many days each change pushed the date out."""
    rows = _history(known, "close_date")
    rows = rows.mutate(close_day=day_number(rows.new_value))
    rows = rows.filter(rows.close_day.notnull())
    before = rows.close_day.lag().over(ibis.window(group_by="key", order_by="rank"))
    pushed = ibis.greatest(rows.close_day - before, 0).fill_null(0)
    return rows.mutate(close_s=rows.close_day * DAY, days_pushed=pushed, is_push=as_count(pushed > 0))


def _custom(known: Known) -> ir.Table:
    """Histories of the user's own fields, typed each way; `where` picks the field."""
    rows = known["deal_changes"]
    rows = rows.filter(rows.field.startswith("x_") & rows.new_value.notnull())
    order = ibis.window(group_by="deal", order_by=_ORDER)
    return rows.select(
        "field", key=rows.deal, seen_s=rows.changed_s, at_s=rows.changed_s, row_id=rows.opportunity_id,
        rank=ibis.row_number().over(order), **typed("value", rows.new_value),
    )  # fmt: skip


_SOURCE = "opportunity_changes"

STREAMS = (
    Stream("stages", "deal", _SOURCE, "stage changes", _stages),
    Stream("amounts", "deal", _SOURCE, "amount changes", _amounts),
    Stream("close_dates", "deal", _SOURCE, "changes of the expected close date", _close_dates),
    Stream("forecasts", "deal", _SOURCE, "forecast categories", lambda k: _history(k, "forecast_category")),
    Stream("owners", "deal", _SOURCE, "owner changes", lambda k: _history(k, "owner")),
    Stream("custom_changes", "deal", _SOURCE, "histories of your own fields", _custom),
)
