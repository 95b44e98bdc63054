"""`dealcast worth` on a small world, and its agreement with what a larger one plants."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from data.settings import load_settings
from data.simulator import simulate
from data.simulator.planted import excess_log_loss, planted_worths
from models.boosting import Shape
from models.charts import can_draw
from models.registry import alias_version, store_at
from models.worth import measure_worth
from pipelines.learning import label_and_split
from pipelines.progress import silent
from pipelines.run import new_job
from pipelines.show_worth import worth_view
from pipelines.steps import build_features, choose_instant, load_source
from tests.pipelines.conftest import dealcast

PLANTED = {
    "buying_group": ("stakeholders",),
    "promises": ("promises",),
    "motive": ("motive",),
    "qualification": ("qualification",),
    "moments": ("momentum",),
    "commercial": ("structure", "seller"),
}
WELL_APART = 0.015
"""Nats. Beliefs whose planted worths lie closer than this are ties for a world of 6,000 deals."""

Ran = tuple[Path, dict[str, Any], str]


@pytest.fixture(scope="module")
def measured(ran: Ran) -> tuple[Path, dict[str, Any], str]:
    """The workspace, the JSON result, and standard error of one measurement."""
    done = dealcast("worth", "-w", ran[0], "--json")
    assert done.returncode == 0, done.stderr
    return ran[0], json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_every_family_and_belief_has_a_worth_with_an_interval_or_is_said_to_be_absent(measured) -> None:
    _, found, _ = measured
    assert {one["name"] for one in found["families"]} >= {"stakeholders", "motive", "promises", "journey"}
    for one in (*found["families"], *found["beliefs"]):
        if one["filled_columns"]:
            low, high = one["left_out"]["interval"]
            assert low < high
            assert one["alone"]["interval"] is not None
        else:
            assert one["sentence"].startswith("absent")


@pytest.mark.slow
def test_the_shape_is_the_champions_or_searched_once(measured) -> None:
    workspace, found, _ = measured
    champion = alias_version(store_at(workspace), "champion")
    assert (found["shape_from"] == "search") == (champion is None)


@pytest.mark.slow
def test_what_was_found_lies_in_the_runs_folder_and_in_the_registry(measured) -> None:
    from mlflow.tracking import MlflowClient

    workspace, found, _ = measured
    run = Path(found["run"])
    held = json.loads((run / "worth.json").read_bytes())
    assert held["families"] == found["families"]
    assert json.loads((run / "directions.json").read_bytes()) == found["directions"]
    rows = pq.read_table(run / "worth_test_predictions.parquet")
    assert rows.num_rows == held["rows"]["test"] * held["fits"]
    uri = store_at(workspace).tracking_uri
    client = MlflowClient(uri, uri)
    logged = {Path(file.path).name for file in client.list_artifacts(found["mlflow_run"], "worth")}
    assert {"worth.json", "worth.md", "worth_test_predictions.parquet", "directions.json"} <= logged
    assert ("worth.svg" in logged) == can_draw()
    figures = client.get_run(found["mlflow_run"]).data.metrics
    promises = next(one for one in found["families"] if one["name"] == "promises")
    assert figures["worth.promises.left_out"] == pytest.approx(promises["left_out"]["difference"])
    assert "win.log_loss" in figures  # it is the run of the registered model


@pytest.mark.slow
def test_progress_is_told_on_standard_error(measured) -> None:
    assert "Measuring the worth" in measured[2]
    assert "columns, 3 fits" in measured[2]


@pytest.mark.slow
def test_people_read_a_sentence_per_family_and_how_many_directions_contradict(measured) -> None:
    found = measured[1]
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(worth_view(found, found["directions"]))
    text = console.export_text()
    assert "• Promised features: " in text
    assert "of log-loss" in text
    assert f"{found['directions']['counts']['contradicts']} contradict" in text


@pytest.mark.slow
def test_too_few_closed_deals_are_said_and_nothing_is_measured(few_deals, tmp_path: Path) -> None:
    folder = few_deals(won=2, lost=2, still_open=3)
    loaded = dealcast("extract", "--source", folder, "--mapping", "canonical", "-w", tmp_path / "w")
    assert loaded.returncode == 0, loaded.stderr
    done = dealcast("worth", "-w", tmp_path / "w")
    assert done.returncode == 1
    assert "not enough closed deals" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_beliefs_come_out_in_the_order_in_which_a_world_plants_them(tmp_path: Path) -> None:
    """Judged by the true probabilities, so that no chance of outcomes is in it; near ties are left open."""
    as_of = datetime(2026, 1, 5, tzinfo=UTC)
    simulate(tmp_path / "world", deals=6_000, seed=1, as_of=as_of)
    settings = load_settings(
        None,
        workspace=tmp_path / "w",
        source=tmp_path / "world",
        mapping="canonical",
        as_of=as_of.isoformat(),
    )
    job = new_job(settings)
    load_source(job, silent)
    view = choose_instant(job, silent)
    built = build_features(job, view, silent)
    rows = label_and_split(job, view, built, silent)
    features = tuple(one for one in built.features if one.family != "custom")
    worth = measure_worth(rows.frame, rows.labels, rows.split, features, shape=Shape(), fits=1)
    truth = pq.read_table(tmp_path / "world-truth" / "truth.parquet")
    tested = worth.predictions.join(truth, ["opportunity_id", "as_of"], join_type="inner")
    assert tested.num_rows == worth.predictions.num_rows
    p, weight = (tested[name].to_numpy() for name in ("p_win", "weight"))
    planted = planted_worths(tested, weight, PLANTED)
    full = excess_log_loss(p, tested["full"].to_numpy(), weight)
    found = {
        name: excess_log_loss(p, tested[f"without_{name}"].to_numpy(), weight) - full for name in PLANTED
    }
    apart = [(a, b) for a in PLANTED for b in PLANTED if planted[a] - planted[b] > WELL_APART]
    assert ("buying_group", "qualification") in apart
    assert [(a, b) for a, b in apart if found[a] <= found[b]] == []
