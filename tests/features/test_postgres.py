"""The same definitions on a real PostgreSQL, through psql, give the same values as on DuckDB."""

import csv
import io
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from data.warehouse import memory_tables
from features.assemble import feature_table
from features.snapshots import Calendar, deal_snapshots
from tests.features.worlds import END, features_at, frame_of, generate

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"))
TYPES = {"string": "text", "int64": "bigint", "float64": "double precision", "boolean": "boolean"}
CALENDAR = Calendar(END, 7 * 86_400)
Query = Callable[[str], str]


@pytest.fixture
def query() -> Iterator[Query]:
    """Runs SQL on a server of its own, which lives in a temporary folder and listens on no port."""
    if not (BINARIES / "initdb").exists():
        pytest.skip("no PostgreSQL server is installed here")
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str, sql: str | None = None) -> str:
        command = [*user, str(BINARIES / program), *arguments]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr[:2000]
        return done.stdout

    run("initdb", "-D", f"{folder}/db", "-A", "trust", "-E", "UTF8")
    quiet = ["-D", f"{folder}/db", "-l", f"{folder}/log", "-w", "-s"]
    subprocess.run(
        [*user, str(BINARIES / "pg_ctl"), *quiet, "-o", f"-k {folder} -h ''", "start"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        yield lambda sql: run(
            "psql", "-h", str(folder), "-d", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1", sql=sql
        )
    finally:
        run("pg_ctl", *quiet, "-m", "fast", "stop")
        shutil.rmtree(folder)


def load(query: Query, name: str, table: ir.Table) -> None:
    columns = ", ".join(
        f'"{key}" {TYPES.get(str(dtype), "timestamptz")}' for key, dtype in table.schema().items()
    )
    query(f'create table "{name}" ({columns});')
    inserts = []
    for row in table.to_pyarrow().to_pylist():
        cells = ("null" if v is None else "'" + str(v).replace("'", "''") + "'" for v in row.values())
        inserts.append(f'insert into "{name}" values ({", ".join(cells)});')
    query("\n".join(["begin;", *inserts, "commit;"]))


def same(text: str, value: Any) -> bool:
    """Whether a CSV cell of PostgreSQL holds a value; floats to 1e-12."""
    if value is None or isinstance(value, str):
        return text == (value or "")
    if isinstance(value, bool):
        return text == ("t" if value else "f")
    return text != "" and math.isclose(float(text), value, rel_tol=1e-12)


@pytest.mark.slow
def test_postgresql_gives_the_same_values(query: Query) -> None:
    tables = memory_tables(generate(11, deals=8))
    features = features_at(tables, END)
    for name, table in tables.items():
        load(query, name, table)
    unbound = {name: ibis.table(table.schema(), name=name) for name, table in tables.items()}

    def keep(name: str, table: ir.Table) -> ir.Table:
        sql = ibis.to_sql(table, dialect="postgres")
        query(f'drop table if exists "kept_{name}"; create table "kept_{name}" as {sql};')
        return ibis.table(table.schema(), name=f"kept_{name}")

    wide = feature_table(unbound, deal_snapshots(unbound, CALENDAR), features, keep)
    sql = ibis.to_sql(wide.order_by("opportunity_id", "slot"), dialect="postgres")
    found = list(
        csv.DictReader(io.StringIO(query(f"copy ({sql}) to stdout with (format csv, header true);")))
    )
    expected = frame_of(tables, CALENDAR, features).drop_columns(["as_of"]).to_pylist()
    assert len(found) == len(expected) > 0
    wrong = {
        name: (row[name], value)
        for row, truth in zip(found, expected, strict=True)
        for name, value in truth.items()
        if not same(row[name], value)
    }
    assert not wrong
