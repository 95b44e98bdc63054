"""Moments and promises from what activities say, filled into the warehouse in the engine.

Every version of an activity is read: a row belongs to the version recorded at its `known_at`, so that what
was known at a time can be found again. A structured row that tells the same takes a derived one's place from
the time it was recorded.
"""
# ruff: noqa: S608 -- identifiers come from the schema, patterns are literals

import duckdb
import pyarrow as pa

from data.names import quoted
from data.rejects import SUPERSEDED_PREFIX
from data.schema import TABLES
from data.signals.lexicon import Lexicon
from data.signals.matching import moments_sql, promises_sql, sentences_sql
from data.signals.tables import TEXT_TABLES

__all__ = ["derive_signals", "signals_of"]

_NEAR_DAYS = 14
"""How far apart a derived and a structured row may lie and still tell the same."""


def derive_signals(con: duckdb.DuckDBPyConnection, lexicon: Lexicon) -> None:
    """Fill `text_moments` and `text_promises` from the subjects and bodies of activities."""
    if not _has_text(con):
        return
    _find(con, _versions(con), lexicon)
    for name, same, found in (
        ("text_moments", "kind", "found_moments"),
        ("text_promises", "event", "found_promises"),
    ):
        structured = _structured(con, name.removeprefix("text_"), same)
        columns = ", ".join(
            "s.superseded_at" if column == "superseded_at" else f"f.{column}"
            for column, _ in TEXT_TABLES[name]
        )
        con.execute(f"""
            INSERT INTO {name} SELECT {columns} FROM {found} f LEFT JOIN (
                SELECT f.activity_id, f.known_at, f.{same}, min(r.known_at) AS superseded_at
                FROM {found} f JOIN {structured} r
                    ON r.opportunity_id = f.opportunity_id AND r.{same} = f.{same}
                    AND r.occurred_at >= coalesce(f.occurred_at, f.known_at) - INTERVAL {_NEAR_DAYS} DAY
                    AND r.occurred_at <= coalesce(f.occurred_at, f.known_at) + INTERVAL {_NEAR_DAYS} DAY
                GROUP BY ALL
            ) s ON s.activity_id = f.activity_id AND s.known_at = f.known_at AND s.{same} = f.{same}
            ORDER BY f.activity_id, f.known_at, f.{same}{", f.feature" if same == "event" else ""}
        """)
        con.execute(f"DROP TABLE {found}")


def signals_of(texts: pa.Table, lexicon: Lexicon) -> pa.Table:
    """What texts say: a table of id, signal, evidence, feature and due_at, by id and signal.

    texts: columns id, text and occurred_at (UTC timestamps, may be null). signal: a moment's kind or a
    promise's event; the latter has a feature and, where one is said, a due_at.
    """
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("given", texts)
        con.execute(
            "CREATE TEMP TABLE texts AS SELECT CAST(id AS VARCHAR) AS activity_id, '' AS opportunity_id, "
            "CAST(occurred_at AS TIMESTAMPTZ) AS occurred_at, NULL::TIMESTAMPTZ AS known_at, "
            "NULL::VARCHAR AS subject, text AS body FROM given"
        )
        _find(con, "texts", lexicon)
        return con.execute(
            "SELECT activity_id AS id, kind AS signal, evidence, NULL::VARCHAR AS feature, "
            "NULL::TIMESTAMPTZ AS due_at FROM found_moments UNION ALL "
            "SELECT activity_id, event, evidence, feature, due_at FROM found_promises ORDER BY ALL"
        ).to_arrow_table()


def _has_text(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether any activity of a deal says anything: a load without text costs nothing."""
    there = (
        "SELECT 1 FROM activities WHERE opportunity_id IS NOT NULL AND (subject <> '' OR body <> '') LIMIT 1"
    )
    return bool(con.execute(there).fetchall())


def _find(con: duckdb.DuckDBPyConnection, texts: str, lexicon: Lexicon) -> None:
    """Fill the temporary tables found_moments and found_promises."""
    con.execute(f"CREATE TEMP TABLE signal_sentences AS {sentences_sql(texts, lexicon)}")
    bits = {signal: 1 << bit for bit, signal in enumerate((*lexicon.moments, *lexicon.events))}
    for name, rules, select, empty in (
        ("found_moments", lexicon.moments, moments_sql, "kind VARCHAR, evidence VARCHAR"),
        (
            "found_promises", lexicon.events, promises_sql,
            "feature VARCHAR, event VARCHAR, evidence VARCHAR, due_at TIMESTAMPTZ",
        ),
    ):  # fmt: skip
        con.execute(
            f"CREATE TEMP TABLE {name} (activity_id VARCHAR, opportunity_id VARCHAR, "
            f"occurred_at TIMESTAMPTZ, known_at TIMESTAMPTZ, {empty})"
        )
        for signal in rules:
            # a table of its own: else the engine may try the costly expressions on every sentence first
            con.execute(
                "CREATE OR REPLACE TEMP TABLE signal_hinted AS "
                f"SELECT * FROM signal_sentences WHERE flags & {bits[signal]} <> 0"
            )
            con.execute(f"INSERT INTO {name} {select('signal_hinted', signal, lexicon)}")
    con.execute("DROP TABLE signal_sentences; DROP TABLE signal_hinted")


def _versions(con: duckdb.DuckDBPyConnection) -> str:
    """A relation of every version of an activity that could ever stand, one for a key and time recorded."""
    columns = "activity_id, opportunity_id, occurred_at, known_at, subject, body"
    where = "WHERE opportunity_id IS NOT NULL AND known_at IS NOT NULL"
    present = f"SELECT {columns} FROM activities {where}"
    earlier = f"{SUPERSEDED_PREFIX}activities"
    if not _stored(con, earlier):
        return f"({present})"
    # of versions recorded at one time the same stands as in Warehouse.tables
    others = ", ".join(
        quoted(row[0])
        for row in con.execute(f"DESCRIBE {earlier}").fetchall()
        if row[0] != TABLES["activities"].clock
    )
    return f"""(
        {present} UNION ALL SELECT {columns} FROM {earlier} {where}
            AND (activity_id, known_at) NOT IN (SELECT (activity_id, known_at) FROM activities
                WHERE known_at IS NOT NULL)
            QUALIFY row_number() OVER (PARTITION BY activity_id, known_at ORDER BY {others}) = 1
    )"""


def _structured(con: duckdb.DuckDBPyConnection, table: str, same: str) -> str:
    """A relation of the structured rows that tell of the same, replaced versions included."""
    names = [name for name in (table, SUPERSEDED_PREFIX + table) if name == table or _stored(con, name)]
    rows = " UNION ALL ".join(
        f"SELECT opportunity_id, {same}, coalesce(occurred_at, known_at) AS occurred_at, known_at "
        f"FROM {name} WHERE known_at IS NOT NULL"
        for name in names
    )
    return f"({rows})"


def _stored(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    found = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table])
    return bool(found.fetchall()[0][0])
