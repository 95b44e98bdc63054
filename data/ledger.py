"""The load ledger: one row per load, in the warehouse it describes, carried over from load to load."""

import json
from dataclasses import asdict, dataclass

import duckdb

from data.rejects import TableCount

__all__ = ["LedgerRow", "read_ledger", "write_ledger"]


@dataclass(frozen=True)
class LedgerRow:
    """One load: `fingerprint` covers files, mapping and schema; `loaded_at` is the UTC time of it."""

    load_id: str
    fingerprint: str
    schema_version: str
    source: str
    mapping: str
    counts: dict[str, TableCount]
    loaded_at: str


def read_ledger(con: duckdb.DuckDBPyConnection) -> tuple[LedgerRow, ...]:
    """All loads, oldest first."""
    rows = con.execute(
        "SELECT load_id, fingerprint, schema_version, source, mapping, counts, loaded_at "
        "FROM load_ledger ORDER BY n"
    ).fetchall()
    return tuple(
        LedgerRow(load_id, fingerprint, version, source, mapping, _counts(counts), loaded_at)
        for load_id, fingerprint, version, source, mapping, counts, loaded_at in rows
    )


def write_ledger(con: duckdb.DuckDBPyConnection, rows: tuple[LedgerRow, ...]) -> None:
    """Create the ledger with these rows."""
    con.execute(
        "CREATE TABLE load_ledger (n BIGINT, load_id VARCHAR, fingerprint VARCHAR, schema_version VARCHAR, "
        "source VARCHAR, mapping VARCHAR, counts VARCHAR, loaded_at VARCHAR)"
    )
    for n, row in enumerate(rows, start=1):
        counts = json.dumps({table: asdict(count) for table, count in row.counts.items()})
        named = (row.load_id, row.fingerprint, row.schema_version, row.source, row.mapping)
        con.execute(
            "INSERT INTO load_ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [n, *named, counts, row.loaded_at]
        )


def _counts(text: str) -> dict[str, TableCount]:
    return {table: TableCount(**counts) for table, counts in json.loads(text).items()}
