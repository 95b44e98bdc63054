"""`dealcast segments` on a simulated world, where structure counts and headcount, by design, does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.simulator import simulate
from tests.pipelines.conftest import dealcast


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("segments")
    simulate(folder / "crm", deals=6_000, seed=5)
    loaded = dealcast("extract", "--source", folder / "crm", "--mapping", "canonical", "-w", folder / "ws")
    assert loaded.returncode == 0, loaded.stderr
    done = dealcast("segments", "-w", folder / "ws", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def gain(report: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(next(one for one in report["segmentations"] if one["name"] == name)["gains"]["base_rate"])


@pytest.mark.slow
def test_structure_separates_won_from_lost_deals_as_planted(report: dict[str, Any]) -> None:
    assert gain(report, "decision_structure")["lower_bound"] > 0
    levels = {one["name"]: one for one in report["segmentations"][0]["levels"]}
    for side in ("fitted_share_won", "test_share_won"):
        assert levels["centralised"][side] > levels["distributed"][side] + 0.05
    assert next(one for one in report["versus"] if one["context"] == "base_rate")["gain"]["lower_bound"] > 0


@pytest.mark.slow
def test_headcount_bands_gain_nothing_and_no_boundary_is_better_than_a_random_one(
    report: dict[str, Any],
) -> None:
    assert gain(report, "headcount_bands")["lower_bound"] < 0
    assert "No headcount boundary matters more than a random one." in report["verdicts"]


@pytest.mark.slow
def test_the_report_is_kept_with_the_run(report: dict[str, Any]) -> None:
    kept = json.loads((Path(report["run"]) / "segments.json").read_text())
    assert kept["verdicts"] == report["verdicts"]
    assert {one["n_random"] for one in kept["boundaries"]} == {400}
