"""Running aggregates: every row enters at the first snapshot that can see it, and may leave later.

A measure at a snapshot is what entered so far less what left. So one group-by per clock and one running
sum per deal give all measures of a stream, however many snapshots a row is visible in. Counts and sums
are whole numbers held as float64, hence exact in any order: no later row can move an earlier bit.
(Measured against joins and windows in docs/design.md, "Formulation".)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir

from features.feature import Measure, Where
from features.snapshots import DAY, Calendar

__all__ = ["ADDED", "Grid", "measures_at", "run_measures"]

ADDED = ("count", "sum", "distinct")
"""Measures that are zero, not null, where there are no rows."""


@dataclass(frozen=True)
class Grid:
    """The (key, slot) pairs at which measures are wanted.

    dense: the slots of a key follow one another without a gap.
    """

    table: ir.Table
    calendar: Calendar
    dense: bool

    @cached_property
    def spans(self) -> ir.Table:
        """First and last slot of each key."""
        return self.table.group_by("key").agg(first=self.table.slot.min(), last=self.table.slot.max())


@dataclass(frozen=True)
class _Clock:
    """When rows enter or leave: `kind` with the window's days where there is one."""

    kind: str
    days: int | None = None


_ENTER = _Clock("enter")
_Column = tuple[str, str, Where]  # how ("count", "sum", "max"), column, where


def run_measures(
    rows: ir.Table, measures: Sequence[Measure], grid: Grid, keep: Callable[[ir.Table], ir.Table]
) -> ir.Table:
    """One row per grid row: key, slot and one column `m<i>` per measure, in the measures' order.

    rows: key, seen_s, and as the measures need: at_s, until_s, prev_at_s, rank and value columns.
    keep: stores the rows, cut to the grid's keys and the columns in use, since each clock reads them.
    """
    if grid.calendar.is_instant:
        return measures_at(rows, measures, grid.table, grid.calendar.anchor_s)
    columns = [name for name in rows.columns if name in _columns_used(measures)]
    rows = rows.filter(rows.seen_s.notnull()).select(*columns).inner_join(grid.spans, "key")
    rows = keep(rows)
    terms = [_terms(measure, rows) for measure in measures]
    wanted: dict[_Clock, list[_Column]] = {}
    for measure_terms in terms:
        for _, clock, column in measure_terms:
            columns = wanted.setdefault(clock, [])
            if column not in columns:
                columns.append(column)
    names = {
        (clock, column): f"b{c}_{i}"
        for c, (clock, columns) in enumerate(wanted.items())
        for i, column in enumerate(columns)
    }
    joined = grid.table.select("key", "slot")
    for i, (clock, columns) in enumerate(wanted.items()):
        bucket = _buckets(rows, clock, {names[clock, column]: column for column in columns}, grid)
        bucket = bucket.rename({f"key{i}": "key", f"slot{i}": "slot"})
        joined = joined.left_join(bucket, [("key", f"key{i}"), ("slot", f"slot{i}")])
    joined = joined.select("key", "slot", *names.values())
    so_far = ibis.window(group_by="key", order_by="slot", rows=(None, 0))
    running = {}
    for (_, (how, _, _)), name in names.items():
        if how == "max":
            running[name] = joined[name].max().over(so_far)
        else:
            running[name] = joined[name].fill_null(0.0).sum().over(so_far)
    totals = joined.select("key", "slot", **running)
    out = {}
    for i, measure_terms in enumerate(terms):
        value = totals[names[measure_terms[0][1:]]]
        for sign, clock, column in measure_terms[1:]:
            value = value + sign * totals[names[clock, column]]
        out[f"m{i}"] = value
    result = totals.select("key", "slot", **out)
    return _with_current(result, rows, measures)


def measures_at(
    rows: ir.Table, measures: Sequence[Measure], keys: ir.Table | None, as_of_s: ir.IntegerValue | int
) -> ir.Table:
    """The same measures at one instant alone: key, slot and `m<i>`, a row per row of keys, in one group-by.

    keys: distinct `key`, with the `slot` of the instant; None for the keys that have rows, in slot 0. Equal
    to `run_measures` on a grid whose only slot is as_of_s: where there is but one instant nothing runs, and
    what entered by then less what left is a count.
    """
    rows = rows.filter(rows.seen_s < as_of_s)
    rows = rows if keys is None else rows.semi_join(keys, "key")
    values: dict[str, ir.Value] = {}
    for i, measure in enumerate(measures):
        if measure.how == "current":
            ranked = _tested(rows, measure.where, rows["rank"].notnull())
            values[f"m{i}"] = rows[measure.column].first(
                where=ranked, order_by=ibis.desc("rank"), include_null=True
            )
            continue
        for place, (sign, clock, column) in enumerate(_terms(measure, rows)):
            part = _aggregate(rows, column, _struck_by(rows, clock, as_of_s))
            part = part if measure.how == "max" else part.fill_null(0.0)
            values[f"m{i}"] = part if place == 0 else values[f"m{i}"] + sign * part
    found = rows.group_by("key").agg(**values)
    if keys is None:
        return found.mutate(slot=ibis.literal(0, "int64"))
    wide = keys.select("slot", wanted="key").left_join(found, [("wanted", "key")])
    filled = {
        f"m{i}": wide[f"m{i}"].fill_null(0.0) if one.how in ADDED else wide[f"m{i}"]
        for i, one in enumerate(measures)
    }
    return wide.select("slot", key="wanted", **filled)


def _struck_by(rows: ir.Table, clock: _Clock, as_of_s: ir.IntegerValue | int) -> ir.BooleanValue | None:
    """Whether the clock struck a row before as_of; None where that holds of every row seen."""
    concerned, clock_s = _strikes(rows, clock)
    if clock.kind in ("enter", "first"):
        return concerned
    struck = clock_s < as_of_s
    return struck if concerned is None else concerned & struck


def _columns_used(measures: Sequence[Measure]) -> set[str]:
    used = {"key", "seen_s", "at_s", "until_s", "prev_at_s", "rank"}
    for measure in measures:
        used |= {measure.column, *(column for column, _ in measure.where)}
    return used


def _terms(measure: Measure, rows: ir.Table) -> list[tuple[int, _Clock, _Column]]:
    """What a measure adds up: (sign, clock, column) of each running total."""
    where = measure.where
    if measure.how == "max":
        return [(1, _ENTER, ("max", measure.column, where))]
    if measure.how == "current":
        return [(1, _ENTER, ("max", "rank", where))]
    if measure.how == "distinct":
        count: _Column = ("count", "", where)
        if measure.days is None:
            return [(1, _Clock("first"), count)]
        return [
            (1, _Clock("distinct_enter", measure.days), count),
            (-1, _Clock("distinct_leave", measure.days), count),
        ]
    column: _Column = (measure.how, measure.column, where)
    if measure.days is not None:
        return [(1, _ENTER, column), (-1, _Clock("leave", measure.days), column)]
    if "until_s" in rows.columns:
        return [(1, _ENTER, column), (-1, _Clock("until"), column)]
    return [(1, _ENTER, column)]


def _strikes(rows: ir.Table, clock: _Clock) -> tuple[ir.BooleanValue | None, ir.IntegerValue]:
    """Which rows a clock concerns (None: every one), and the second at which it strikes.

    A row leaves a window of W days once as_of > at + W. A member seen again before its last window
    ended adds only the stretch beyond it, so that overlapping windows count once.
    """
    if clock.kind == "enter":
        return None, rows.seen_s
    if clock.kind == "first":
        return rows.prev_at_s.isnull(), rows.seen_s
    if clock.kind == "until":
        return rows.until_s.notnull(), ibis.greatest(rows.until_s, rows.seen_s)
    window = (clock.days or 0) * DAY
    leave = rows.at_s + window
    if clock.kind == "leave":
        return None, ibis.greatest(leave, rows.seen_s)
    covered = rows.prev_at_s + window
    enter = ibis.ifelse(rows.prev_at_s.isnull() | (covered < rows.seen_s), rows.seen_s, covered)
    return leave > enter, enter if clock.kind == "distinct_enter" else leave


def _buckets(rows: ir.Table, clock: _Clock, columns: dict[str, _Column], grid: Grid) -> ir.Table:
    """Aggregates per (key, slot), where slot is the grid's first one after the clock strikes."""
    concerned, clock_s = _strikes(rows, clock)
    struck = rows.mutate(slot=grid.calendar.first_slot_after(clock_s))
    if concerned is not None:
        struck = rows.filter(concerned).mutate(slot=grid.calendar.first_slot_after(clock_s))
    struck = struck.filter(struck.slot <= struck.last)
    struck = struck.mutate(slot=ibis.greatest(struck.slot, struck.first))
    bucket = struck.group_by("key", "slot").agg(
        **{name: _aggregate(struck, column) for name, column in columns.items()}
    )
    return bucket if grid.dense else _on_grid(bucket, columns, grid)


def _aggregate(rows: ir.Table, column: _Column, struck: ir.BooleanValue | None = None) -> ir.Value:
    """An aggregate over the rows that pass a column's tests, and of these the ones that were struck."""
    how, name, where = column
    condition = _tested(rows, where, struck)
    if how == "count":
        return rows.count(where=condition).cast("float64")
    if how == "sum":
        return rows[name].sum(where=condition).cast("float64")
    return rows[name].max(where=condition)


def _tested(rows: ir.Table, where: Where, also: ir.BooleanValue | None) -> ir.BooleanValue | None:
    """The tests on a stream's columns, and one more."""
    for column, wanted in where:
        test = rows[column].isin(wanted) if isinstance(wanted, tuple) else rows[column] == wanted
        also = test if also is None else also & test
    return also


def _on_grid(bucket: ir.Table, columns: dict[str, _Column], grid: Grid) -> ir.Table:
    """Move buckets that fall into a gap of the grid to the key's next slot."""
    found = bucket.select("key", "slot", wanted=ibis.null("int64"))
    spots = grid.table.select("key", "slot", wanted=grid.table.slot)
    both = found.union(spots)
    both = both.mutate(is_spot=ibis.ifelse(both.wanted.isnull(), 0, 1))
    ahead = ibis.window(group_by="key", order_by=["slot", "is_spot"], rows=(0, None))
    moved = both.mutate(target=both.wanted.min().over(ahead))
    moved = moved.filter(moved.is_spot == 0).select("key", "slot", "target")
    joined = bucket.inner_join(moved, ["key", "slot"])
    again = {
        name: joined[name].max() if how == "max" else joined[name].sum()
        for name, (how, _, _) in columns.items()
    }
    return joined.filter(joined.target.notnull()).group_by("key", slot=joined.target).agg(**again)


def _with_current(result: ir.Table, rows: ir.Table, measures: Sequence[Measure]) -> ir.Table:
    """Replace the rank of the latest row by that row's columns."""
    by_where: dict[Where, list[tuple[int, Measure]]] = {}
    for i, measure in enumerate(measures):
        if measure.how == "current":
            by_where.setdefault(measure.where, []).append((i, measure))
    for group in by_where.values():
        rank = f"m{group[0][0]}"
        latest = rows.select(
            row_key="key", row_rank="rank", **{f"v{i}": rows[measure.column] for i, measure in group}
        )
        result = result.left_join(latest, [("key", "row_key"), (rank, "row_rank")])
        kept = [name for name in result.columns if name not in {f"m{i}" for i, _ in group}]
        kept = [name for name in kept if not name.startswith(("v", "row_"))]
        result = result.select(*kept, **{f"m{i}": result[f"v{i}"] for i, _ in group})
    return result.select("key", "slot", *[f"m{i}" for i in range(len(measures))])
