"""Raw tables from a folder of CSV, CSV.gz and Parquet files: one table per file, named after its stem."""
# ruff: noqa: S608 -- paths and names cannot be bound; they are quoted

import csv
import gzip
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from data.errors import SourceError
from data.names import literal, quoted

__all__ = ["RAW_SCHEMA", "RawFile", "content_digest", "find_files", "load_raw", "raw_columns"]

RAW_SCHEMA = "raw"
_SUFFIXES: tuple[tuple[str, Literal["csv", "parquet"]], ...] = (
    (".csv.gz", "csv"),
    (".csv", "csv"),
    (".parquet", "parquet"),
)
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class RawFile:
    """A file of the source folder and the raw table it becomes."""

    table: str
    path: Path
    kind: Literal["csv", "parquet"]


def find_files(source: Path) -> tuple[RawFile, ...]:
    """The folder's readable files, by table name; folders below it and other files are passed over.

    Raises SourceError if the folder is missing or holds no such file, or if two files would become
    one table (names are compared without regard to case).
    """
    if not source.is_dir():
        raise SourceError(f"{source}: no such folder. Expected a folder of .csv, .csv.gz or .parquet files.")
    found: dict[str, RawFile] = {}
    for path in sorted(source.iterdir()):
        file = _raw_file(path)
        if file is None:
            continue
        twin = found.setdefault(file.table.lower(), file)
        if twin is not file:
            raise SourceError(
                f"{source}: {twin.path.name} and {path.name} would both become the raw table {file.table!r}. "
                "Keep one of them, or rename one."
            )
    if not found:
        raise SourceError(
            f"{source}: no .csv, .csv.gz or .parquet file at its top (folders below it are not searched). "
            "Put the exported files there, one per table."
        )
    return tuple(found[name] for name in sorted(found))


def content_digest(files: tuple[RawFile, ...]) -> str:
    """SHA-256 over the names and bytes of the files, in hex."""
    digest = hashlib.sha256()
    for file in files:
        with file.path.open("rb") as stream:
            digest.update(f"{file.path.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def load_raw(
    con: duckdb.DuckDBPyConnection,
    files: tuple[RawFile, ...],
    is_text: Callable[[str, str], bool] = lambda table, column: False,
) -> None:
    """Begin a transaction and create in it one table per file in the schema `raw`.

    The connection's time zone must be UTC. is_text(table, column): whether a CSV column is text whatever
    it looks like. A CSV file with a value that fits none of the types sniffed (two date formats in one
    column, say) comes as text as a whole, for the row checks to name that value. Raises SourceError that
    names the file, and the line where the reader gave one.
    """
    untyped: set[str] = set()
    while (failed := _load_all(con, files, is_text, untyped)) is not None:
        # the failure has ended the transaction, and what was loaded in it is gone
        con.execute("ROLLBACK")
        untyped.add(failed.table)


def _load_all(
    con: duckdb.DuckDBPyConnection,
    files: tuple[RawFile, ...],
    is_text: Callable[[str, str], bool],
    untyped: Collection[str],
) -> RawFile | None:
    """Load the files; returns the one that can be read as text but not as the types sniffed, if any."""
    con.execute("BEGIN")
    con.execute(f"CREATE SCHEMA {RAW_SCHEMA}")
    for file in files:
        try:
            reader = _reader(con, file, is_text, file.table in untyped)
            con.execute(f"CREATE TABLE {RAW_SCHEMA}.{quoted(file.table)} AS FROM {reader}")
        except duckdb.Error as error:
            said = _csv_fault(con, file.path) if file.kind == "csv" else _essence(error)
            if said is None and file.table not in untyped:
                return file
            message = f"{file.path}: cannot be read. {said or _essence(error)} Export the file again."
            raise SourceError(message) from error
    return None


def _reader(
    con: duckdb.DuckDBPyConnection, file: RawFile, is_text: Callable[[str, str], bool], untyped: bool
) -> str:
    """The reading expression of a file.

    The dialect is fixed from the header line, since a sniffed one may skip lines it cannot place (a ragged
    file came back empty, without an error). Types are sniffed over the whole file.
    """
    if file.kind == "parquet":
        return f"read_parquet({literal(file.path)})"
    given = f"{literal(file.path)}, {_dialect(_header(file.path))}"
    all_text = f"read_csv({given}, all_varchar=true)"
    if untyped:
        return all_text
    columns = [row[0] for row in con.cursor().execute(f"DESCRIBE FROM {all_text}").fetchall()]
    texts = [f"{literal(column)}: 'VARCHAR'" for column in columns if is_text(file.table, column)]
    types = f", types={{{', '.join(texts)}}}" if texts else ""
    return f"read_csv({given}, sample_size=-1{types})"


def raw_columns(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """The raw tables' names, each with its column names in order."""
    rows = con.execute(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? GROUP BY 1 ORDER BY 1",
        [RAW_SCHEMA],
    ).fetchall()
    return {table: tuple(columns) for table, columns in rows}


def _raw_file(path: Path) -> RawFile | None:
    for suffix, kind in _SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix) and path.is_file():
            return RawFile(path.name[: -len(suffix)], path, kind)
    return None


def _header(path: Path) -> str:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="replace") as stream:
            header = stream.readline()
    except (OSError, EOFError) as error:
        raise SourceError(f"{path}: cannot be read ({error}). Export the file again.") from error
    if not header.strip():
        raise SourceError(
            f"{path}: expected a header line with column names, found none. "
            "Export the file again, or take it out of the folder."
        )
    return header.rstrip("\r\n")


def _dialect(header: str) -> str:
    delimiter = literal(_delimiter(header))
    return (
        f"delim={delimiter}, quote='\"', escape='\"', comment='', header=true, skip=0, "
        "strict_mode=true, null_padding=false"
    )


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _csv_fault(con: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """What is wrong, with its line: the sniffer tells neither, reading every column as text does."""
    header = _header(path)
    names = next(csv.reader([header], delimiter=_delimiter(header)))
    columns = ", ".join(f"{literal(f'{i} {name}')}: 'VARCHAR'" for i, name in enumerate(names))
    try:
        con.cursor().execute(
            f"SELECT count(COLUMNS(*)) FROM read_csv({literal(path)}, {_dialect(header)}, auto_detect=false, "
            f"columns={{{columns}}})"
        ).fetchall()
    except duckdb.Error as error:
        return _essence(error)
    return None


def _essence(error: duckdb.Error) -> str:
    """The reader's message up to its list of settings."""
    lines = [line.strip() for line in str(error).split("Possible")[0].splitlines() if line.strip()]
    said = " ".join(lines)[:400]
    return said if said.endswith(".") else f"{said}."
