"""The shape of a deal's records: every canonical table with its columns, as rows are put into a program."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from data.schema import SOURCE_ROW, TABLES
from data.signals.tables import TEXT_TABLES
from features.families.custom import CustomField

__all__ = ["ASKED", "Records", "conformed", "input_schemas", "put_ready", "record_schemas"]

Records = Mapping[str, pa.Table]
"""Rows of canonical tables, and of `text_moments` and `text_promises`, by table; some may be absent."""

ASKED = "asked"
"""The input that says which deals are asked for: the spine of `features.snapshots.Snapshots`, slot 0."""

_ASKED_SCHEMA = pa.schema({
    "opportunity_id": pa.string(), "account_id": pa.string(), "slot": pa.int64(),
})  # fmt: skip

_ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}


def record_schemas(fields: Sequence[CustomField] = ()) -> dict[str, pa.Schema]:
    """The columns of each table: `source_row` where rows have no key, the canonical ones, the user's own.

    fields: the user's own fields; those that are columns come as text, as in the warehouse.
    """
    shapes = {}
    for name, table in TABLES.items():
        first = [] if table.key else [pa.field(SOURCE_ROW, pa.int64())]
        declared = [pa.field(column.name, _ARROW[column.dtype]) for column in table.columns]
        own = sorted(
            {field.name for field in fields if field.table == name and name != "opportunity_changes"}
        )
        shapes[name] = pa.schema([*first, *declared, *(pa.field(one, pa.string()) for one in own)])
    for name, columns in TEXT_TABLES.items():
        shapes[name] = pa.schema([pa.field(column, _ARROW[dtype]) for column, dtype in columns])
    return shapes


def input_schemas(schemas: Mapping[str, pa.Schema]) -> dict[str, ibis.Schema]:
    """The inputs of a program that reads such records, `ASKED` among them."""
    every = {**schemas, ASKED: _ASKED_SCHEMA}
    return {name: ibis.Schema.from_pyarrow(schema) for name, schema in every.items()}


def put_ready(
    records: Records, schemas: Mapping[str, pa.Schema], as_of: datetime, deals: Collection[str] | None = None
) -> tuple[dict[str, pa.Table], datetime]:
    """The rows as a program's inputs, and the instant in whole seconds: its fraction is off every clock.

    deals: those asked for; None for every one of `records["opportunities"]`.
    """
    shift_us = as_of.microsecond
    rows = {
        name: conformed(table, schemas[name], shift_us=shift_us)
        for name, table in records.items()
        if table.num_rows
    }
    asked = rows.get("opportunities", schemas["opportunities"].empty_table())
    if deals is not None:
        asked = asked.filter(pc.is_in(asked["opportunity_id"], pa.array(sorted(deals), pa.string())))
    slots = pa.repeat(pa.scalar(0, pa.int64()), asked.num_rows)
    rows[ASKED] = pa.table([asked["opportunity_id"], asked["account_id"], slots], schema=_ASKED_SCHEMA)
    return rows, as_of - timedelta(microseconds=shift_us)


def conformed(table: pa.Table, schema: pa.Schema, *, shift_us: int = 0) -> pa.Table:
    """The table with exactly the schema's columns: absent ones null, others left out.

    `source_row` counts the rows from 1 where it is absent. shift_us: taken off every timestamp.
    """
    columns = []
    for field in schema:
        if field.name in table.column_names:
            column = table[field.name]
            column = column if column.type == field.type else column.cast(field.type)
            if shift_us and pa.types.is_timestamp(field.type):
                column = pc.subtract(column, pa.scalar(shift_us, pa.duration("us")))
        elif field.name == SOURCE_ROW:
            column = pa.array(range(1, table.num_rows + 1), pa.int64())
        else:
            column = pa.nulls(table.num_rows, field.type)
        columns.append(column)
    return pa.table(columns, schema=schema)
