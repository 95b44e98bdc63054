"""The two internal tables that hold what activity texts say: declared once, always there, empty without text.

They are no canonical tables: no source fills them, no mapping names them. A row belongs to the version of
its activity that was recorded at `known_at`.
"""

import duckdb

from data.names import quoted
from data.schema import MOMENT_KINDS
from data.validation import ENGINE_TYPES

__all__ = ["OWN_KINDS", "TEXT_KINDS", "TEXT_TABLES", "create_text_tables", "signal_counts"]

OWN_KINDS = ("reference_delivered", "data_shared", "advisor_involved")
"""Kinds that only texts tell: no structured moment is called so."""

TEXT_KINDS = (*MOMENT_KINDS, *OWN_KINDS)

_COMMON = (("evidence", "string"), ("occurred_at", "timestamp"), ("known_at", "timestamp"))
_ENDS = ("superseded_at", "timestamp")
_BEGINS = (("activity_id", "string"), ("opportunity_id", "string"))

TEXT_TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "text_moments": (*_BEGINS, ("kind", "string"), *_COMMON, _ENDS),
    "text_promises": (
        *_BEGINS,
        ("feature", "string"),
        ("event", "string"),
        ("due_at", "timestamp"),
        *_COMMON,
        _ENDS,
    ),
}
"""Columns and types, by table. evidence: the sentence. superseded_at: when a structured row of the same deal
and kind (event, for promises) took its place, null where none has."""


def create_text_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create both tables, empty."""
    for name, columns in TEXT_TABLES.items():
        declared = ", ".join(f"{quoted(column)} {ENGINE_TYPES[dtype]}" for column, dtype in columns)
        con.execute(f"CREATE TABLE {name} ({declared})")


def signal_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows by moment kind and promise event, those of replaced versions of an activity included."""
    rows = con.execute(
        "SELECT kind, count(*) FROM text_moments GROUP BY 1 UNION ALL "
        "SELECT event, count(*) FROM text_promises GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {str(name): int(n) for name, n in rows}
