"""Mappings: one SELECT per canonical table, over raw tables only, checked before anything is loaded.

A mapping is a folder of `<canonical table>.sql` in DuckDB's dialect. `canonical` is the identity.
"""

import difflib
import hashlib
import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from data.casting import Output
from data.errors import SourceError
from data.files import RAW_SCHEMA
from data.names import quoted
from data.schema import TABLES

__all__ = ["Mapping", "Query", "check_queries", "load_mapping", "resolve", "shipped_mappings"]

_FOLDER = Path(__file__).with_name("mappings")
_IDENTITY = "canonical"
_UNSTEADY = {
    "now",
    "today",
    "random",
    "uuid",
    "gen_random_uuid",
    "current_localtimestamp",
    "get_current_timestamp",
}
_UNSTEADY_NODES = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Rand, exp.Uuid)


@dataclass(frozen=True)
class Query:
    """The SELECT for one canonical table; `place` is its file, as messages name it."""

    table: str
    place: str
    sql: str


@dataclass(frozen=True)
class Mapping:
    """The SELECTs of a source. identity: raw tables that carry canonical names are taken as they are."""

    name: str
    queries: tuple[Query, ...]
    identity: bool = False

    def digest(self) -> str:
        """SHA-256 over the SELECTs, in hex."""
        text = "\0".join(f"{query.table}\0{query.sql}" for query in self.queries)
        return hashlib.sha256(text.encode()).hexdigest()


def shipped_mappings() -> tuple[str, ...]:
    """The names of the mappings that come with the project."""
    return (_IDENTITY, *sorted(path.name for path in _FOLDER.iterdir() if path.is_dir()))


def load_mapping(name_or_dir: str | Path) -> Mapping:
    """The mapping of that name, or of that folder.

    Raises SourceError if there is none, if a file is not named after a canonical table, or if it
    does not hold exactly one SELECT.
    """
    name = str(name_or_dir)
    if name == _IDENTITY:
        identity = tuple(Query(table, f"mapping {_IDENTITY}", f'FROM "{table}"') for table in TABLES)
        return Mapping(_IDENTITY, identity, identity=True)
    folder = _FOLDER / name if name in shipped_mappings() else Path(name)
    if not folder.is_dir():
        raise SourceError(
            f"mapping {name!r}: expected a folder of SELECTs or one of {', '.join(shipped_mappings())}."
            f"{_near(name, shipped_mappings())}"
        )
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".sql")
    queries = tuple(_query(path) for path in files)
    missing = [t.name for t in TABLES.values() if t.required and t.name not in {q.table for q in queries}]
    if missing:
        raise SourceError(
            f"mapping {folder}: expected {missing[0]}.sql, found none. Add the file with one SELECT."
        )
    return Mapping(folder.name, queries)


def resolve(mapping: Mapping, raw: MappingOf[str, Iterable[str]]) -> dict[str, Query]:
    """The SELECTs by canonical table, each raw table spelled out in the schema `raw`.

    raw: the raw tables' column names. With the identity, a raw table that is not there is left out
    where it is optional. Raises SourceError for all tables that are not there, at once.
    """
    names = {table.lower(): table for table in raw}
    problems: list[str] = []
    resolved: dict[str, Query] = {}
    for query in mapping.queries:
        if mapping.identity and query.table not in names and not TABLES[query.table].required:
            continue
        sql, faults = _spelled_out(query, names)
        problems.extend(faults)
        resolved[query.table] = Query(query.table, query.place, sql)
    if problems:
        raise SourceError("\n".join(problems))
    return resolved


def check_queries(
    con: duckdb.DuckDBPyConnection, queries: MappingOf[str, Query], raw: MappingOf[str, Iterable[str]]
) -> dict[str, tuple[Output, ...]]:
    """The output columns, with types, of resolved SELECTs by canonical table.

    Raises SourceError with all problems at once: columns that are not there (file, line, near match)
    and outputs that lack a column the canonical table needs.
    """
    outputs: dict[str, tuple[Output, ...]] = {}
    problems: list[str] = []
    for name, query in queries.items():
        try:
            rows = con.execute(f"DESCRIBE\n{query.sql}").fetchall()
        except duckdb.Error as error:
            problems.append(_binding_problem(query, str(error), raw))
            continue
        outputs[name] = tuple(Output(row[0], row[1]) for row in rows)
        problems.extend(_lacking(query, outputs[name]))
    if problems:
        raise SourceError("\n".join(problems))
    return outputs


def _lacking(query: Query, outputs: tuple[Output, ...]) -> list[str]:
    names = [output.name for output in outputs]
    found = {name.lower() for name in names}
    return [
        f"{query.place}: the output for {query.table!r} needs a column {column.name!r}, found "
        f"{', '.join(names)}.{_near(column.name, names)} Name it with AS {column.name}."
        for column in TABLES[query.table].columns
        if column.needed and column.name not in found
    ]


def _query(path: Path) -> Query:
    table = path.stem.lower()
    if table not in TABLES:
        raise SourceError(
            f"{path}: no canonical table is called {path.stem!r}.{_near(path.stem, TABLES)} "
            f"Name the file after one of {', '.join(TABLES)}."
        )
    text = path.read_text(encoding="utf-8")
    return Query(table, str(path), _one_select(path, text))


def _one_select(path: Path, text: str) -> str:
    """The text without a closing semicolon, once it has been seen to hold one SELECT and nothing else."""
    try:
        statements = [
            tree for tree in sqlglot.parse(text, dialect="duckdb") if isinstance(tree, exp.Expression)
        ]
        tokens = sqlglot.tokenize(text, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        detail = error.errors[0] if isinstance(error, sqlglot.ParseError) and error.errors else {}
        line = f", line {detail['line']}" if "line" in detail else ""
        raise SourceError(f"{path}{line}: not valid SQL: {detail.get('description', error)}.") from error
    statements = [tree for tree in statements if not isinstance(tree, exp.Semicolon)]
    kinds = [type(tree).__name__.upper() for tree in statements]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise SourceError(f"{path}: expected exactly one SELECT, found {', '.join(kinds) or 'nothing'}.")
    _refuse_functions(path, statements[0])
    return text[: tokens[-1].start] if tokens[-1].text == ";" else text


def _refuse_functions(path: Path, tree: exp.Expression) -> None:
    for node in tree.find_all(exp.Func):
        name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        if name in _UNSTEADY or isinstance(node, _UNSTEADY_NODES):
            raise SourceError(
                f"{path}: {name}() gives another value each time. Use a column or a fixed value."
            )
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier | exp.GenerateSeries):
            raise SourceError(
                f"{path}: FROM {table.this.sql('duckdb')} reads from outside the source. "
                "Put the file into the source folder and name it as a table."
            )


def _spelled_out(query: Query, names: dict[str, str]) -> tuple[str, list[str]]:
    """The SQL with raw tables qualified in place, so that lines stay lines; and what is not there."""
    places: dict[int, tuple[int, str]] = {}
    faults: list[str] = []
    tree = sqlglot.parse_one(query.sql, dialect="duckdb")
    for scope in traverse_scope(tree):
        within = {name.lower() for name in scope.cte_sources}
        for table in scope.tables:
            schema, name = table.db.lower(), table.name.lower()
            if not isinstance(table.this, exp.Identifier) or (not schema and name in within):
                continue
            line = table.this.meta["line"]
            if schema not in ("", RAW_SCHEMA) or name not in names:
                written = f"{table.db}.{table.name}" if table.db else table.name
                faults.append(
                    f"{query.place}, line {line}: the source has no table {written!r}, it has "
                    f"{', '.join(names.values())}.{_near(table.name, names.values())} Correct the name "
                    f"or add the file; where the source never has it, delete {query.table}.sql."
                )
            elif not schema:
                places[table.this.meta["start"]] = (
                    table.this.meta["end"],
                    f"{RAW_SCHEMA}.{quoted(names[name])}",
                )
    sql = query.sql
    for start in sorted(places, reverse=True):
        end, replacement = places[start]
        sql = sql[:start] + replacement + sql[end + 1 :]
    return sql, faults


def _binding_problem(query: Query, said: str, raw: MappingOf[str, Iterable[str]]) -> str:
    """What DuckDB could not bind, with line and near match among all raw columns the SELECT can see."""
    at = re.search(r"LINE (\d+):", said)
    line = max(int(at[1]) - 1, 1) if at else 1
    column = re.search(r'Referenced column "([^"]+)"|column named "([^"]+)"', said)
    if column is None:
        return f"{query.place}, line {line}: {said.splitlines()[0]}. Correct the SELECT."
    name = column[1] or column[2]
    used = [table for table in raw if f"{RAW_SCHEMA}.{quoted(table)}".lower() in query.sql.lower()]
    candidates = [candidate for table in used for candidate in raw[table]]
    there = "; ".join(f"{table}: {', '.join(raw[table])}" for table in used)
    return (
        f"{query.place}, line {line}: there is no column {name!r}; the raw tables it reads have {there}."
        f"{_near(name, candidates)} Correct the name, or leave the column out where the source has none."
    )


def _near(name: str, candidates: Iterable[str]) -> str:
    lowered = {candidate.lower(): candidate for candidate in candidates}
    match = difflib.get_close_matches(name.lower(), lowered, n=1)
    return f" Did you mean {lowered[match[0]]!r}?" if match else ""
