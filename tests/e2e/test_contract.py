"""The contract's fine print on whole runs over files: what comes at or after as_of, and what is published."""

import hashlib
import json
import math
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from data.schema import TABLES
from data.settings import load_settings
from data.simulator import simulate
from pipelines.job import RunResult
from pipelines.launch import launch
from pipelines.progress import Progress

pytestmark = pytest.mark.slow
AS_OF = datetime(2025, 6, 30, tzinfo=UTC)
PUBLISHED = ("win_scores.parquet", "win_contributions.parquet", "win_features.parquet")
BASELINES = ("base_rate", "stage_probability", "naive_bayes", "logistic")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "source"
    simulate(folder, deals=500, seed=5)
    return folder


@pytest.fixture(scope="module")
def whole(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    workspace = tmp_path_factory.mktemp("whole")
    return workspace, run(world, workspace)


def run(source: Path, workspace: Path) -> RunResult:
    given: dict[str, Any] = {"source": source, "workspace": workspace, "as_of": AS_OF.isoformat()}
    settings = load_settings(None, **given, n_trials=0, max_reject_share=0.5)
    with Progress(Console(file=StringIO())) as progress:
        return launch(settings, given, None, direct=True, progress=progress)


def read(workspace: Path, done: RunResult, name: str) -> pa.Table:
    return pq.read_table(workspace / "published" / done.run_id / name)


def written(world: Path, folder: Path, change: Callable[[str, pa.Table], pa.Table]) -> Path:
    folder.mkdir()
    for file in sorted(world.glob("*.parquet")):
        pq.write_table(change(file.stem, pq.read_table(file)), folder / file.name)
    return folder


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, name, values.cast(table.schema.field(name).type))


def repeated_later(name: str, table: pa.Table) -> pa.Table:
    """Every third row of a key known before as_of once more, known after it, with other content."""
    declared = TABLES[name]
    if declared.key is None or declared.clock is None:
        return table
    again = table.filter(pc.less(table[declared.clock], pa.scalar(AS_OF))).take(
        list(range(0, pc.sum(pc.less(table[declared.clock], pa.scalar(AS_OF))).as_py() or 0, 3))
    )
    later = pa.array([AS_OF + timedelta(hours=1)] * again.num_rows, pa.timestamp("us", "UTC"))
    again = with_column(again, declared.clock, later)
    for column in declared.columns:
        if column.name in again.column_names and column.nullable and column.name != declared.clock:
            again = with_column(again, column.name, pa.nulls(again.num_rows))
    return pa.concat_tables([table, again])


def absurd_later(name: str, table: pa.Table) -> pa.Table:
    """Numbers and free texts of rows known at or after as_of turned absurd; outcomes of then turned over."""
    declared = TABLES[name]
    if declared.clock is not None:
        late = pc.fill_null(pc.greater_equal(table[declared.clock], pa.scalar(AS_OF)), False)
        for column in declared.columns:
            if column.dtype == "float64" and column.maximum is None and column.name in table.column_names:
                table = with_column(
                    table, column.name, pc.if_else(late, pa.scalar(1e300), table[column.name])
                )
        for text in ("new_value", "industry", "lead_source", "feature", "title"):
            if text in table.column_names:
                table = with_column(table, text, pc.if_else(late, pa.scalar("9e299"), table[text]))
    if name == "opportunities":
        after = pc.fill_null(pc.greater_equal(table["closed_at"], pa.scalar(AS_OF)), False)
        other = pc.if_else(pc.equal(table["outcome"], "won"), "lost", "won")
        table = with_column(table, "outcome", pc.if_else(after, other, table["outcome"]))
    return table


@pytest.mark.parametrize("change", [repeated_later, absurd_later])
def test_what_is_recorded_at_or_after_as_of_changes_no_bit_of_scores_or_evaluation(
    world: Path,
    whole: tuple[Path, RunResult],
    tmp_path: Path,
    change: Callable[[str, pa.Table], pa.Table],
) -> None:
    source = written(world, tmp_path / "source", change)
    (tmp_path / "w").mkdir()
    changed = run(source, tmp_path / "w")
    workspace, first = whole
    assert (changed.model_version, changed.open_deals) == (first.model_version, first.open_deals)
    assert (first.open_deals or 0) > 0
    for name in PUBLISHED:
        assert read(tmp_path / "w", changed, name).equals(read(workspace, first, name)), name
    assert changed.metrics == first.metrics


def test_the_published_files_keep_the_contract(whole: tuple[Path, RunResult]) -> None:
    workspace, done = whole
    assert (workspace / "published" / "CURRENT").read_bytes() == done.run_id.encode()
    folder = workspace / "published" / done.run_id
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in PUBLISHED:
        said = manifest["files"][name]
        assert said["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert said["rows"] == pq.read_metadata(folder / name).num_rows == done.open_deals
    scores, parts, values = (read(workspace, done, name) for name in PUBLISHED)
    assert scores.column_names == [
        "opportunity_id", "as_of", "p_win", "log_odds", "base_log_odds", "model_version",
    ]  # fmt: skip
    assert parts.column_names == values.column_names
    sums = np.array([math.fsum(list(row.values())[1:]) for row in parts.to_pylist()])
    base, log_odds, p_win = (scores[name].to_numpy() for name in ("base_log_odds", "log_odds", "p_win"))
    assert np.abs(base + sums - log_odds).max() < 1e-6
    assert np.abs(np.log(p_win / (1 - p_win)) - log_odds).max() < 1e-6


def test_the_evaluation_is_of_exactly_the_rows_beside_it_and_split_by_time(
    whole: tuple[Path, RunResult],
) -> None:
    workspace, done = whole
    folder = workspace / "runs" / done.run_id
    said = json.loads((folder / "evaluation.json").read_text())
    rows = pq.read_table(folder / "win_test_predictions.parquet")
    y, weight = rows["y"].to_numpy(), rows["weight"].to_numpy()
    for name in ("win", *BASELINES):
        p = rows["p_win" if name == "win" else name].to_numpy()
        found = said["metrics"][name]
        assert found["auc"] == pytest.approx(roc_auc_score(y, p, sample_weight=weight), abs=1e-9)
        assert found["log_loss"] == pytest.approx(log_loss(y, p, sample_weight=weight), abs=1e-9)
        assert found["brier"] == pytest.approx(brier_score_loss(y, p, sample_weight=weight), abs=1e-9)
    assert said["train"]["as_of_max"] < said["train"]["label_max"] <= said["calibration"]["as_of_min"]
    assert said["calibration"]["label_max"] < said["test"]["as_of_min"]
    assert said["test"]["as_of_max"] < AS_OF.isoformat()
    assert os.path.commonpath([done.paths["evaluation"] or "", folder]) == str(folder)
