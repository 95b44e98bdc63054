"""A mapping's output cast to a table's types, each row's first fault beside it, in one SELECT."""
# ruff: noqa: S608 -- identifiers cannot be bound; all are quoted

from dataclasses import dataclass

from data.names import literal, quoted
from data.schema import CUSTOM_PREFIX, SOURCE_ROW, Column, DType, Table
from data.validation import ENGINE_TYPES, RowCheck, row_checks

__all__ = ["Casting", "Output", "casting"]


@dataclass(frozen=True)
class Output:
    """A column of a mapping's output and its DuckDB type."""

    name: str
    type: str


@dataclass(frozen=True)
class Casting:
    """The SELECT and what it makes: rows of `source_row`, the canonical columns, then `problem`, the
    position in `checks` of the row's first fault (null if it has none), `problem_value` and `original`,
    the row as JSON where there is a problem."""

    sql: str
    columns: tuple[str, ...]
    present: frozenset[str]
    ignored: tuple[str, ...]
    checks: tuple[RowCheck, ...]


def casting(table: Table, sql: str, outputs: tuple[Output, ...]) -> Casting:
    """The casting of a mapping's SELECT. Empty text and NaN count as null; naive times as UTC."""
    by_name = {output.name.lower(): output for output in outputs}
    custom = tuple(name for name in by_name if table.custom and name.startswith(CUSTOM_PREFIX))
    present = frozenset(name for name in table.column_names if name in by_name)
    values = {name: _value(by_name[name]) for name in (*present, *custom)}
    failed = {c.name: _failed(c, by_name[c.name], values[c.name]) for c in table.columns if c.name in present}
    checks = row_checks(table, present, failed)

    numbered = ", ".join(f"{quoted(o.name)} AS {_original(o.name)}" for o in outputs)
    typed = [
        f"{_typed(c, by_name[c.name], values[c.name]) if c.name in present else _null(c)} AS {quoted(c.name)}"
        for c in table.columns
    ]
    typed += [f"{_typed_text(by_name[name], values[name])} AS {quoted(name)}" for name in custom]
    problem = " ".join(f"WHEN {check.fails} THEN {i}" for i, check in enumerate(checks))
    shown = " ".join(
        f"WHEN {i} THEN CAST({_original(by_name[check.column].name)} AS VARCHAR)"
        for i, check in enumerate(checks)
        if check.column in by_name
    )
    row = ", ".join(f"{literal(o.name)}: {_original(o.name)}" for o in outputs)
    columns = (*table.column_names, *custom)
    text = f"""
WITH mapped AS (
{sql}
), numbered AS (SELECT row_number() OVER () AS {_original(SOURCE_ROW + "#")}, {numbered} FROM mapped),
typed AS (SELECT *, {", ".join(typed)} FROM numbered),
placed AS (SELECT *, CASE {problem} END AS "#problem" FROM typed)
SELECT {_original(SOURCE_ROW + "#")} AS {SOURCE_ROW}, {", ".join(_final(table, name) for name in columns)},
  "#problem" AS problem, CASE "#problem" {shown} ELSE NULL END AS problem_value,
  CASE WHEN "#problem" IS NOT NULL THEN CAST(to_json({{{row}}}) AS VARCHAR) END AS original
FROM placed"""
    ignored = tuple(o.name for o in outputs if o.name.lower() not in columns)
    return Casting(text, columns, present, ignored, checks)


def _original(name: str) -> str:
    return quoted(f"#{name}")


def _value(output: Output) -> str:
    """The output's value with empty text and NaN turned into null."""
    name = _original(output.name)
    if output.type == "VARCHAR":
        return f"NULLIF({name}, '')"
    return (
        f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END" if output.type in ("DOUBLE", "FLOAT") else name
    )


def _typed(column: Column, output: Output, value: str) -> str:
    return _typed_text(output, value) if column.dtype == "string" else _cast(column.dtype, output, value)


def _cast(dtype: DType, output: Output, value: str) -> str:
    if dtype == "timestamp" and output.type.startswith("TIMESTAMP_"):
        value = f"CAST({value} AS TIMESTAMP)"  # second, milli- and nanosecond types
    return f"TRY_CAST({value} AS {ENGINE_TYPES[dtype]})"


def _typed_text(output: Output, value: str) -> str:
    """The value as text; whole numbers that arrive as floats (a column with gaps) get no '.0'."""
    if output.type in ("DOUBLE", "FLOAT"):
        whole = f"{value} = trunc({value}) AND abs({value}) < 9007199254740992"
        number = f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR)"
        return f"{number} ELSE CAST({value} AS VARCHAR) END"
    return value if output.type == "VARCHAR" else f"CAST({value} AS VARCHAR)"


def _failed(column: Column, output: Output, value: str) -> str:
    if column.dtype == "string":
        return "false"
    return f"{value} IS NOT NULL AND {_cast(column.dtype, output, value)} IS NULL"


def _null(column: Column) -> str:
    return f"CAST(NULL AS {ENGINE_TYPES[column.dtype]})"


def _final(table: Table, name: str) -> str:
    """The column, an empty clock filled from the business time."""
    if name == table.clock and table.business_time:
        return f"COALESCE({quoted(name)}, {quoted(table.business_time)}) AS {quoted(name)}"
    return quoted(name)
