"""What a source covers: which tables and columns it fills, and what the features will have to do without."""
# ruff: noqa: S608 -- identifiers cannot be bound; they come from the schema, or are quoted

from dataclasses import dataclass

import duckdb

from data.contract_coverage import ODDITIES, UNRATED, unrated
from data.names import quoted
from data.schema import CUSTOM_PREFIX, TABLES, Column, Table

__all__ = ["Coverage", "CoverageNote", "read_coverage", "write_coverage"]


@dataclass(frozen=True)
class CoverageNote:
    """Something worth knowing that is not a fault: what it is about, how many rows, in words."""

    table: str
    column: str
    rows: int
    note: str


@dataclass(frozen=True)
class Coverage:
    """filled: per table and column, the share of rows with a value, 0 to 1, absent columns left out."""

    filled: dict[str, dict[str, float]]
    notes: tuple[CoverageNote, ...]

    @property
    def absent_tables(self) -> tuple[str, ...]:
        """The canonical tables that the source does not have."""
        return tuple(name for name in TABLES if name not in self.filled)


def write_coverage(
    con: duckdb.DuckDBPyConnection, present: dict[str, frozenset[str]], ignored: dict[str, tuple[str, ...]]
) -> None:
    """Fill the tables `coverage` and `coverage_notes` from the canonical tables.

    present: the columns the source has, by table. ignored: output columns that no table declares.
    """
    con.execute(
        "CREATE TABLE coverage (table_name VARCHAR, column_name VARCHAR, present BOOLEAN, n_rows BIGINT, "
        "filled_share DOUBLE)"
    )
    con.execute(
        "CREATE TABLE coverage_notes (table_name VARCHAR, column_name VARCHAR, n_rows BIGINT, note VARCHAR)"
    )
    for table in TABLES.values():
        _write_filled(con, table, present.get(table.name))
    notes = [note for table in TABLES.values() if table.name in present for note in _notes(con, table)]
    notes.extend(_owner_history(con))
    notes.extend(_oddities(con, present))
    notes.extend(
        CoverageNote(table, column, 0, "no such canonical column; not loaded beyond the raw table")
        for table, columns in ignored.items()
        for column in columns
    )
    for note in notes:
        con.execute(
            "INSERT INTO coverage_notes VALUES (?, ?, ?, ?)", [note.table, note.column, note.rows, note.note]
        )


def read_coverage(con: duckdb.DuckDBPyConnection) -> Coverage:
    """The coverage of the last load."""
    filled: dict[str, dict[str, float]] = {}
    rows = con.execute("SELECT table_name, column_name, filled_share FROM coverage WHERE present").fetchall()
    for table, column, share in rows:
        filled.setdefault(table, {})[column] = share
    notes = con.execute("SELECT table_name, column_name, n_rows, note FROM coverage_notes").fetchall()
    return Coverage(filled, tuple(CoverageNote(*row) for row in notes))


def _write_filled(con: duckdb.DuckDBPyConnection, table: Table, present: frozenset[str] | None) -> None:
    described = con.execute(f'DESCRIBE "{table.name}"').fetchall()
    columns = [
        row[0] for row in described if row[0] in table.column_names or row[0].startswith(CUSTOM_PREFIX)
    ]
    counts = ", ".join(f"count({quoted(column)})" for column in columns)
    n_rows, *filled = con.execute(f'SELECT count(*), {counts} FROM "{table.name}"').fetchall()[0]
    for column, count in zip(columns, filled, strict=True):
        there = present is not None and (column in present or column.startswith(CUSTOM_PREFIX))
        share = count / n_rows if n_rows else 0.0
        con.execute("INSERT INTO coverage VALUES (?, ?, ?, ?, ?)", [table.name, column, there, n_rows, share])


def _notes(con: duckdb.DuckDBPyConnection, table: Table) -> list[CoverageNote]:
    notes = [note for column in table.columns if (note := _dangling(con, table, column))]
    if table.clock:
        unseen = _count(con, f'SELECT count(*) FROM "{table.name}" WHERE "{table.clock}" IS NULL')
        if unseen:
            notes.append(
                CoverageNote(table.name, table.clock, unseen, "no time known: these rows are never visible")
            )
    return notes


def _dangling(con: duckdb.DuckDBPyConnection, table: Table, column: Column) -> CoverageNote | None:
    """Rows whose reference points at nothing, where that is not a reason to reject them."""
    if column.references is None or column.orphans != "report":
        return None
    target, key = column.references.split(".")
    count = _count(
        con,
        f'SELECT count(*) FROM "{table.name}" WHERE "{column.name}" IS NOT NULL '
        f'AND "{column.name}" NOT IN (SELECT "{key}" FROM "{target}")',
    )
    return CoverageNote(table.name, column.name, count, f"not found in {target}") if count else None


def _owner_history(con: duckdb.DuckDBPyConnection) -> list[CoverageNote]:
    owned = _count(con, "SELECT count(*) FROM opportunities WHERE owner_id IS NOT NULL")
    changes = _count(con, "SELECT count(*) FROM opportunity_changes WHERE field = 'owner'")
    if not owned or changes:
        return []
    note = "no owner history: the owner at creation is taken to be the present one"
    return [CoverageNote("opportunities", "owner_id", owned, note)]


def _oddities(con: duckdb.DuckDBPyConnection, present: dict[str, frozenset[str]]) -> list[CoverageNote]:
    """What is odd about contracts, use and currencies, where the source has what it takes to tell."""
    there = {f"{table}.{column}" for table, columns in present.items() for column in columns}
    notes = [
        CoverageNote(odd.table, odd.column, count, odd.note)
        for odd in ODDITIES
        if odd.reads <= there and (count := _count(con, odd.query))
    ]
    notes.extend(
        CoverageNote("exchange_rates", "from_currency", n, f"none for {code}: {UNRATED}")
        for code, n in unrated(con)
    )
    return notes


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(con.execute(sql).fetchall()[0][0])
