"""Deals as they would be recorded after a step: copies under their own ids, measured by the same code.

A copy shares nothing with the deal it was made from, nor with other copies: its activities and people get
ids of their own too. What its people carry on other deals comes from a context, so that copies do not count
each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from data.schema import SOURCE_ROW, TABLES
from data.signals.tables import TEXT_TABLES
from features.assemble import feature_frame
from features.catalogue import STREAMS
from features.context import Context
from features.feature import Feature
from features.snapshots import Calendar, Snapshots
from features.steps_deal import Step
from features.steps_rows import named

__all__ = ["Variant", "moved_by_steps", "variant_frame"]

_TOUCHED = frozenset(
    ("contacts", "opportunity_contacts", "activities", "activity_participants", "moments", "promises",
     "qualification")
)  # fmt: skip
"""Tables that steps add rows to."""

_OF_DEALS = (
    "opportunities", "opportunity_changes", "opportunity_contacts", "activities", "moments", "promises",
    "qualification", *TEXT_TABLES,
)  # fmt: skip
_IDS = ("activity_id", "contact_id")
_UNREAD = ("subject", "body", "evidence")
"""Texts that no feature reads."""

_LAST = 10**9
"""Beyond every `source_row`."""

_Added = Mapping[str, Sequence[Mapping[str, Any]]]
_Keep = Callable[[str, ir.Table | pa.Table], ir.Table]


@dataclass(frozen=True)
class Variant:
    """A deal after steps."""

    opportunity_id: str
    account_id: str | None
    steps: tuple[Step, ...]


def moved_by_steps(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """The features that rows of a deal's own can move; those of account, seller and everybody stay."""
    found = []
    for feature in features:
        streams = [STREAMS[part.stream] for part in feature.evidence_parts()]
        own = all(stream.entity in ("deal", "opportunity") for stream in streams)
        if own and any(stream.source in _TOUCHED for stream in streams):
            found.append(feature)
    return tuple(found)


def variant_frame(
    con: ibis.BaseBackend, tables: Mapping[str, ir.Table], calendar: Calendar, variants: Sequence[Variant],
    features: Sequence[Feature], *, work: pa.Table,
) -> pa.Table:  # fmt: skip
    """The features of each variant at the calendar's end, row by row in the order given.

    Columns: the features' names alone. work: what people carry over all deals, see `features.context`.
    Intermediate tables are temporary.
    """
    kept: list[str] = []

    def keep(name: str, table: ir.Table | pa.Table) -> ir.Table:
        kept.append(f"dealcast_variants_{name}")
        return con.create_table(kept[-1], table, temp=True, overwrite=True)

    try:
        ids = pa.array([_id(place) for place in range(len(variants))], pa.string())
        origins = pa.array([one.opportunity_id for one in variants], pa.string())
        copies = keep("copies", pa.table({"variant": ids, "origin": origins}))
        copied = _copied(tables, calendar, copies, _added(variants), keep)
        slot = ibis.literal(calendar.last_slot, "int64")
        spine = copied["opportunities"].select("opportunity_id", "account_id", slot=slot)
        elsewhere = _work_elsewhere(work, copies, tables["opportunity_contacts"]).to_pyarrow()
        nothing = pa.table({"key": pa.array([], pa.string())})
        context = Context(calendar.as_of, nothing, nothing, nothing, elsewhere)
        frame = feature_frame(con, copied, Snapshots(spine, calendar), features, context=context)
    finally:
        for name in reversed(kept):
            con.drop_table(name, force=True)
    order = pc.index_in(ids, value_set=frame["opportunity_id"].combine_chunks())
    return frame.drop_columns(["opportunity_id", "as_of"]).take(order)


def _copied(
    tables: Mapping[str, ir.Table], calendar: Calendar, copies: ir.Table, added: _Added, keep: _Keep
) -> dict[str, ir.Table]:
    """The tables with the copies in place of all deals, and their people in place of all contacts."""
    found, of_copies = dict(tables), dict[str, ir.Table]()
    for name in _OF_DEALS:
        rows = tables[name]
        rows = rows.filter(rows[_clock(name)] < calendar.as_of)
        of_copies[name] = copies.inner_join(rows, [("origin", "opportunity_id")])
    acts = of_copies["activities"].select("variant", "activity_id")
    came = acts.inner_join(tables["activity_participants"], "activity_id")
    of_copies["activity_participants"] = came
    people = of_copies["opportunity_contacts"].select("variant", "contact_id")
    people = people.union(came.select("variant", "contact_id"), distinct=True)
    of_copies["contacts"] = people.inner_join(tables["contacts"], "contact_id")
    for name, rows in of_copies.items():
        found[name] = keep(name, _with_own_ids(rows, tables[name], added.get(name, ())))
    return found


def _with_own_ids(rows: ir.Table, like: ir.Table, added: Sequence[Mapping[str, Any]]) -> ir.Table:
    """Rows of copies under the copies' ids, and rows of steps, with the columns of a table alike."""
    own: dict[str, ir.Value] = {
        name: rows.variant + ibis.literal("/") + rows[name] for name in _IDS if name in like.columns
    }
    if "opportunity_id" in like.columns:
        own["opportunity_id"] = rows.variant
    own |= {name: ibis.null("string") for name in _UNREAD if name in like.columns}
    rows = rows.mutate(**own).select(*like.columns)
    if not added:
        return rows
    schema = like.schema().to_pyarrow()
    new = [{SOURCE_ROW: _LAST + place, **row} for place, row in enumerate(added)]
    columns = [pa.array([row.get(one.name) for row in new], one.type) for one in schema]
    return rows.union(ibis.memtable(pa.table(columns, schema=schema)))


def _added(variants: Sequence[Variant]) -> _Added:
    """The rows of all variants' steps, by table."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for place, one in enumerate(variants):
        own = _id(place)
        for nth, step in enumerate(one.steps):
            held = named(step.rows, own, one.account_id, f"{own}/~{nth}", known=f"{own}/")
            for table, rows in held.items():
                found.setdefault(table, []).extend(rows)
    return found


def _work_elsewhere(work: pa.Table, copies: ir.Table, roles: ir.Table) -> ir.Table:
    """What the copies' people carry on deals other than the one copied, under the copies' ids."""
    group = copies.inner_join(roles, [("origin", "opportunity_id")])
    group = group.select("variant", "origin", person="contact_id").distinct()
    rows = group.inner_join(ibis.memtable(work), [("person", "who")])
    rows = rows.filter(rows.opportunity_id.isnull() | (rows.opportunity_id != rows.origin))
    return rows.mutate(who=rows.variant + ibis.literal("/") + rows.person).select(*work.column_names)


def _clock(name: str) -> str:
    clock = TABLES[name].clock if name in TABLES else "known_at"
    return str(clock)


def _id(place: int) -> str:
    return f"{place:08d}"
