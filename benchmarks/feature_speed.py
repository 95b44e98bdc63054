"""Features of many snapshots: the engine against hand-written SQL for the same columns.

    python benchmarks/feature_data.py DIR --deals 100000 --per-deal 100
    python benchmarks/feature_speed.py DIR

Each side runs in a process of its own, reads the same Parquet files and ends with an Arrow table sorted
by deal and instant. Prints wall and CPU seconds, peak memory and the ratio, after checking that all
columns are equal (floats to 1e-9).
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feature_data import DAY, LIFE_DAYS, START
from features_by_hand import ROLES, statements

from data.schema import TABLES
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.snapshots import Calendar, deal_snapshots

ANCHOR = START + 700 * DAY
WEEK = 7 * DAY
PLAIN = {
    "stakeholders_engaged", "stakeholders_engaged_30d", "stakeholders_engaged_90d", "top_contact_share",
    "unknown_role_touches", "inbound_share", "inbound_30d", "days_since_activity", "days_since_two_way",
    "activities_ever", "activities_30d", "activities_90d", "weekly_activity_slope",
}  # fmt: skip
COLUMNS = PLAIN | {
    name for role in ROLES for name in (f"{role}_touches", f"{role}_touches_90d", f"days_since_{role}")
}
TYPES = {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "boolean": "BOOLEAN",
         "timestamp": "TIMESTAMPTZ"}  # fmt: skip


def warehouse(directory: Path) -> Path:
    """The generated files as canonical tables in a DuckDB file; deals close after their life."""
    path = directory / "warehouse.duckdb"
    if path.exists():
        return path
    con = ibis.duckdb.connect(path)
    con.raw_sql("SET TimeZone='UTC'")
    for name, table in TABLES.items():
        file = directory / f"{name}.parquet"
        have = set(pq.read_schema(file).names) if file.exists() else set()
        columns = [
            f"{c.name if c.name in have else 'NULL'}::{TYPES[c.dtype]} AS {c.name}" for c in table.columns
        ]
        if table.key is None:
            columns.append("0::BIGINT AS source_row")
        source = f"read_parquet('{file}')" if have else "(SELECT 1 WHERE false)"
        con.raw_sql(f"CREATE TABLE {name} AS SELECT {', '.join(columns)} FROM {source}")
    con.raw_sql(
        f"UPDATE opportunities SET closed_at = created_at + INTERVAL {LIFE_DAYS} DAY, outcome = 'lost'"
    )
    con.disconnect()
    return path


def connect(directory: Path, threads: int) -> Any:
    con = ibis.duckdb.connect(directory / "warehouse.duckdb", read_only=True)
    con.raw_sql(f"SET TimeZone='UTC'; SET threads={threads}; SET preserve_insertion_order=false")
    return con


def by_engine(directory: Path, threads: int, whole: bool) -> tuple[pa.Table, float, float]:
    con = connect(directory, threads)
    tables = {name: con.table(name) for name in TABLES}
    features = [feature for feature in catalogue() if whole or feature.name in COLUMNS]
    snapshots = deal_snapshots(tables, Calendar(datetime.fromtimestamp(ANCHOR, UTC), WEEK))
    wall, cpu = time.perf_counter(), time.process_time()
    frame = feature_frame(con, tables, snapshots, features)
    return frame, time.perf_counter() - wall, time.process_time() - cpu


def by_hand(directory: Path, threads: int) -> tuple[pa.Table, float, float]:
    con = connect(directory, threads)
    wall, cpu = time.perf_counter(), time.process_time()
    for statement in statements(ANCHOR, LIFE_DAYS):
        con.con.execute(statement)
    frame = con.con.execute("SELECT * FROM features ORDER BY opportunity_id, slot").to_arrow_table()
    return frame, time.perf_counter() - wall, time.process_time() - cpu


def run_side(directory: Path, side: str, threads: int, keep: Path) -> None:
    if side == "hand":
        frame, wall, cpu = by_hand(directory, threads)
    else:
        frame, wall, cpu = by_engine(directory, threads, whole=side == "whole")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    figures = {"side": side, "rows": frame.num_rows, "columns": frame.num_columns - 2}
    figures |= {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_gb": round(peak, 2)}
    print(json.dumps(figures), flush=True)
    if side != "whole":
        pq.write_table(frame, keep / f"{side}.parquet")


def check_equal(keep: Path) -> None:
    engine, hand = pq.read_table(keep / "engine.parquet"), pq.read_table(keep / "hand.parquet")
    assert engine.column("opportunity_id").equals(hand.column("opportunity_id"))
    for name in sorted(COLUMNS):
        ours = engine.column(name).to_numpy().astype(float)
        theirs = hand.column(name).to_numpy().astype(float)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=name)
    print(f"{len(COLUMNS)} columns × {engine.num_rows:,} rows are equal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=("engine", "hand", "whole"))
    parser.add_argument("--keep", type=Path, default=Path("build"))
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    if arguments.side:
        run_side(arguments.directory, arguments.side, arguments.threads, arguments.keep)
        return
    warehouse(arguments.directory)
    for _ in range(arguments.runs):
        for side in ("hand", "engine", "whole"):
            command = [sys.executable, __file__, str(arguments.directory), "--side", side]
            command += ["--threads", str(arguments.threads), "--keep", str(arguments.keep)]
            subprocess.run(command, check=True)
    check_equal(arguments.keep)


if __name__ == "__main__":
    main()
