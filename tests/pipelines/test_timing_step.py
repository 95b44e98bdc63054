"""What a run learns about when deals close is told, published, and kept in the model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.snapshots import DAY, Calendar
from models.win_model import WinModel
from pipelines.learning import Labelled, baseline
from pipelines.steps import View
from serving.published import open_published
from serving.timing import KNOTS, TIMING, won_by
from tests.models.test_timing_learning import AS_OF, FEATURES, world

Ran = tuple[Path, dict[str, Any], str]


@pytest.mark.slow
def test_a_run_says_how_well_it_knows_when_deals_are_won(ran: Ran) -> None:
    _, result, _ = ran
    told = json.loads(Path(result["paths"]["timing"]).read_text())
    assert [part["weeks"] for part in told["horizons"]] == [2, 4, 8, 13, 26]
    first = told["horizons"][0]
    assert first["judged"]
    low, high = first["observed_interval"]
    assert low <= first["observed"] <= high
    assert set(first["metrics"]) == {"model", "stage_age", "win_stage_age"}
    page = Path(result["paths"]["report"]).read_text()
    assert "When it is won" in page
    assert "Won within" in page


@pytest.mark.slow
def test_each_open_deal_has_a_published_curve_that_rises_to_its_probability(ran: Ran) -> None:
    workspace, _, _ = ran
    published = open_published(workspace)
    curves, scores = published.table(TIMING), published.table("win_scores.parquet")
    assert curves["opportunity_id"].to_pylist() == scores["opportunity_id"].to_pylist()
    assert curves["p_win"].to_pylist() == scores["p_win"].to_pylist()
    by = won_by(curves, np.array([0.0, *KNOTS]))
    p_win = np.array(scores["p_win"].to_pylist())
    assert (np.diff(by, axis=1) >= 0).all()
    assert (by[:, 1:] > 0).all()
    assert (by <= p_win[:, None]).all()
    assert by[:, -1] == pytest.approx(p_win, rel=0.05)


@pytest.mark.slow
def test_the_timing_stands_in_the_registered_models_folder(ran: Ran) -> None:
    workspace, _, _ = ran
    found = list((workspace / "models").glob("*/timing.json"))
    assert found
    assert all(WinModel.load(path.parent).timing is not None for path in found)


def test_a_baseline_has_plain_curves_that_rise_to_its_one_rate() -> None:
    frame, labels, split = world(80)
    view = View(Calendar(AS_OF, 7 * DAY), won=0, lost=0, data_version="")
    model = baseline(view, Labelled(frame, labels, split, "too few"), FEATURES, "too few")
    assert model.timing is not None
    assert model.timing.basis == "stage_age"
    curves, p_win = model.p_won_by(frame, np.array([0.0, 30.0, 90.0, np.inf])), model.p_win(frame)
    assert np.unique(p_win).size == 1
    assert (np.diff(curves, axis=1) > 0).all()
    assert curves[:, -1] == pytest.approx(p_win, abs=1e-12)
