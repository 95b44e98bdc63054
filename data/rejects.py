"""Rejected rows: kept with table, key, column, value and reason, and judged against the tolerated share."""
# ruff: noqa: S608 -- identifiers cannot be bound; they come from the schema

from dataclasses import dataclass

import duckdb

from data.errors import DataContractError
from data.names import literal, quoted
from data.schema import SOURCE_ROW, Table
from data.validation import RowCheck

__all__ = [
    "SUPERSEDED_PREFIX", "TableCount", "check_share", "create_rejects", "keep_superseded", "reject_late",
    "reject_rows",
]  # fmt: skip

SUPERSEDED_PREFIX = "superseded_"
"""Before a table's name: its rows that a later row of the same key replaced."""

_SHOWN = 5
_REPEATS = "repeats the key of a row that is kept"


@dataclass(frozen=True)
class TableCount:
    """Rows of one table: put out by the mapping, kept, rejected, and of these not counted in the share."""

    mapped: int
    kept: int
    rejected: int
    rejected_apart: int


def create_rejects(con: duckdb.DuckDBPyConnection) -> None:
    """Create `rejected_rows`. counted: whether the row counts towards the tolerated share."""
    con.execute(
        'CREATE TABLE rejected_rows ("table" VARCHAR, key VARCHAR, "column" VARCHAR, value VARCHAR, '
        'reason VARCHAR, "row" VARCHAR, source_row BIGINT, counted BOOLEAN)'
    )


def reject_rows(con: duckdb.DuckDBPyConnection, table: Table, checks: tuple[RowCheck, ...]) -> None:
    """Keep the rows of the temporary table `checked` that have a problem."""
    column = " ".join(f"WHEN {i} THEN {literal(check.column)}" for i, check in enumerate(checks))
    reason = " ".join(f"WHEN {i} THEN {literal(check.reason)}" for i, check in enumerate(checks))
    con.execute(
        f"INSERT INTO rejected_rows SELECT {literal(table.name)}, {_key(table)}, CASE problem {column} END, "
        f"problem_value, CASE problem {reason} END, original, {SOURCE_ROW}, true "
        f"FROM checked WHERE problem IS NOT NULL ORDER BY {SOURCE_ROW}"
    )


def reject_late(con: duckdb.DuckDBPyConnection, table: Table, columns: tuple[str, ...]) -> bool:
    """Fill the temporary table `late` with rows that only others show to be wrong: repeats and orphans.

    Of rows with one key the one known last stays; ties fall to the order of all columns, so that one
    result comes out whatever the order of the source. Returns whether there were any.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE late "
        "(source_row BIGINT, col VARCHAR, value VARCHAR, reason VARCHAR, counted BOOLEAN)"
    )
    if table.key:
        _reject_repeats(con, table, table.key, columns)
    for column in table.columns:
        if column.references and column.orphans != "report":
            target, key = column.references.split(".")
            con.execute(
                f"INSERT INTO late SELECT {SOURCE_ROW}, {literal(column.name)}, {quoted(column.name)}, "
                f"{literal(f'not found in {target}')}, {str(column.orphans == 'reject').lower()} "
                f"FROM checked WHERE problem IS NULL AND {quoted(column.name)} IS NOT NULL "
                f"AND {quoted(column.name)} NOT IN (SELECT {quoted(key)} FROM {quoted(target)}) "
                f"AND {SOURCE_ROW} NOT IN (SELECT source_row FROM late)"
            )
    row = ", ".join(f"{literal(name)}: checked.{quoted(name)}" for name in columns)
    con.execute(
        f"INSERT INTO rejected_rows SELECT {literal(table.name)}, {_key(table)}, late.col, late.value, "
        f"late.reason, CAST(to_json({{{row}}}) AS VARCHAR), {SOURCE_ROW}, late.counted "
        f"FROM checked JOIN late USING ({SOURCE_ROW}) ORDER BY {SOURCE_ROW}"
    )
    return bool(con.execute("SELECT count(*) FROM late").fetchall()[0][0])


def keep_superseded(con: duckdb.DuckDBPyConnection, table: Table, columns: tuple[str, ...]) -> None:
    """Keep the repeats in the temporary table `late` as `superseded_<table>`, where there are any.

    Before the later row was recorded, the earlier one was what the CRM knew: without it, a row that comes
    after `as_of` would take one from before it away.
    """
    if not (table.key and table.clock):
        return
    tests = [f"late.reason = {literal(_REPEATS)}", f"{quoted(table.clock)} IS NOT NULL"]
    for column in table.columns:
        if column.references and column.orphans != "report":
            target, key = column.references.split(".")
            there = f"{quoted(column.name)} IN (SELECT {quoted(key)} FROM {quoted(target)})"
            tests.append(f"({quoted(column.name)} IS NULL OR {there})")
    rows = (
        f"SELECT {', '.join(quoted(name) for name in columns)} FROM checked JOIN late USING ({SOURCE_ROW}) "
        f"WHERE {' AND '.join(tests)}"
    )
    if con.execute(f"SELECT count(*) FROM ({rows})").fetchall()[0][0]:
        con.execute(f"CREATE TABLE {quoted(SUPERSEDED_PREFIX + table.name)} AS {rows} ORDER BY {SOURCE_ROW}")


def check_share(con: duckdb.DuckDBPyConnection, counts: dict[str, TableCount], max_share: float) -> None:
    """Return if every table's rejected share is at most `max_share` (0 to 1), else raise DataContractError.

    The message lists each table, column and reason with its count and at most five offenders.
    """
    parts: list[str] = []
    for name, count in counts.items():
        counted = count.rejected - count.rejected_apart
        if counted > max_share * count.mapped:
            parts.append(
                f"{name}: {counted:,} of {count.mapped:,} rows rejected ({counted / count.mapped:.1%}), "
                f"at most {max_share:.1%} tolerated"
            )
            parts.extend(_reasons(con, name))
    if parts:
        raise DataContractError("\n".join(parts))


def _reasons(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = con.execute(
        'SELECT "column", reason, count(*) AS n, '
        "list({k: key, v: value, r: source_row} ORDER BY source_row)[:?] FROM rejected_rows "
        'WHERE "table" = ? AND counted GROUP BY ALL ORDER BY n DESC, 1, 2',
        [_SHOWN, table],
    ).fetchall()
    lines = []
    for column, reason, n, offenders in rows:
        shown = ", ".join(f"{o['v']!r} (row {o['r']}, key {o['k']})" for o in offenders)
        lines.append(f"  column {column!r}: {reason}: {n:,} rows, such as {shown}")
    return lines


def _reject_repeats(con: duckdb.DuckDBPyConnection, table: Table, key: str, columns: tuple[str, ...]) -> None:
    order = [f"{quoted(table.clock)} DESC NULLS LAST"] if table.clock else []
    order += [quoted(name) for name in columns] + [SOURCE_ROW]
    con.execute(
        f"INSERT INTO late SELECT {SOURCE_ROW}, {literal(key)}, {quoted(key)}, "
        f"{literal(_REPEATS)}, true FROM ("
        f"SELECT {SOURCE_ROW}, {quoted(key)}, row_number() OVER "
        f"(PARTITION BY {quoted(key)} ORDER BY {', '.join(order)}) AS place "
        f"FROM checked WHERE problem IS NULL AND {quoted(key)} IN (SELECT {quoted(key)} FROM checked "
        f"WHERE problem IS NULL GROUP BY 1 HAVING count(*) > 1)) WHERE place > 1"
    )


def _key(table: Table) -> str:
    """The expression for the rejected row's key: of a table without one, its first column."""
    return f"checked.{quoted(table.key or table.column_names[0])}"
