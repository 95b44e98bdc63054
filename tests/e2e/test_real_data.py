"""Exports that nobody here made, end to end."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.pipelines.conftest import dealcast

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
MAPPINGS = Path(__file__).parents[1] / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not beside this checkout"),
]


def run(folder: str, mapping: str | Path, workspace: Path, *options: str) -> tuple[dict[str, Any], str]:
    done = dealcast(
        "run",
        "--source",
        SHARED / folder,
        "--mapping",
        mapping,
        "-w",
        workspace,
        "--direct",
        "--json",
        *options,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_bpic2012_runs_on_daily_snapshots_and_beats_its_baselines(tmp_path: Path) -> None:
    result, _ = run("bpic2012", "bpic2012", tmp_path, "--snapshots", "daily")
    assert result["claims_skill"]
    win, base = result["metrics"]["win"], result["metrics"]["base_rate"]
    assert win["log_loss"] < base["log_loss"]
    document = json.loads(Path(result["paths"]["evaluation"]).read_text())
    assert document["by_min_age_days"][0]["min_age_days"] == 2


def test_maven_holds_no_signal_and_no_skill_is_claimed(tmp_path: Path) -> None:
    result, stderr = run("maven_crm", "maven", tmp_path)
    assert result["claims_skill"] is False
    assert result["model_version"].startswith("baseline")
    assert "no model has earned promotion" in stderr
    features = pq.read_schema(tmp_path / "published" / result["run_id"] / "win_features.parquet").names
    assert not [name for name in features if "close_value" in name]


def test_a_value_filled_at_close_is_caught_by_name(tmp_path: Path) -> None:
    result, stderr = run("maven_crm", MAPPINGS / "leaky_maven", tmp_path)
    audit = json.loads((tmp_path / "runs" / result["run_id"] / "audit.json").read_text())
    assert [name for name in audit["dropped"] if "x_close_value" in name]
    assert "x_close_value" in stderr


def test_agency_crm_runs_and_publishes_its_open_deals(tmp_path: Path) -> None:
    result, _ = run("synthetic_crm_full", "agency_crm", tmp_path)
    assert result["status"] == "done"
    scores = pq.read_table(tmp_path / "published" / result["run_id"] / "win_scores.parquet")
    assert scores.num_rows == result["open_deals"]
