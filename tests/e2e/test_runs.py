"""Whole runs: kill them, run two at once, cut their data; through Prefect and without."""

import json
import os
import shutil
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data.schema import TABLES
from data.simulator import simulate
from pipelines.run import STEPS
from serving.records import CONTEXT, FIELDS, RECORDS, records_file
from serving.records import STAGES as STAGES_FILE
from tests.pipelines.conftest import COMMAND, FAST, dealcast

pytestmark = pytest.mark.slow
LEAVING = (
    "load_source", "build_features", "audit_features", "train_model", "evaluate_model", "register_model",
    "choose_model", "settle_renewals", "forecast_consumption", "publish_run",
)  # fmt: skip
"""The steps that leave something behind, and the longest of the others: a run is killed as each begins."""
STAGES = [words for step, words in STEPS.items() if step.__name__ in LEAVING]
PUBLISHED = (
    "win_scores.parquet", "win_contributions.parquet", "win_features.parquet", "win_timing.parquet",
    "renewal_scores.parquet", "renewal_contributions.parquet", "renewal_features.parquet",
    "consumption_forecast.parquet", "bookings_forecast.parquet", "forecast_summary.parquet",
    "closed_deals.parquet",
    *map(records_file, RECORDS), STAGES_FILE, *CONTEXT.values(), FIELDS,
)  # fmt: skip
DECIDED = {
    "opportunities": ("closed_at", ("outcome", "loss_reason")),
    "contracts": ("decided_at", ("outcome", "renewed_amount", "decided_at")),
}
"""By table: when a row's end became known, and the columns that tell of it."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "source"
    simulate(folder, deals=400, seed=11)
    return folder


@pytest.fixture(scope="module")
def published(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    workspace = tmp_path_factory.mktemp("once")
    return workspace, run(world, workspace)


def run(source: Path, workspace: Path, *options: str) -> dict[str, Any]:
    done = dealcast("run", "--source", source, "--mapping", "canonical", "-w", workspace, "--json", *options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def start(source: Path, workspace: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, "run", "--source", str(source), "-w", str(workspace), "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **FAST},
    )  # fmt: skip


def read(workspace: Path, run_id: str, name: str) -> Any:
    return pq.read_table(workspace / "published" / run_id / name)


def test_prefect_and_direct_runs_publish_the_same_to_the_bit(
    world: Path, published: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    through_prefect, first = published
    second = run(world, tmp_path, "--direct")
    assert first["model_version"] == second["model_version"]
    for name in PUBLISHED:
        one, other = read(through_prefect, first["run_id"], name), read(tmp_path, second["run_id"], name)
        assert one.equals(other), name


def test_nothing_of_a_prefect_run_outlives_it(published: tuple[Path, dict[str, Any]]) -> None:
    workspace, _ = published
    assert (workspace / "prefect" / "prefect.db").is_file()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(workspace) not in listed


def test_runs_killed_at_any_stage_leave_the_last_scores_and_the_next_run_completes(
    world: Path, published: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    assert len(STAGES) == len(LEAVING)
    workspace = tmp_path / "workspace"
    shutil.copytree(published[0], workspace)
    before = (workspace / "published" / "CURRENT").read_text()
    # other data than was loaded before, so that loading is not skipped
    source = tmp_path / "source"
    shutil.copytree(world, source)
    users = pq.read_table(source / "users.parquet")
    pq.write_table(users, source / "users.parquet", compression="gzip")
    for stage in STAGES:
        # each run gets past the stage at which the one before it was killed
        process = start(source, workspace, "--direct")
        assert process.stderr is not None
        assert any(line.startswith(stage) for line in process.stderr), stage
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert (workspace / "published" / "CURRENT").read_text() == before
    assert dealcast("deals", "-w", workspace).returncode == 0
    result = run(source, workspace, "--direct")
    assert result["status"] == "done"
    assert (workspace / "published" / "CURRENT").read_text() == result["run_id"]
    assert not list((workspace / "published").glob(".building-*"))


def test_of_two_runs_at_once_one_works_and_the_other_says_so(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEALCAST_LOCK_WAIT_SECONDS", "0")
    both = [start(world, tmp_path, "--direct"), start(world, tmp_path, "--direct")]
    ended = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(json.loads(out)["status"] for out, _ in ended) == ["done", "skipped"]
    assert any("already running (run " in err for _, err in ended)


def _as_known(table: pa.Table, name: str, late: pa.Scalar) -> pa.Table:
    """The rows recorded before an instant, without the outcomes decided from it on."""
    clock = TABLES[name].clock
    if clock is not None:
        table = table.filter(pc.fill_null(pc.less(table[clock], late.cast(table[clock].type)), True))
    if name not in DECIDED:
        return table
    at, columns = DECIDED[name]
    open_still = pc.fill_null(pc.greater_equal(table[at], late.cast(table[at].type)), False)
    for column in columns:
        place, held = table.column_names.index(column), table[column]
        table = table.set_column(place, column, pc.if_else(open_still, pa.scalar(None, held.type), held))
    return table


def test_rows_at_or_after_as_of_change_no_bit_of_what_is_published(world: Path, tmp_path: Path) -> None:
    cut = "2025-06-30"
    late = pa.scalar(datetime(2025, 6, 30, tzinfo=UTC), pa.timestamp("us", "UTC"))
    truncated = tmp_path / "truncated"
    truncated.mkdir()
    for file in sorted(world.glob("*.parquet")):
        pq.write_table(_as_known(pq.read_table(file), file.stem, late), truncated / file.name)
    whole = run(world, tmp_path / "a", "--direct", "--as-of", cut)
    part = run(truncated, tmp_path / "b", "--direct", "--as-of", cut)
    assert whole["open_deals"] == part["open_deals"] > 0
    assert whole["model_version"] == part["model_version"]
    for name in PUBLISHED:
        one, other = read(tmp_path / "a", whole["run_id"], name), read(tmp_path / "b", part["run_id"], name)
        assert one.num_rows or "_text_" in name, name  # no text is read here
        assert one.equals(other), name
    rests_on = [
        json.loads((tmp_path / workspace / "published" / result["run_id"] / "manifest.json").read_text())
        for workspace, result in (("a", whole), ("b", part))
    ]
    assert rests_on[0]["about"]["forecast"] == rests_on[1]["about"]["forecast"]
