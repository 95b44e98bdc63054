"""Answers to mutual-qualification sheets: kept in the server's store, loaded as `qualification` rows.

The store is one SQLite file in the workspace. Only the load reads it outside the server, and read-only.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import sqlalchemy as sa

from data.errors import SourceError
from data.schema import QUESTIONS, SIDES

__all__ = [
    "STORE_FILE",
    "Instant",
    "answered",
    "answers",
    "answers_digest",
    "answers_metadata",
]  # fmt: skip

STORE_FILE = "serve.db"
"""The server's store, in the workspace."""

_SCHEMA = pa.schema(
    [
        ("opportunity_id", pa.string()),
        ("question", pa.string()),
        ("side", pa.string()),
        ("answer", pa.int64()),
        ("evidence", pa.string()),
        ("known_at", pa.timestamp("us", "UTC")),
        ("sheet_id", pa.string()),
        ("round", pa.int64()),
        ("submitted_at", pa.timestamp("us", "UTC")),
    ]
)


class Instant(sa.TypeDecorator[datetime]):
    """A UTC instant, kept as ISO 8601 text with microseconds, which sorts as time does."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        """Raises ValueError for a time without a zone: it names no instant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with a zone, found {value.isoformat()}")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        """The instant, with its zone."""
        return None if value is None else datetime.fromisoformat(value)


answers_metadata = sa.MetaData()

answers = sa.Table(
    "answers",
    answers_metadata,
    sa.Column("sheet_id", sa.String, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("side", sa.String, primary_key=True),
    sa.Column("question", sa.String, primary_key=True),
    sa.Column("opportunity_id", sa.String, nullable=False, index=True),
    sa.Column("answer", sa.Integer, nullable=False),
    sa.Column("evidence", sa.String, nullable=False),
    sa.Column("submitted_at", Instant, nullable=False),
    sa.CheckConstraint(f"side IN {SIDES}", name="side_known"),
    sa.CheckConstraint(f"question IN {QUESTIONS}", name="question_known"),
    sa.CheckConstraint("answer BETWEEN 0 AND 4", name="answer_in_range"),
)
"""Submitted answers, four of a side at once; once both sides' are in, they never change. evidence: as typed,
perhaps empty."""


def answered(workspace: Path) -> pa.Table:
    """The answers of every round of a sheet that both sides have submitted, in the order they became known.

    Columns: those of `qualification`, then sheet_id, round, submitted_at. known_at: when the second side
    submitted; before that nobody sees either, a model included. Empty where there is no store. Raises
    SourceError if the store cannot be read.
    """
    file = workspace / STORE_FILE
    if not file.is_file():
        return _SCHEMA.empty_table()
    try:
        return _SCHEMA.empty_table() if not (rows := _complete(file)) else _table(rows)
    except sa.exc.SQLAlchemyError as error:
        said = str(error.__cause__ or error).splitlines()[0]
        raise SourceError(
            f"{file}: the answers to sheets cannot be read ({said}). Restore the file from a backup, or move "
            "it away to load without them."
        ) from error


def answers_digest(table: pa.Table) -> str:
    """SHA-256 over the answers, in hex; empty text where there are none."""
    if not table.num_rows:
        return ""
    return hashlib.sha256(repr([tuple(row.values()) for row in table.to_pylist()]).encode()).hexdigest()


def _complete(file: Path) -> list[dict[str, Any]]:
    """The answers of complete rounds, each with its round's known_at."""
    complete = (
        sa.select(answers.c.sheet_id, answers.c.round, sa.func.max(answers.c.submitted_at).label("known_at"))
        .group_by(answers.c.sheet_id, answers.c.round)
        .having(sa.func.count(answers.c.side.distinct()) == len(SIDES))
        .subquery()
    )
    both = sa.and_(answers.c.sheet_id == complete.c.sheet_id, answers.c.round == complete.c.round)
    wanted = (
        sa.select(answers, complete.c.known_at)
        .join(complete, both)
        .order_by("known_at", "sheet_id", answers.c.round, "question", "side")
    )
    readable = {"mode": "ro", "uri": "true"}
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=f"file:{quote(str(file.absolute()))}", query=readable)
    )
    try:
        with engine.connect() as con:
            if not sa.inspect(con).has_table(answers.name):
                return []
            return [dict(row) for row in con.execute(wanted).mappings()]
    finally:
        engine.dispose()


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table([[row[name] for row in rows] for name in _SCHEMA.names], schema=_SCHEMA)
