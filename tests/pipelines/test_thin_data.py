"""Too little data is said, not hidden: a baseline score, exit 0, no traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.pipelines.conftest import dealcast

pytestmark = pytest.mark.slow

FewDeals = Callable[..., Path]


@pytest.mark.parametrize(
    ("won", "lost", "still_open"),
    [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 30, 5), (39, 60, 5), (45, 45, 0)],
    ids=["empty export", "one deal", "one won deal", "no wins", "39 won", "no open deals"],
)
def test_thin_data_gets_a_baseline_score(
    few_deals: FewDeals, tmp_path: Path, won: int, lost: int, still_open: int
) -> None:
    source, workspace = few_deals(won=won, lost=lost, still_open=still_open), tmp_path / "workspace"
    done = dealcast(
        "run", "--source", source, "--mapping", "canonical", "-w", workspace, "--direct", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result = json.loads(done.stdout)
    assert result["model_version"].startswith("baseline")
    assert result["is_baseline"]
    if won < 40:
        assert f"not enough closed deals ({won} won, {lost} lost; 40 of each are needed)" in done.stderr
    scores = pq.read_table(workspace / "published" / result["run_id"] / "win_scores.parquet")
    assert scores.num_rows == still_open
    assert (workspace / "runs" / result["run_id"] / "audit.json").is_file()
    shown = dealcast("deals", "-w", workspace)
    assert shown.returncode == 0
    assert "BASELINE" in shown.stdout


def test_the_baseline_is_the_smoothed_share_won(few_deals: FewDeals, tmp_path: Path) -> None:
    source, workspace = few_deals(won=10, lost=30, still_open=2), tmp_path / "workspace"
    done = dealcast("run", "--source", source, "-w", workspace, "--direct", "--json")
    result = json.loads(done.stdout)
    scores = pq.read_table(workspace / "published" / result["run_id"] / "win_scores.parquet")
    assert len(set(scores["p_win"].to_pylist())) == 1
    assert scores["p_win"][0].as_py() == pytest.approx(11 / 42, abs=1e-9)
