"""From streams to one row per contract and instant.

Contracts are few (10^3 to 10^5 snapshots), so each stream's rows are joined with the snapshots of their
contract or account, cut to what each may see (`seen_s < as_of`), and aggregated.
"""

from collections.abc import Callable, Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from features.assemble import Keep
from features.feature import Feature, Formula, Measure
from features.gate import Known, gate
from features.origin import ORIGIN_FEATURES
from features.renewals.contract_streams import promise_table
from features.renewals.lineage import lineage
from features.renewals.people_streams import contact_rows, touch_rows
from features.renewals.snapshots import ContractSnapshots
from features.renewals.streams import STREAMS, ContractStream
from features.renewals.use_streams import counted_rows, period_rows
from features.renewals.windows import Past
from features.running import Grid, run_measures
from features.snapshots import DAY

__all__ = ["known_tables", "renewal_frame", "renewal_table"]

_ARROW = {"count": pa.int64(), "number": pa.float64(), "flag": pa.bool_(), "category": pa.string()}
_IBIS = {"count": "int64", "number": "float64", "category": "string"}
_KEYS = {"contract": "contract", "account": "account_id", "all": "everyone"}
_MADE: dict[str, Callable[[Known], ir.Table]] = {
    "counted_use": counted_rows,
    "use": period_rows,
    "promise_table": promise_table,
    "account_activities": contact_rows,
    "account_touches": touch_rows,
}
"""Tables that several streams are made of, each of those before it."""


def renewal_frame(
    con: ibis.BaseBackend, tables: Mapping[str, ir.Table], snapshots: ContractSnapshots,
    features: Sequence[Feature], origins: pa.Table | None, on_step: Callable[[str], None] | None = None,
) -> pa.Table:  # fmt: skip
    """The features of each contract snapshot as Arrow, sorted by contract_id and as_of.

    origins: as `features.origin.contract_origins` gives them; None where deals are not known. Columns:
    contract_id, as_of (timestamp, UTC), then the features in order: count int64, number float64, flag
    bool, category string; missing is null. Intermediate tables are temporary.
    """
    kept: list[str] = []

    def keep(name: str, table: ir.Table) -> ir.Table:
        if on_step is not None:
            on_step(name)
        kept.append(f"dealcast_renewal_{name}")
        return con.create_table(kept[-1], table, temp=True, overwrite=True)

    try:
        table = renewal_table(tables, snapshots, features, _origin_table(origins), keep)
        found = table.order_by("contract_id", "slot").to_pyarrow()
    finally:
        for name in kept:
            con.drop_table(name, force=True)
    columns = {feature.name: found[feature.name].cast(_ARROW[feature.kind]) for feature in features}
    keys = {"contract_id": found["contract_id"], "as_of": snapshots.instants(found["slot"])}
    return pa.table({**keys, **columns})


def renewal_table(
    tables: Mapping[str, ir.Table], snapshots: ContractSnapshots, features: Sequence[Feature],
    origins: ir.Table, keep: Keep = lambda _, table: table,
) -> ir.Table:  # fmt: skip
    """The features of each snapshot as an expression: contract_id, slot, then one column each.

    origins: opportunity_id, as_of and the `ORIGIN_FEATURES`, one row per deal.
    """
    known = known_tables(tables, snapshots, origins, keep, {m.stream for m in _measures(features)})
    numbers = known["lineage"].select("contract", "contract_id")
    spine = snapshots.table.inner_join(numbers, "contract_id")
    spine = keep(
        "spine", spine.select("contract_id", "contract", "account_id", "slot", everyone=ibis.literal("all"))
    )
    wide, columns = spine, dict[Measure, str]()
    for name, measures in _by_stream(features).items():
        names = {measure: f"{name}_{i}" for i, measure in enumerate(measures)}
        columns |= names
        stream = STREAMS[name]
        key, slot = f"{name}_key", f"{name}_slot"
        run = keep(f"{name}_measures", _measured(spine, stream, names, known, snapshots, keep))
        wide = wide.left_join(
            run.rename({key: "key", slot: "slot"}), [(_KEYS[stream.entity], key), ("slot", slot)]
        )
    wide = wide.select("contract_id", "slot", *columns.values())
    values = {feature.name: _value(feature, wide, columns) for feature in features}
    return wide.select("contract_id", "slot", **values)


def known_tables(
    tables: Mapping[str, ir.Table], snapshots: ContractSnapshots, origins: ir.Table, keep: Keep,
    streams: set[str],
) -> Known:  # fmt: skip
    """The tables behind the gate, with those that the streams share."""
    deals = tables["opportunities"].select("opportunity_id").distinct()
    order = ibis.window(order_by="opportunity_id")
    numbered = keep("numbered_deals", deals.mutate(deal=ibis.row_number().over(order).cast("int64")))
    known = gate(tables, snapshots.calendar, numbered)
    known["numbered_deals"] = numbered
    known["origins"] = origins.mutate(won_s=snapshots.calendar.seconds(origins.as_of)).drop("as_of")
    wanted = {needed for name in streams for needed in STREAMS[name].needs}
    known["lineage"] = keep("lineage", lineage(known, keep))
    for name, rows in _MADE.items():
        if name in wanted:
            known[name] = keep(name, rows(known))
    return known


def _origin_table(origins: pa.Table | None) -> ir.Table:
    """One row per deal of what its contracts keep of it."""
    if origins is None:
        types = dict.fromkeys(ORIGIN_FEATURES, pa.float64())
        fields = {"opportunity_id": pa.string(), "as_of": pa.timestamp("us", "UTC"), **types}
        return ibis.memtable(pa.schema(list(fields.items())).empty_table())
    origins = origins.combine_chunks()
    ids = origins["opportunity_id"]
    first = pc.index_in(pc.drop_null(pc.unique(ids)), value_set=ids)
    return ibis.memtable(origins.take(first).drop_columns(["contract_id"]))


def _measures(features: Sequence[Feature]) -> list[Measure]:
    return [measure for feature in features for measure in feature.evidence_parts()]


def _by_stream(features: Sequence[Feature]) -> dict[str, list[Measure]]:
    """The distinct measures of each stream."""
    by_stream: dict[str, list[Measure]] = {}
    for measure in dict.fromkeys(_measures(features)):
        by_stream.setdefault(measure.stream, []).append(measure)
    return by_stream


def _measured(
    spine: ir.Table, stream: ContractStream, names: Mapping[Measure, str], known: Known,
    snapshots: ContractSnapshots, keep: Keep,
) -> ir.Table:  # fmt: skip
    """A stream's measures under the names given, by key and slot."""
    rows = stream.rows(known)
    spots = spine.select("slot", spot_key=spine[_KEYS[stream.entity]]).distinct()
    spots = spots.filter(spots.spot_key.notnull())
    if stream.entity == "all":
        grid = Grid(spots.rename(key="spot_key"), snapshots.calendar, dense=False)
        run = run_measures(rows, list(names), grid, lambda table: keep("rows", table))
        return run.rename({name: f"m{i}" for i, name in enumerate(names.values())})
    pairs = spots.inner_join(rows, spots.spot_key == rows.key)
    pairs = pairs.filter(pairs.seen_s < pairs.slot)
    if all(measure.days is not None for measure in names):
        longest = max(measure.days for measure in names if measure.days is not None)
        pairs = pairs.filter(pairs.at_s >= pairs.slot - longest * DAY)
    if stream.single:
        return pairs.select("key", "slot", **{name: pairs[m.column] for m, name in names.items()})
    return pairs.group_by("key", "slot").agg(**{name: _aggregate(pairs, m) for m, name in names.items()})


def _aggregate(pairs: ir.Table, measure: Measure) -> ir.Value:
    """One measure over the rows that a snapshot sees."""
    tests = [_equal(pairs[column], wanted) for column, wanted in measure.where]
    if measure.days is not None:
        tests.append(pairs.at_s >= pairs.slot - measure.days * DAY)
    if isinstance(measure, Past) and measure.ended_days:
        tests.append(pairs.at_s < pairs.slot - measure.ended_days * DAY)
    elif measure.how != "max" and measure.days is None and "until_s" in pairs.columns:
        tests.append(pairs.until_s.isnull() | (pairs.until_s >= pairs.slot))
    where = ibis.and_(*tests) if tests else None
    if measure.how == "count":
        return pairs.count(where=where).cast("float64")
    if measure.how == "sum":
        return pairs[measure.column].sum(where=where).cast("float64")
    if measure.how == "distinct":
        return pairs[measure.column].nunique(where=where).cast("float64")
    if measure.how == "max":
        return pairs[measure.column].max(where=where)
    raise TypeError(f"{measure}: the latest row's value is read from streams of one row per key only.")


def _equal(column: ir.Value, wanted: str | bool | int | tuple[str, ...]) -> ir.BooleanValue:
    return column.isin(wanted) if isinstance(wanted, tuple) else column == wanted


def _value(feature: Feature, wide: ir.Table, columns: Mapping[Measure, str]) -> ir.Value:
    """A feature's column in its declared type: counts are zero without evidence, the rest null.

    Flags are false without evidence, but for those that somebody filled in or that a won deal left behind.
    """
    value = feature.value
    if isinstance(value, Measure):
        out = wide[columns[value]]
    elif isinstance(value, Formula):
        out = value.compute(wide.slot, *(wide[columns[part]] for part in value.parts))
    else:
        raise TypeError(f"{feature.name}: learnt features are added by the model's encoder.")
    if feature.kind == "count":
        return out.fill_null(0).cast("int64")
    if feature.kind == "flag":
        return out if feature.family in ("custom", "origin") else out.fill_null(False)
    return out.cast(_IBIS[feature.kind])
