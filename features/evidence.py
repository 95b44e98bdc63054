"""The rows behind a feature's value, with their times."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir

from features.assemble import ENTITY_KEYS, known_spine
from features.catalogue import STREAMS, catalogue
from features.feature import Feature, Learnt, Measure
from features.gate import Known
from features.snapshots import DAY, Calendar, snapshots_from_keys

__all__ = ["evidence", "measures_behind", "rows_of_measures"]

_PLAIN = ("key", "row_id", "source_row", "source")


def evidence(
    tables: Mapping[str, ir.Table], feature: Feature, opportunity_id: str, as_of: datetime
) -> ir.Table:
    """The rows that a feature of one deal rests on at as_of, latest first.

    Columns: source (canonical table), row_id, happened_at, visible_at (from when it may be seen), what
    (text: the row's facts). A value taken from one row alone (the latest, the largest) lists that row.
    Learnt features have the rows of what they compare.
    """
    calendar = Calendar(as_of, DAY)
    deals = tables["opportunities"]
    keys = deals.filter(deals.opportunity_id == opportunity_id)
    keys = keys.select("opportunity_id", slot=ibis.literal(calendar.last_slot, "int64"))
    spine, known = known_spine(tables, snapshots_from_keys(tables, keys, calendar))
    return rows_of_measures(measures_behind(feature), spine, known, calendar)


def measures_behind(feature: Feature) -> tuple[Measure, ...]:
    """The measures whose rows a feature rests on; of a learnt one those of what it compares."""
    if not isinstance(feature.value, Learnt):
        return feature.evidence_parts()
    compared = [entry for entry in catalogue() if entry.name in feature.value.compared]
    return tuple(measure for entry in compared for measure in entry.evidence_parts())


def rows_of_measures(
    measures: Sequence[Measure], spine: ir.Table, known: Known, calendar: Calendar
) -> ir.Table:
    """The rows that at least one measure rests on at the calendar's end, as `evidence` gives them.

    spine, known: as `features.assemble.known_spine` gives them.
    """
    parts = [_rows_of(measure, spine, known, calendar) for measure in measures]
    rows = ibis.union(*parts, distinct=True) if len(parts) > 1 else parts[0]
    # measures that read other columns of one row tell it each in their way: what the fullest says is enough
    of_row = ibis.window(
        group_by=["source", "row_id", "happened_at", "visible_at"],
        order_by=[ibis.desc(rows.what.length()), "what"],
    )
    rows = rows.mutate(fullest=rows.what.first().over(of_row))
    rows = rows.filter((rows.what == rows.fullest) | ~rows.fullest.contains(rows.what)).drop("fullest")
    return rows.order_by(ibis.desc("happened_at"), "row_id", "what")


def _rows_of(measure: Measure, spine: ir.Table, known: Known, calendar: Calendar) -> ir.Table:
    stream = STREAMS[measure.stream]
    rows = stream.rows(known)
    rows = rows.semi_join(spine, rows.key == spine[ENTITY_KEYS[stream.entity]])
    rows = rows.filter(rows.seen_s < calendar.anchor_s)
    for column, wanted in measure.where:
        rows = rows.filter(rows[column].isin(wanted) if isinstance(wanted, tuple) else rows[column] == wanted)
    if measure.days is not None:
        rows = rows.filter(rows.at_s >= calendar.anchor_s - measure.days * DAY)
    elif "until_s" in rows.columns and measure.how in ("count", "sum"):
        rows = rows.filter(rows.until_s.isnull() | (rows.until_s >= calendar.anchor_s))
    if measure.how in ("current", "max") and not stream.single:
        decisive = "rank" if measure.how == "current" else measure.column
        rows = rows.filter(rows[decisive].notnull()).order_by(ibis.desc(decisive), "row_id").limit(1)
    return rows.select(
        source=rows.source if "source" in rows.columns else ibis.literal(stream.source),
        row_id=rows.row_id,
        happened_at=_instant(rows.at_s),
        visible_at=_instant(rows.seen_s),
        what=_facts(rows, measure),
    )


def _instant(seconds: ir.IntegerValue) -> ir.TimestampValue:
    return seconds.as_timestamp("s").cast("timestamp('UTC')")


def _facts(rows: ir.Table, measure: Measure) -> ir.StringValue:
    """The row's texts and the value that the measure reads, as `name: value` pairs."""
    names = [name for name, dtype in rows.schema().items() if dtype.is_string() and name not in _PLAIN]
    names = [name for name in names if "__" not in name or name == measure.column]
    if measure.how in ("sum", "max", "current") and not measure.column.endswith("_s"):
        names = [*names, measure.column]
    said = [
        ibis.literal(f"{name}: ") + rows[name].cast("string").fill_null("–") for name in dict.fromkeys(names)
    ]
    return ibis.literal("; ").join(said) if said else ibis.literal("")
