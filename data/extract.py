"""From raw files to the warehouse: built beside the old one, checked, and swapped in whole."""
# ruff: noqa: S608 -- identifiers cannot be bound; they come from the schema, or are quoted

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.answers import answered, answers_digest
from data.casting import Output, casting
from data.coverage import Coverage, read_coverage, write_coverage
from data.errors import DataContractError
from data.files import RawFile, content_digest, find_files, load_raw, raw_columns
from data.ledger import LedgerRow, read_ledger, write_ledger
from data.mapping import Mapping, Query, check_queries, load_mapping, resolve
from data.names import quoted
from data.rejects import TableCount, check_share, create_rejects, keep_superseded, reject_late, reject_rows
from data.schema import CUSTOM_PREFIX, PROMISE_EVENTS, SOURCE_ROW, TABLES, Table, schema_version
from data.sheet_rows import add_answers
from data.signals import Lexicon, derive_signals, load_lexicon
from data.signals.tables import create_text_tables, signal_counts
from data.validation import ENGINE_TYPES, pass_gate
from data.warehouse import WAREHOUSE_FILE

__all__ = ["ExtractReport", "extract"]

_EXTRACT_VERSION = "4"
"""Part of the fingerprint: to be raised when the same input is to give another warehouse."""


@dataclass(frozen=True)
class ExtractReport:
    """What a load did. rows: kept, by table that the source has. rejects: rejected rows, where any.

    signals: rows read from activity texts, by moment kind and promise event.
    """

    load_id: str
    fingerprint: str
    unchanged: bool
    rows: dict[str, int]
    rejects: dict[str, int]
    coverage: Coverage
    warnings: tuple[str, ...]
    signals: dict[str, int] = field(default_factory=dict)


def extract(
    *,
    source: Path,
    mapping: str | Path,
    workspace: Path,
    max_reject_share: float,
    signals: str = "shipped",
    on_step: Callable[[str], None] | None = None,
) -> ExtractReport:
    """Load the source folder into WORKSPACE/warehouse.duckdb; the caller holds the workspace's lock.

    The answers that both sides gave on the workspace's sheets become rows of `qualification`. The old
    warehouse stays as it is until the new one is complete and on disk. The same input as last time leaves
    it alone. max_reject_share: 0 to 1, per table. signals: a lexicon's file,
    "shipped", or "off" to read no text. on_step is told, in words, what begins.
    Raises SourceError (files, mapping, lexicon) and DataContractError (too many rejected rows; they are then
    kept in WORKSPACE/rejected).
    """
    tell = on_step or (lambda _: None)
    tell("reading the source's fingerprint")
    files, chosen = find_files(source), load_mapping(mapping)
    lexicon, sheets = _lexicon(signals), answered(workspace)
    fingerprint = _fingerprint(files, chosen, lexicon, sheets)
    workspace.mkdir(parents=True, exist_ok=True)
    warehouse, new = workspace / WAREHOUSE_FILE, workspace / f"{WAREHOUSE_FILE}.new"
    _remove(new)
    ledger, warnings = _old_ledger(warehouse)
    if ledger and ledger[-1].fingerprint == fingerprint:
        with duckdb.connect(str(warehouse), read_only=True) as con:
            check_share(con, ledger[-1].counts, max_reject_share)
            told = signal_counts(con)
            return _report(ledger[-1], read_coverage(con), told, sheets, unchanged=True, warnings=warnings)
    load_id = f"{len(ledger) + 1:04d}-{fingerprint[:12]}"
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = LedgerRow(load_id, fingerprint, schema_version(), str(source), chosen.name, {}, at)
    try:
        done, coverage, told = _build(
            new, files, chosen, lexicon, sheets, (*ledger, row), workspace, max_reject_share, tell
        )
        tell("putting the new warehouse in place")
        _put_in_place(new, warehouse)
    finally:
        _remove(new)
    return _report(done, coverage, told, sheets, unchanged=False, warnings=warnings)


def _lexicon(signals: str) -> Lexicon | None:
    if signals == "off":
        return None
    return load_lexicon(None if signals == "shipped" else Path(signals).expanduser())


def _fingerprint(
    files: tuple[RawFile, ...], mapping: Mapping, lexicon: Lexicon | None, sheets: pa.Table
) -> str:
    read_by = lexicon.digest if lexicon else "off"
    parts = [content_digest(files), mapping.digest(), schema_version(), _EXTRACT_VERSION, read_by]
    if sheets.num_rows:
        parts.append(answers_digest(sheets))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _old_ledger(warehouse: Path) -> tuple[tuple[LedgerRow, ...], tuple[str, ...]]:
    """The ledger so far; empty, with a warning, if the old warehouse cannot be read."""
    if not warehouse.exists():
        return (), ()
    try:
        with duckdb.connect(str(warehouse), read_only=True) as con:
            return read_ledger(con), ()
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        return (), (
            f"{warehouse}: the old warehouse could not be read ({said}); it is built anew from the source.",
        )


def _build(
    new: Path,
    files: tuple[RawFile, ...],
    mapping: Mapping,
    lexicon: Lexicon | None,
    sheets: pa.Table,
    ledger: tuple[LedgerRow, ...],
    workspace: Path,
    max_reject_share: float,
    tell: Callable[[str], None],
) -> tuple[LedgerRow, Coverage, dict[str, int]]:
    """Fill the new warehouse file in one transaction, its ledger row included."""
    with duckdb.connect(str(new)) as con:
        con.execute("SET TimeZone = 'UTC'")
        tell(f"loading {len(files)} raw tables")
        load_raw(con, *_to_load(files, mapping))
        raw = {file.table: () for file in files} | raw_columns(con)
        queries = resolve(mapping, raw)
        outputs = check_queries(con, queries, raw)
        create_rejects(con)
        present: dict[str, frozenset[str]] = {}
        ignored: dict[str, tuple[str, ...]] = {}
        counts: dict[str, TableCount] = {}
        for table in TABLES.values():
            if table.name not in queries:
                _create_empty(con, table)
                continue
            tell(f"mapping and checking {table.name}")
            present[table.name], ignored[table.name] = _fill(
                con, table, queries[table.name], outputs[table.name]
            )
            counts[table.name] = _count(con, table)
        add_answers(con, sheets)
        if sheets.num_rows:
            table = TABLES["qualification"]
            present.setdefault(table.name, frozenset(table.column_names))
            counts[table.name] = _count(con, table)
        _stop_on_rejects(
            con, counts, max_reject_share, workspace / "rejected" / f"{ledger[-1].load_id}.parquet"
        )
        create_text_tables(con)
        if lexicon:
            tell("reading activity texts")
            derive_signals(con, lexicon)
        tell("checking the contract and coverage")
        write_coverage(con, present, ignored)
        pass_gate(con, present)
        done = LedgerRow(**{**vars(ledger[-1]), "counts": counts})
        write_ledger(con, (*ledger[:-1], done))
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
        return done, read_coverage(con), signal_counts(con)


def _to_load(
    files: tuple[RawFile, ...], mapping: Mapping
) -> tuple[tuple[RawFile, ...], Callable[[str, str], bool]]:
    """The files that a mapping may read, and which of their columns are text whatever they look like.

    The identity reads no other files than those of canonical tables, and knows their plain texts and `x_`
    columns: sniffed, these would be written in another way once a later row brings another type.
    """
    if not mapping.identity:
        return files, lambda table, column: False

    def is_text(table: str, column: str) -> bool:
        name, canonical = column.lower(), TABLES[table.lower()]
        if name.startswith(CUSTOM_PREFIX):
            return True
        return any(
            one.name == name and one.dtype == "string" and not one.references and name != canonical.key
            for one in canonical.columns
        )

    return tuple(file for file in files if file.table.lower() in TABLES), is_text


def _fill(
    con: duckdb.DuckDBPyConnection, table: Table, query: Query, outputs: tuple[Output, ...]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Create one canonical table from its mapping; returns the columns it has and those it ignored."""
    cast = casting(table, query.sql, outputs)
    # one thread: with more, joins and groupings put rows out in another order each time
    con.execute("SET threads = 1")
    con.execute(f"CREATE OR REPLACE TEMP TABLE checked AS {cast.sql}")
    con.execute("RESET threads")
    reject_rows(con, table, cast.checks)
    any_late = reject_late(con, table, cast.columns)
    if any_late:
        keep_superseded(con, table, cast.columns)
    kept = (SOURCE_ROW,) * (table.key is None) + cast.columns
    without = (
        f"AND {SOURCE_ROW} NOT IN (SELECT source_row FROM late) ORDER BY {SOURCE_ROW}" if any_late else ""
    )
    con.execute(
        f"CREATE TABLE {quoted(table.name)} AS SELECT {', '.join(quoted(name) for name in kept)} "
        f"FROM checked WHERE problem IS NULL {without}"
    )
    con.execute("DROP TABLE checked")
    return cast.present, cast.ignored


def _create_empty(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = [f"{quoted(c.name)} {ENGINE_TYPES[c.dtype]}" for c in table.columns]
    first = [] if table.key else [f"{SOURCE_ROW} BIGINT"]
    con.execute(f"CREATE TABLE {quoted(table.name)} ({', '.join([*first, *columns])})")


def _count(con: duckdb.DuckDBPyConnection, table: Table) -> TableCount:
    rejected, apart = con.execute(
        'SELECT count(*), count(*) FILTER (NOT counted) FROM rejected_rows WHERE "table" = ?', [table.name]
    ).fetchall()[0]
    kept = con.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchall()[0][0]
    return TableCount(kept + rejected, kept, rejected, apart)


def _stop_on_rejects(
    con: duckdb.DuckDBPyConnection, counts: dict[str, TableCount], max_share: float, file: Path
) -> None:
    try:
        check_share(con, counts, max_share)
    except DataContractError as error:
        file.parent.mkdir(exist_ok=True)
        pq.write_table(con.sql("FROM rejected_rows").to_arrow_table(), file)
        raise DataContractError(
            f"Too many rows break the data contract; nothing was replaced.\n{error}\n"
            f"All rejected rows, with reasons, are in {file}. Correct the export or the mapping, "
            "or raise max_reject_share."
        ) from error


def _put_in_place(new: Path, warehouse: Path) -> None:
    """Replace the warehouse by the closed new file, once its bytes and its folder entry are on disk."""
    for path in (new, new.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            if path is new:
                new.replace(warehouse)
        finally:
            os.close(descriptor)


def _remove(new: Path) -> None:
    """Remove what an earlier, killed load left behind."""
    for path in (new, new.with_name(f"{new.name}.wal")):
        path.unlink(missing_ok=True)


def _report(
    row: LedgerRow,
    coverage: Coverage,
    signals: dict[str, int],
    sheets: pa.Table,
    *,
    unchanged: bool,
    warnings: tuple[str, ...],
) -> ExtractReport:
    rejects = {table: count.rejected for table, count in row.counts.items() if count.rejected}
    said = [
        f"{table}: {n:,} of {row.counts[table].mapped:,} rows rejected (table rejected_rows)"
        for table, n in rejects.items()
    ]
    said += [f"{note.table}.{note.column}: {note.note} ({note.rows:,} rows)" for note in coverage.notes]
    if signals:
        promises = sum(signals.get(event, 0) for event in PROMISE_EVENTS)
        said.append(f"from text: {sum(signals.values()) - promises:,} moments, {promises:,} promises")
    if sheets.num_rows:
        n_deals = pc.count_distinct(sheets["opportunity_id"]).as_py()
        said.append(f"from sheets: {sheets.num_rows:,} answers on {n_deals:,} deals")
    rows = {table: count.kept for table, count in row.counts.items()}
    return ExtractReport(
        row.load_id, row.fingerprint, unchanged, rows, rejects, coverage, (*warnings, *said), signals
    )  # fmt: skip
