"""A small hand-written CRM export, and ways to load and read it back."""

from pathlib import Path
from typing import Any

import duckdb

from data.extract import ExtractReport, extract

SMALL: dict[str, str] = {
    "accounts": (
        "account_id,name,employees,created_at,x_tier\nA1,Acme,50,2024-01-01,gold\nA2,Beta,,2024-01-02,\n"
    ),
    "opportunities": (
        "opportunity_id,account_id,created_at,closed_at,outcome\n"
        "D1,A1,2024-02-01,2024-03-01,won\nD2,A1,2024-02-02,2024-03-02,lost\nD3,A9,2024-02-03,,\n"
    ),
    "opportunity_changes": (
        "opportunity_id,field,old_value,new_value,changed_at\n"
        "D1,stage,,Lead,2024-02-01\nD1,stage,Lead,Offer,2024-02-01\nD1,x_mood,,good,2024-02-05\n"
    ),
    "activities": (
        "activity_id,opportunity_id,kind,occurred_at,known_at\n"
        "C1,D1,call,2024-02-10T09:30:00-05:00,2024-02-12T00:00:00Z\nC2,D2,email,2024-02-11T00:00:00Z,\n"
    ),
    "activity_participants": "activity_id,contact_id,user_id\nC1,P1,\nC1,,U1\n",
}


def write(folder: Path, tables: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def load(
    source: Path, workspace: Path, mapping: str | Path = "canonical", share: float = 0.01
) -> ExtractReport:
    return extract(source=source, mapping=mapping, workspace=workspace, max_reject_share=share)


def rows(workspace: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(workspace / "warehouse.duckdb"), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(sql).fetchall()


def content(workspace: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the warehouse but the ledger, by table."""
    names = rows(
        workspace, "SELECT schema_name, table_name FROM duckdb_tables() WHERE table_name <> 'load_ledger'"
    )
    return {f"{schema}.{name}": rows(workspace, f'FROM {schema}."{name}"') for schema, name in names}
