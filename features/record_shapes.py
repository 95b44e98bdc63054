"""The shape of a deal's records: every canonical table with its columns, as rows are put into a program."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from data.schema import SOURCE_ROW, TABLES
from data.signals.tables import TEXT_TABLES
from features.families.custom import CustomField

__all__ = ["Records", "conformed", "record_schemas"]

Records = Mapping[str, pa.Table]
"""Rows of canonical tables, and of `text_moments` and `text_promises`, by table; some may be absent."""

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
