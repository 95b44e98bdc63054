"""The canonical contract as checks in the engine: which rows fail, why, and a last gate over what is kept.

Row checks are boolean expressions generated from `data.schema`, since pandera's failure cases come into
Python row by row. Pandera's Ibis backend then validates the tables that are kept: a failure there means
that a check above is wrong, so nothing is published.
"""

from dataclasses import dataclass

import duckdb
import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from data.errors import DataContractError
from data.schema import CUSTOM_PREFIX, SOURCE_ROW, TABLES, Column, Table

__all__ = ["ENGINE_TYPES", "ROW_RULES", "RowCheck", "contract", "pass_gate", "row_checks"]

ENGINE_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
}
_IBIS_TYPES = {
    "string": dt.string,
    "int64": dt.int64,
    "float64": dt.float64,
    "boolean": dt.boolean,
    "timestamp": dt.Timestamp("UTC", 6),
}


@dataclass(frozen=True)
class RowCheck:
    """A reason to reject a row: the column it is about and the expression that is true of bad rows."""

    column: str
    reason: str
    fails: str
    reads: frozenset[str] = frozenset()
    """Columns without which, as a whole, the check says nothing."""


ROW_RULES: dict[str, tuple[RowCheck, ...]] = {
    "opportunities": (
        RowCheck("closed_at", "closed_at lies before created_at", '"closed_at" < "created_at"'),
        RowCheck(
            "outcome", "outcome without closed_at cannot be placed in time",
            '"outcome" IS NOT NULL AND "closed_at" IS NULL', frozenset({"closed_at"}),
        ),
    ),
    "contracts": (
        RowCheck("end_at", "end_at lies before start_at", '"end_at" < "start_at"'),
        RowCheck(
            "outcome", "outcome without decided_at cannot be placed in time",
            '"outcome" IS NOT NULL AND "decided_at" IS NULL', frozenset({"decided_at"}),
        ),
    ),
    "usage": (
        RowCheck(
            "usage_date", "recorded more than 31 days before it took place",
            '"usage_date" > "known_at" + INTERVAL 31 DAY', frozenset({"usage_date", "known_at"}),
        ),
    ),
    "exchange_rates": (RowCheck("rate", "rate is not above 0", '"rate" <= 0'),),
    "activity_participants": (
        RowCheck(
            "contact_id", "exactly one of contact_id and user_id is expected",
            '("contact_id" IS NULL) = ("user_id" IS NULL)', frozenset({"contact_id", "user_id"}),
        ),
    ),
}  # fmt: skip
"""Checks over two columns of a row, by table."""


def row_checks(table: Table, present: frozenset[str], cast_failed: dict[str, str]) -> tuple[RowCheck, ...]:
    """The checks of a table's rows, in the order in which a row's first fault is reported.

    present: the columns the source has; a column that is absent as a whole is coverage, not a fault.
    cast_failed: for each column, the expression that is true where its value is not of its type.
    """
    checks: list[RowCheck] = []
    for column in table.columns:
        if column.name in present:
            checks.extend(_column_checks(column, cast_failed[column.name]))
    checks.extend(rule for rule in ROW_RULES.get(table.name, ()) if rule.reads <= present)
    return tuple(checks)


def contract(table: Table, present: frozenset[str]) -> pa.DataFrameSchema:
    """The table's declaration as a pandera schema over Ibis; `x_` columns and others may come along.

    present: the columns the source has; the others are null-filled and may be null.
    """
    columns = {column.name: _pandera_column(column, column.name not in present) for column in table.columns}
    if table.key is None:
        columns[SOURCE_ROW] = pa.Column(dt.int64, nullable=False)
    return pa.DataFrameSchema(columns, strict=False, name=table.name)


def pass_gate(con: duckdb.DuckDBPyConnection, present: dict[str, frozenset[str]]) -> None:
    """Return if every kept table meets its declaration, else raise DataContractError with all faults.

    present: the columns the source has, by table; columns absent as a whole are null-filled and pass.
    """
    backend = ibis.duckdb.from_connection(con)
    faults: list[str] = []
    for table in TABLES.values():
        schema = contract(table, present.get(table.name, frozenset()))
        rows = backend.table(table.name)
        # of a table without rows pandera finds "all rows pass" to be null, and fails it
        empty = rows.limit(1).count().execute() == 0
        depth = ValidationDepth.SCHEMA_ONLY if empty else ValidationDepth.SCHEMA_AND_DATA
        try:
            with config_context(validation_depth=depth):
                schema.validate(rows, lazy=True)
        except SchemaErrors as error:
            found = {str(fault.args[0])[:200] for fault in error.schema_errors}
            faults.extend(f"{table.name}: {text}" for text in sorted(found)[:5])
    if faults:
        raise DataContractError(
            "Rows that break the contract were kept, so nothing was replaced:\n" + "\n".join(faults)
        )


def _column_checks(column: Column, cast_failed: str) -> list[RowCheck]:
    name = f'"{column.name}"'
    checks = [RowCheck(column.name, f"not a {column.dtype}", cast_failed)] if column.dtype != "string" else []
    if not column.nullable:
        checks.append(RowCheck(column.name, "empty", f"{name} IS NULL"))
    if column.values:
        allowed = ", ".join(f"'{value}'" for value in column.values)
        own = f" AND NOT starts_with({name}, '{CUSTOM_PREFIX}')" if column.custom_values else ""
        checks.append(
            RowCheck(column.name, f"not one of {', '.join(column.values)}", f"{name} NOT IN ({allowed}){own}")
        )
    if column.minimum is not None:
        checks.append(RowCheck(column.name, f"below {column.minimum:g}", f"{name} < {column.minimum}"))
    if column.maximum is not None:
        checks.append(RowCheck(column.name, f"above {column.maximum:g}", f"{name} > {column.maximum}"))
    if column.dtype in ("float64", "timestamp"):
        checks.append(RowCheck(column.name, "not finite", f"NOT isfinite({name})"))
    return checks


def _pandera_column(column: Column, absent: bool) -> pa.Column:
    checks = []
    if column.values and not column.custom_values:
        checks.append(pa.Check.isin(list(column.values)))
    elif column.values:
        checks.append(pa.Check.str_matches(f"^({'|'.join(column.values)}|{CUSTOM_PREFIX}.*)$"))
    if column.minimum is not None:
        checks.append(pa.Check.ge(column.minimum))
    if column.maximum is not None:
        checks.append(pa.Check.le(column.maximum))
    return pa.Column(_IBIS_TYPES[column.dtype], checks, nullable=absent or column.nullable)
