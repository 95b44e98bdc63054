"""The warehouse as Ibis tables: every canonical table and column, in UTC, read-only."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.coverage import Coverage, read_coverage
from data.errors import SourceError
from data.rejects import SUPERSEDED_PREFIX
from data.schema import CUSTOM_PREFIX, SOURCE_ROW, TABLES, Table
from data.signals.tables import TEXT_TABLES

__all__ = ["WAREHOUSE_FILE", "Warehouse", "memory_tables", "open_warehouse"]

WAREHOUSE_FILE = "warehouse.duckdb"

_ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Warehouse:
    """An open warehouse; `con` is the Ibis DuckDB backend, in UTC and read-only."""

    con: Any

    def tables(self, as_of: datetime | None = None) -> dict[str, ir.Table]:
        """All canonical tables with every declared column, null where the source had none.

        Columns that begin with `x_` follow as text; tables without a key begin with `source_row`. Of rows
        that repeat a key the latest stands; given an as_of, the latest recorded before it, where there is.
        `text_moments` and `text_promises` are there too: what the activities so standing say, as derived.
        """
        found = {name: self.con.table(name) for name in (*TABLES, *TEXT_TABLES)}
        stored = {row[0] for row in self.con.con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if as_of is not None:
            for name, table in TABLES.items():
                if SUPERSEDED_PREFIX + name in stored:
                    earlier = self.con.table(SUPERSEDED_PREFIX + name)
                    found[name] = _as_recorded_before(as_of, table, found[name], earlier)
        if f"{SUPERSEDED_PREFIX}activities" in stored:
            for name in TEXT_TABLES:
                found[name] = found[name].semi_join(found["activities"], ["activity_id", "known_at"])
        return found

    def coverage(self) -> Coverage:
        """What the last load's source covered."""
        return read_coverage(self.con.con)


@contextmanager
def open_warehouse(
    workspace: Path, *, threads: int | None = None, memory_limit: str | None = None
) -> Iterator[Warehouse]:
    """The workspace's warehouse, read-only, closed at the end. memory_limit: such as "4GB".

    Raises SourceError if no source was loaded into the workspace yet, or if the file is damaged.
    """
    file = workspace / WAREHOUSE_FILE
    if not file.is_file():
        raise SourceError(f"{file}: no warehouse yet. Load a source first: `dealcast extract --source DIR`.")
    settings = {"threads": threads, "memory_limit": memory_limit}
    try:
        con = ibis.duckdb.connect(
            str(file),
            read_only=True,
            **{name: value for name, value in settings.items() if value is not None},
        )
    except Exception as error:
        said = str(error).splitlines()[0]
        raise SourceError(
            f"{file}: cannot be opened ({said}). Move it away and load the source again."
        ) from error
    try:
        con.raw_sql("SET TimeZone = 'UTC'")
        yield Warehouse(con)
    finally:
        con.disconnect()


def memory_tables(given: Mapping[str, pa.Table | Sequence[Mapping[str, Any]]]) -> dict[str, ir.Table]:
    """The same shape as `Warehouse.tables()` over tables in memory, nothing checked but the types.

    given: Arrow tables or lists of rows, by table (`text_moments` and `text_promises` too); absent tables
    are empty, absent columns null. `known_at` is filled from the business time, as in a load. Raises
    KeyError for another table.
    """
    unknown = set(given) - set(TABLES) - set(TEXT_TABLES)
    if unknown:
        raise KeyError(f"no canonical tables: {', '.join(sorted(unknown))}")
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    for name, table in TABLES.items():
        con.create_table(name, _arrow(table, given.get(name, ())))
    for name, columns in TEXT_TABLES.items():
        con.create_table(name, _text_arrow(columns, given.get(name, ())))
    return {name: con.table(name) for name in (*TABLES, *TEXT_TABLES)}


def _as_recorded_before(as_of: datetime, table: Table, latest: ir.Table, earlier: ir.Table) -> ir.Table:
    """The table with each row recorded at or after as_of replaced by the row of its key before it."""
    clock, key = str(table.clock), str(table.key)
    instant = ibis.literal(as_of, type="timestamp('UTC')")
    others = [name for name in earlier.columns if name != clock]
    known = earlier.filter(earlier[clock] < instant)
    place = ibis.row_number().over(group_by=key, order_by=[ibis.desc(clock), *others])
    known = known.mutate(place=place).filter(lambda row: row.place == 0).drop("place")
    stands = known.anti_join(latest.filter(latest[clock] < instant), key)
    return latest.anti_join(stands, key).union(stands.select(*latest.columns))


def _arrow(table: Table, given: pa.Table | Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows with exactly the canonical columns, the custom ones and `source_row`."""
    rows = given.to_pylist() if isinstance(given, pa.Table) else list(given)
    custom = (
        sorted({name for row in rows for name in row if name.startswith(CUSTOM_PREFIX)})
        if table.custom
        else []
    )
    columns: dict[str, pa.Array[Any]] = {}
    if table.key is None:
        columns[SOURCE_ROW] = pa.array(
            [row.get(SOURCE_ROW, i) for i, row in enumerate(rows, start=1)], pa.int64()
        )
    for column in table.columns:
        values = [row.get(column.name) for row in rows]
        if column.name == table.clock and table.business_time:
            values = [
                row.get(table.business_time) if value is None else value
                for row, value in zip(rows, values, strict=True)
            ]
        columns[column.name] = pa.array(values, _ARROW_TYPES[column.dtype])
    for name in custom:
        columns[name] = pa.array(
            [None if row.get(name) is None else str(row[name]) for row in rows], pa.string()
        )
    return pa.table(columns)


def _text_arrow(
    columns: Sequence[tuple[str, str]], given: pa.Table | Sequence[Mapping[str, Any]]
) -> pa.Table:
    rows = given.to_pylist() if isinstance(given, pa.Table) else list(given)
    return pa.table(
        {name: pa.array([row.get(name) for row in rows], _ARROW_TYPES[dtype]) for name, dtype in columns}
    )
