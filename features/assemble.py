"""From streams to one row per snapshot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.catalogue import STREAMS
from features.context import CONTEXT_TABLES, Context, held_measures, measures_by_stream
from features.feature import Feature, Formula, Learnt, Measure
from features.gate import OF_DEALS, Known, gate
from features.running import ADDED, Grid, measures_at, run_measures
from features.snapshots import Snapshots
from features.streams.owners import people_met
from features.streams.people import meetings, touches
from features.streams.stream import Entity, Stream

__all__ = [
    "ARROW_TYPES", "ENTITY_KEYS", "OWN", "Keep", "Measured", "assembled", "feature_frame", "feature_table",
    "known_spine", "measured_streams",
]  # fmt: skip

Keep = Callable[[str, ir.Table], ir.Table]
"""Stores an intermediate table under a name and returns it; by default tables stay expressions."""

ARROW_TYPES = {"count": pa.int64(), "number": pa.float64(), "flag": pa.bool_(), "category": pa.string()}
"""The type of each kind of feature as a column of the frame."""
_IBIS = {"count": "int64", "number": "float64", "category": "string"}
ENTITY_KEYS = {
    "deal": "deal", "opportunity": "opportunity_id", "account": "account_id", "owner": "owner_id",
    "all": "everyone",
}  # fmt: skip
"""The column of the spine that holds each entity's key."""

_ROWS_AT_ONCE = 500_000

_SHARED: dict[str, tuple[Callable[[Known], ir.Table], frozenset[str]]] = {
    "people_met": (people_met, frozenset({"owner_people", "all_people"})),
    "meetings": (meetings, frozenset({"meetings", "spiral_steps"})),
}
"""Rows that several streams are made of: made once where more than one of these is wanted."""

OWN = "own"
"""Ends the names of what is measured from rows where a context does not know the account or seller."""

_OWNER = Measure("owners", "current", "new_value")


def _as_is(_: str, table: ir.Table) -> ir.Table:
    return table


def feature_frame(
    con: ibis.BaseBackend, tables: Mapping[str, ir.Table], snapshots: Snapshots, features: Sequence[Feature],
    on_step: Callable[[str], None] | None = None, *, context: Context | None = None,
) -> pa.Table:  # fmt: skip
    """The features of each snapshot as Arrow, sorted by opportunity_id and as_of.

    Columns: opportunity_id, as_of (timestamp, UTC), then the features in order: count int64, number
    float64, flag bool, category string; missing is null. `Learnt` features are left out.
    Intermediate tables are temporary, one per stream, and put together for some deals at a time, so that
    memory stays bounded.

    context: measures of accounts, sellers and everybody at its own instant (see `features.context`), taken
    instead of rows; so the tables need hold no more than the asked deals' own rows. What an account or a
    seller is that the context does not know comes from the rows.
    """
    kept: list[str] = []

    def keep(name: str, table: ir.Table) -> ir.Table:
        if on_step is not None:
            on_step(name)
        kept.append(f"dealcast_{name}")
        return con.create_table(kept[-1], table, temp=True, overwrite=True)

    try:
        held = {} if context is None else context.tables()
        stored = {name: keep(f"context_{name}", ibis.memtable(table)) for name, table in held.items()}
        measured = measured_streams(tables, snapshots, features, keep, stored)
        # deals are numbered in the order of their ids, so parts of the numbers follow one another
        parts = [assembled(measured, features, part) for part in _parts(measured.spine)]
        frame = pa.concat_tables([part.order_by("opportunity_id", "slot").to_pyarrow() for part in parts])
    finally:
        for name in kept:
            con.drop_table(name, force=True)
    calendar = snapshots.calendar
    first_us = int(calendar.instant(0).timestamp()) * 1_000_000 + calendar.shift_us
    slots = frame.column("slot").to_numpy()
    as_of = pa.array(slots * (calendar.step_s * 1_000_000) + first_us, pa.timestamp("us", "UTC"))
    names = [feature.name for feature in features if not isinstance(feature.value, Learnt)]
    types = {feature.name: ARROW_TYPES[feature.kind] for feature in features}
    columns = [frame.column(name).cast(types[name]) for name in names]
    return pa.table(
        [frame.column("opportunity_id"), as_of, *columns], names=["opportunity_id", "as_of", *names]
    )


def feature_table(
    tables: Mapping[str, ir.Table], snapshots: Snapshots, features: Sequence[Feature],
    keep: Keep = _as_is,
) -> ir.Table:  # fmt: skip
    """The features of each snapshot as an expression: opportunity_id, slot, then one column each."""
    return assembled(measured_streams(tables, snapshots, features, keep, {}), features, None)


@dataclass(frozen=True)
class Measured:
    """The snapshots, and the measures of each stream: entity, table (key, slot, columns), columns' names.

    known: the tables behind the gate that they were measured from.
    """

    snapshots: Snapshots
    known: Known
    spine: ir.Table
    streams: dict[str, tuple[Entity, ir.Table, dict[Measure, str]]]


def measured_streams(
    tables: Mapping[str, ir.Table], snapshots: Snapshots, features: Sequence[Feature], keep: Keep,
    context: Mapping[str, ir.Table], shared: Mapping[str, Callable[[Known], ir.Table]] | None = None,
) -> Measured:  # fmt: skip
    """The snapshots and the measures of every stream that the features read, before they are joined.

    context: the tables of a `Context`, by name; empty to measure everything from rows. shared: further rows
    to be made once (see `features.streams.stream.known_once`), by name, each after those that it reads.
    """
    spine, known = known_spine(tables, snapshots, keep)
    if "work" in context:
        known = {**known, "work_elsewhere": context["work"]}
    by_stream = measures_by_stream(features)
    for name, (rows, of_streams) in _SHARED.items():
        if len(of_streams & set(by_stream)) > 1:
            known = {**known, name: keep(name, rows(known))}
    for name, rows in (shared or {}).items():
        known = {**known, name: keep(name, rows(known))}
    streams = {}
    for name, measures in by_stream.items():
        names = {measure: f"{name}_{i}" for i, measure in enumerate(measures)}
        entity = STREAMS[name].entity
        held = context.get(CONTEXT_TABLES.get(entity, ""))
        run = _stream_measures(spine, STREAMS[name], names, snapshots, known, keep, held)
        streams[name] = (entity, run, names)
    return Measured(snapshots, known, spine, streams)


def _parts(spine: ir.Table) -> list[tuple[int, int] | None]:
    """Ranges of deal numbers, ends included, of a bounded number of snapshots; None for all at once."""
    found = spine.agg(rows=spine.count(), deals=spine.deal.max()).to_pyarrow().to_pylist()[0]
    if found["rows"] <= _ROWS_AT_ONCE:
        return [None]
    deals = found["deals"] + 1
    step = -(-deals // -(-found["rows"] // _ROWS_AT_ONCE))
    return [(first, first + step - 1) for first in range(0, deals, step)]


def assembled(
    measured: Measured, features: Sequence[Feature], part: tuple[int, int] | None = None
) -> ir.Table:
    """The features of the deals in a range of numbers, of all without one (a flat chain of joins).

    opportunity_id, slot, then one column per feature; `measured` has every stream that they read.
    """
    spine = measured.spine if part is None else measured.spine.filter(measured.spine.deal.between(*part))
    wide, columns = spine, dict[Measure, str]()
    for name, (entity, run, names) in measured.streams.items():
        columns |= names
        if part is not None and entity == "deal":
            run = run.filter(run.key.between(*part))
        key, slot = f"{name}_key", f"{name}_slot"
        run = run.rename({key: "key", slot: "slot"})
        wide = wide.left_join(run, [(ENTITY_KEYS[entity], key), ("slot", slot)])
    instant = measured.snapshots.calendar.is_instant
    of_deals = {
        name
        for entity, _, names in measured.streams.values()
        for measure, name in names.items()
        if instant and entity == "deal" and measure.how in ADDED
    }
    held = {name: wide[name].fill_null(0.0) if name in of_deals else wide[name] for name in columns.values()}
    wide = wide.select("opportunity_id", "slot", **held)
    as_of_s = measured.snapshots.calendar.seconds_of_slot(wide.slot)
    values = {
        feature.name: _value(feature, wide, columns, as_of_s)
        for feature in features
        if not isinstance(feature.value, Learnt)
    }
    return wide.select("opportunity_id", "slot", **values)


def known_spine(
    tables: Mapping[str, ir.Table], snapshots: Snapshots, keep: Keep = _as_is
) -> tuple[ir.Table, Known]:
    """The snapshots with the keys of every entity (see `ENTITY_KEYS`), and the tables behind the gate."""
    numbered = keep("numbered", _numbered(snapshots))
    known = gate(tables, snapshots.calendar, numbered.select("opportunity_id", "deal").distinct())
    for name in OF_DEALS:
        known[name] = keep(name, known[name])
    known["touches"] = keep("touches", touches(known))
    return keep("spine", _with_owner(numbered, snapshots, known)), known


def _numbered(snapshots: Snapshots) -> ir.Table:
    """Snapshots with a number for each deal, which keys the streams of deals."""
    table = snapshots.table
    numbers = table.select("opportunity_id").distinct()
    numbers = numbers.mutate(
        deal=ibis.row_number().over(ibis.window(order_by="opportunity_id")).cast("int64")
    )
    return table.inner_join(numbers, "opportunity_id")


def _with_owner(numbered: ir.Table, snapshots: Snapshots, known: Mapping[str, ir.Table]) -> ir.Table:
    """Add the owner at the snapshot: from the owner history, else the present one."""
    grid = Grid(numbered.select("slot", key=numbered.deal), snapshots.calendar, snapshots.dense)
    history = run_measures(STREAMS["owners"].rows(known), [_OWNER], grid, lambda table: table)
    present = known["opportunities"].select(deal_id="opportunity_id", present="owner_id")
    joined = numbered.left_join(
        history.rename(run_key="key", run_slot="slot"), [("deal", "run_key"), ("slot", "run_slot")]
    ).left_join(present, [("opportunity_id", "deal_id")])
    owner = joined.m0.coalesce(joined.present)
    return joined.select(
        "opportunity_id", "account_id", "slot", "deal", owner_id=owner, everyone=ibis.literal("all")
    )


def _stream_measures(
    spine: ir.Table, stream: Stream, names: Mapping[Measure, str], snapshots: Snapshots, known: Known,
    keep: Keep, held: ir.Table | None,
) -> ir.Table:  # fmt: skip
    """A stream's measures under the names given, by key and slot; those `held` in a context first.

    Of facts that one row tells (of an account), the row comes first.
    """
    asked = spine.select("slot", key=spine[ENTITY_KEYS[stream.entity]])
    if held is not None and stream.entity == "all":
        return _held(held, names, asked, ("key", "slot", *names.values()))
    rows = stream.rows(known)
    if stream.single:
        facts = asked.distinct().inner_join(rows, "key")
        facts = facts.filter(facts.seen_s < snapshots.calendar.seconds_of_slot(facts.slot))
        run = facts.select("key", "slot", **{names[m]: facts[m.column] for m in names})
        if held is not None:
            run = run.union(_held(held, names, asked.anti_join(run, ["key", "slot"]), run.columns))
        return keep(f"{stream.name}_measures", run)
    if stream.entity == "deal" and snapshots.calendar.is_instant:
        # its rows are those of the deals asked for; `assembled` tells what has none
        run = measures_at(rows, list(names), None, snapshots.calendar.anchor_s)
        run = run.rename({name: f"m{i}" for i, name in enumerate(names.values())})
        return keep(f"{stream.name}_measures", run)
    grid = Grid(asked, snapshots.calendar, snapshots.dense)
    if stream.entity != "deal":
        unknown = asked.filter(asked.key.notnull())
        unknown = unknown if held is None else unknown.anti_join(held, "key")
        grid = Grid(unknown.distinct(), snapshots.calendar, dense=False)
    run = run_measures(rows, list(names), grid, lambda table: keep("rows", table))
    run = run.rename({name: f"m{i}" for i, name in enumerate(names.values())})
    if held is not None:
        own = keep(f"{stream.name}_{OWN}", run)
        return own.union(_held(held, names, asked, own.columns))
    return keep(f"{stream.name}_measures", run)


def _held(held: ir.Table, names: Mapping[Measure, str], asked: ir.Table, columns: Sequence[str]) -> ir.Table:
    """What a context holds of the keys asked for, at each of their slots."""
    return asked.distinct().inner_join(held_measures(held, names), "key").select(*columns)


def _value(
    feature: Feature, wide: ir.Table, columns: Mapping[Measure, str], as_of_s: ir.IntegerValue
) -> ir.Value:
    """A feature's column in its declared type: counts are zero without evidence, the rest null."""
    value = feature.value
    if isinstance(value, Measure):
        out = wide[columns[value]]
    elif isinstance(value, Formula):
        out = value.compute(as_of_s, *(wide[columns[part]] for part in value.parts))
    else:
        raise TypeError(f"{feature.name}: learnt features are added by the model's encoder.")
    if feature.kind == "count":
        return out.fill_null(0).cast("int64")
    if feature.kind == "flag":
        return out.fill_null(False) if feature.family != "custom" else out
    return out.cast(_IBIS[feature.kind])
