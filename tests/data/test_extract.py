import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.errors import DataContractError
from data.warehouse import open_warehouse
from tests.data.sources import SMALL, content, load, rows, write


def test_the_same_input_loaded_twice_leaves_the_warehouse_alone(tmp_path: Path) -> None:
    source = write(tmp_path / "in", SMALL)
    first = load(source, tmp_path / "w")
    before = (tmp_path / "w" / "warehouse.duckdb").stat()
    second = load(source, tmp_path / "w")
    after = (tmp_path / "w" / "warehouse.duckdb").stat()
    assert (first.unchanged, second.unchanged) == (False, True)
    assert (first.load_id, first.rows, first.coverage) == (second.load_id, second.rows, second.coverage)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_two_loads_into_two_workspaces_hold_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    source = write(tmp_path / "in", SMALL)
    load(source, tmp_path / "w1")
    load(source, tmp_path / "w2")
    assert content(tmp_path / "w1") == content(tmp_path / "w2")
    assert rows(tmp_path / "w1", "SELECT source_row, field, new_value FROM opportunity_changes") == [
        (1, "stage", "Lead"), (2, "stage", "Offer"), (3, "x_mood", "good"),
    ]  # fmt: skip


def test_the_ledger_keeps_the_loads_that_came_before(tmp_path: Path) -> None:
    source = write(tmp_path / "in", SMALL)
    first = load(source, tmp_path / "w")
    write(source, {"users": "user_id\nU1\n"})
    second = load(source, tmp_path / "w")
    found = rows(tmp_path / "w", "SELECT load_id, fingerprint FROM load_ledger ORDER BY n")
    assert found == [(first.load_id, first.fingerprint), (second.load_id, second.fingerprint)]


def test_a_time_with_an_offset_is_the_instant_it_names_and_a_time_without_one_is_utc(tmp_path: Path) -> None:
    load(write(tmp_path / "in", SMALL), tmp_path / "w")
    assert rows(tmp_path / "w", "SELECT activity_id, occurred_at, known_at FROM activities ORDER BY 1") == [
        ("C1", datetime(2024, 2, 10, 14, 30, tzinfo=UTC), datetime(2024, 2, 12, tzinfo=UTC)),
        ("C2", datetime(2024, 2, 11, tzinfo=UTC), datetime(2024, 2, 11, tzinfo=UTC)),
    ]
    assert rows(tmp_path / "w", "SELECT created_at FROM opportunities WHERE opportunity_id = 'D1'") == [
        (datetime(2024, 2, 1, tzinfo=UTC),)
    ]


@pytest.mark.parametrize(("table", "row", "column", "reason"), [
    ("accounts", ",NoKey,1,2024-01-01,", "account_id", "empty"),
    ("accounts", "A3,Gamma,-5,2024-01-01,", "employees", "below 0"),
    ("accounts", "A3,Gamma,many,2024-01-01,", "employees", "not a int64"),
    ("accounts", "A1,Acme again,50,2023-01-01,", "account_id", "repeats the key of a row that is kept"),
    ("opportunities", "D4,A1,2024-02-01,2024-01-01,won", "closed_at", "closed_at lies before created_at"),
    ("opportunities", "D4,A1,2024-02-01,,won", "outcome",
     "outcome without closed_at cannot be placed in time"),
    ("opportunities", "D4,A1,2024-02-01,2024-03-01,maybe", "outcome", "not one of won, lost"),
    ("opportunities", "D4,A1,,,", "created_at", "empty"),
    ("opportunity_changes", "D99,stage,,Lead,2024-02-01", "opportunity_id", "not found in opportunities"),
    ("opportunity_changes", "D1,colour,,red,2024-02-01", "field",
     "not one of stage, amount, close_date, forecast_category, owner"),
    ("opportunity_changes", "D1,stage,,Lead,soon", "changed_at", "not a timestamp"),
    ("activities", "C9,D99,call,2024-02-01,", "opportunity_id", "not found in opportunities"),
    ("activity_participants", "C1,P1,U1", "contact_id", "exactly one of contact_id and user_id is expected"),
    ("activity_participants", "C1,,", "contact_id", "exactly one of contact_id and user_id is expected"),
])  # fmt: skip
def test_a_row_that_breaks_the_contract_is_kept_apart_with_its_reason(
    tmp_path: Path, table: str, row: str, column: str, reason: str
) -> None:
    source = write(tmp_path / "in", {**SMALL, table: f"{SMALL[table]}{row}\n"})
    report = load(source, tmp_path / "w", share=0.5)
    found = rows(tmp_path / "w", 'SELECT "table", "column", reason, counted FROM rejected_rows')
    assert found == [(table, column, reason, True)]
    assert report.rejects == {table: 1}
    assert report.rows[table] == len(SMALL[table].splitlines()) - 1


def test_a_rejected_row_can_be_read_back_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {**SMALL, "accounts": f"{SMALL['accounts']}A3,Gamma,-5,2024-01-01,\n"})
    load(source, tmp_path / "w", share=0.5)
    assert rows(tmp_path / "w", "SELECT key, value, \"row\"->>'name', source_row FROM rejected_rows") == [
        ("A3", "-5", "Gamma", 3)
    ]


def test_of_rows_with_one_key_the_one_known_last_stays_whatever_their_order(tmp_path: Path) -> None:
    head, *body = ("account_id,name,known_at", "A1,old,2024-01-01", "A1,new,2024-05-01", "A1,mid,2024-03-01")
    for n, order in enumerate(([0, 1, 2], [1, 0, 2], [2, 1, 0])):
        text = "\n".join([head, *(body[i] for i in order)]) + "\n"
        workspace = tmp_path / f"w{n}"
        load(write(tmp_path / f"in{n}", {**SMALL, "accounts": text}), workspace, share=1)
        assert rows(workspace, "SELECT name FROM accounts") == [("new",)]


def test_an_orphan_participant_is_rejected_but_never_stops_a_load(tmp_path: Path) -> None:
    text = SMALL["activity_participants"] + "C77,P1,\nC78,P1,\nC79,P1,\n"
    report = load(write(tmp_path / "in", {**SMALL, "activity_participants": text}), tmp_path / "w", share=0)
    assert report.rejects == {"activity_participants": 3}
    assert rows(tmp_path / "w", "SELECT DISTINCT counted FROM rejected_rows") == [(False,)]


def test_what_the_clocks_decide_is_no_reason_to_reject(tmp_path: Path) -> None:
    tables = {
        **SMALL,
        "activities": SMALL["activities"] + "C3,D1,call,2020-01-01,\nC4,,call,2024-01-01,\n",
        "opportunity_changes": SMALL["opportunity_changes"] + "D1,stage,,Late,2030-01-01\n",
        "opportunities": SMALL["opportunities"] + "D5,,2024-02-01,2024-03-01,\n",
    }
    assert load(write(tmp_path / "in", tables), tmp_path / "w", share=0).rejects == {}


def test_above_the_share_nothing_is_replaced_and_the_rejected_rows_can_be_read(tmp_path: Path) -> None:
    source = write(tmp_path / "in", SMALL)
    load(source, tmp_path / "w")
    before = content(tmp_path / "w")
    write(
        source, {"accounts": SMALL["accounts"] + "".join(f"B{i},bad,-{i},2024-01-01,\n" for i in range(1, 8))}
    )
    with pytest.raises(DataContractError) as caught:
        load(source, tmp_path / "w", share=0.1)
    message = str(caught.value)
    assert "accounts: 7 of 9 rows rejected (77.8%), at most 10.0% tolerated" in message
    assert "column 'employees': below 0: 7 rows, such as '-1' (row 3, key B1)" in message
    assert "key B5" in message
    assert "key B6" not in message
    assert content(tmp_path / "w") == before
    assert [path.name for path in (tmp_path / "w").glob("*.new*")] == []
    (kept,) = (tmp_path / "w" / "rejected").iterdir()
    assert str(kept) in message
    assert pq.read_table(kept).column("key").to_pylist() == [f"B{i}" for i in range(1, 8)]


def test_a_stricter_share_stops_also_where_nothing_has_changed(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {**SMALL, "accounts": f"{SMALL['accounts']}A3,Gamma,-5,2024-01-01,\n"})
    load(source, tmp_path / "w", share=0.5)
    with pytest.raises(DataContractError, match="1 of 3 rows rejected"):
        load(source, tmp_path / "w", share=0.1)


def test_coverage_tells_what_is_missing_dangling_ignored_and_never_visible(tmp_path: Path) -> None:
    tables = {**SMALL, "contacts": "contact_id,account_id,shoe_size\nP1,A1,43\n"}
    tables["opportunities"] = (
        "opportunity_id,account_id,owner_id,created_at\nD1,A9,U1,2024-02-01\nD2,A1,,2024-02-01\n"
    )
    report = load(write(tmp_path / "in", tables), tmp_path / "w")
    notes = {(note.table, note.column): (note.rows, note.note) for note in report.coverage.notes}
    assert "usage" in report.coverage.absent_tables
    assert report.coverage.filled["opportunities"] == {
        "opportunity_id": 1.0, "account_id": 1.0, "owner_id": 0.5, "created_at": 1.0,
    }  # fmt: skip
    assert notes["contacts", "known_at"] == (1, "no time known: these rows are never visible")
    assert notes["contacts", "shoe_size"][1].startswith("no such canonical column")
    assert notes["opportunities", "account_id"] == (1, "not found in accounts")
    assert notes["opportunities", "owner_id"][0] == 1


def test_every_canonical_table_and_column_is_there_however_little_the_source_has(tmp_path: Path) -> None:
    tables = {"accounts": "account_id\nA1\n", "opportunities": "opportunity_id,account_id,created_at\n"}
    load(write(tmp_path / "in", tables), tmp_path / "w")
    with open_warehouse(tmp_path / "w") as warehouse:
        shapes = {name: table.count().execute() for name, table in warehouse.tables().items()}
        assert warehouse.tables()["usage"].columns[0] == "source_row"
        assert str(warehouse.tables()["opportunities"].closed_at.type()) == "timestamp('UTC', 6)"
    assert len(shapes) == 15 + 2  # the canonical ones, and those of texts
    assert sum(shapes.values()) == 1


_LOAD = """
import os, sys
from pathlib import Path
from data.extract import extract
def step(text):
    if text == sys.argv[3]:
        os.kill(os.getpid(), 9)
source, workspace = Path(sys.argv[1]), Path(sys.argv[2])
extract(source=source, mapping="canonical", workspace=workspace, max_reject_share=1, on_step=step)
"""


def _load_elsewhere(source: Path, workspace: Path, *, kill_at: str = "", zone: str = "UTC") -> int:
    command = [sys.executable, "-c", _LOAD, str(source), str(workspace), kill_at]
    return subprocess.run(command, cwd=Path(__file__).parents[2], env={**os.environ, "TZ": zone}).returncode


@pytest.mark.slow
def test_a_load_killed_at_any_step_leaves_the_old_warehouse_and_the_next_one_completes(
    tmp_path: Path,
) -> None:
    source = write(tmp_path / "in", SMALL)
    load(source, tmp_path / "w")
    before = content(tmp_path / "w")
    write(source, {"users": "user_id\nU1\n"})
    for step in (
        "loading 6 raw tables", "mapping and checking opportunities", "checking the contract and coverage",
        "putting the new warehouse in place",
    ):  # fmt: skip
        assert _load_elsewhere(source, tmp_path / "w", kill_at=step) == -signal.SIGKILL
        assert content(tmp_path / "w") == before
    load(source, tmp_path / "w")
    load(source, tmp_path / "fresh")
    assert content(tmp_path / "w") == content(tmp_path / "fresh")
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["warehouse.duckdb"]


@pytest.mark.slow
def test_the_machines_time_zone_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in", SMALL)
    found = []
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        assert _load_elsewhere(source, tmp_path / zone.replace("/", "-"), zone=zone) == 0
        found.append(content(tmp_path / zone.replace("/", "-")))
    assert found[0] == found[1] == found[2]
