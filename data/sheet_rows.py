"""Answers to sheets as rows of the warehouse's `qualification`, beside those of the source."""

import duckdb
import pyarrow as pa

__all__ = ["SHEET_ROWS", "add_answers"]

SHEET_ROWS = "qualification_from_sheets"
"""The warehouse's table that says which rows of `qualification`, by source_row, were answered on a sheet."""

_UNKNOWN_DEAL = "not found in opportunities (answered on a sheet)"


def add_answers(con: duckdb.DuckDBPyConnection, table: pa.Table) -> None:
    """Add the answers to `qualification`, after the source's rows, and list them in `SHEET_ROWS`.

    Those of a deal that the load does not know are kept in `rejected_rows`, outside the tolerated share: a
    deal may leave the export long after its sheet was answered. Of a table without a key, rows may repeat.
    """
    con.register("sheet_answers", table)
    con.execute(
        "CREATE TEMP TABLE from_sheets AS SELECT start + row_number() OVER () AS source_row, *, "
        "opportunity_id IN (SELECT opportunity_id FROM opportunities) AS known_deal FROM sheet_answers, "
        "(SELECT COALESCE(max(source_row), 0) AS start FROM (SELECT source_row FROM qualification UNION ALL "
        "SELECT source_row FROM rejected_rows WHERE \"table\" = 'qualification'))"
    )
    con.execute(
        "INSERT INTO qualification BY NAME SELECT source_row, opportunity_id, question, side, answer, "
        "NULLIF(evidence, '') AS evidence, known_at FROM from_sheets WHERE known_deal ORDER BY source_row"
    )
    con.execute(
        "INSERT INTO rejected_rows SELECT 'qualification', opportunity_id, 'opportunity_id', opportunity_id, "
        "?, CAST(to_json({opportunity_id: opportunity_id, question: question, side: side, answer: answer, "
        "evidence: evidence, known_at: known_at, sheet_id: sheet_id, round: round}) AS VARCHAR), source_row, "
        "false FROM from_sheets WHERE NOT known_deal ORDER BY source_row",
        [_UNKNOWN_DEAL],
    )
    con.execute(
        f"CREATE TABLE {SHEET_ROWS} AS SELECT source_row, sheet_id, round, submitted_at FROM from_sheets "  # noqa: S608 -- a fixed name
        "WHERE known_deal ORDER BY source_row"
    )
    con.execute("DROP TABLE from_sheets")
    con.unregister("sheet_answers")
