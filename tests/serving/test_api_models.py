"""The models in JSON: what the runs found out, side by side, read from their files as they are."""

import json
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from fastapi import FastAPI

from models.charts import lift_table, reliability_table
from serving.access.actor import OWNER
from serving.api.model_parts import ModelsView
from serving.api.models import models_view
from serving.app import create_app
from serving.live import HeldRun, hold
from serving.model_files import model_files
from tests.serving.access_world import Client, published, settings
from tests.serving.api_world import ops


@pytest.fixture(scope="module")
def workspace(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied") / "workspace"
    copytree(served, folder, ignore=ignore_patterns("*.duckdb", "mlartifacts"))
    return folder


@pytest.fixture(scope="module")
def run(workspace: Path) -> HeldRun:
    return hold(workspace)


@pytest.fixture(scope="module")
def view(run: HeldRun, workspace: Path) -> ModelsView:
    return models_view(ops(run, "models"), settings(workspace))


def document(workspace: Path, run_id: str, name: str) -> dict[str, object]:
    return json.loads((workspace / "runs" / run_id / name).read_text())


def test_both_subjects_say_what_serves(view: ModelsView, run: HeldRun) -> None:
    win, renewal = view.subjects
    assert (win.subject, win.serving, win.is_baseline) == ("win", run.model_version, run.is_baseline)
    assert renewal.subject == "renewal"
    assert (win.champion is None) == run.is_baseline
    assert win.is_baseline == bool(win.note)


def test_the_figures_are_those_of_the_evaluation(view: ModelsView, workspace: Path) -> None:
    shown = [one for subject in view.subjects for one in (subject.champion, subject.challenger) if one]
    assert shown
    for one in shown:
        name = "evaluation.json" if one.metrics[0].model == "win" else "renewal_evaluation.json"
        held = document(workspace, one.run_id, name)
        assert (one.model_version, one.headline) == (held["model_version"], held["headline"])
        for metrics in one.metrics:
            source = held["metrics"][metrics.model]
            for figure in ("auc", "log_loss", "brier", "ece", "slope"):
                measure = getattr(metrics, figure)
                assert (None if measure is None else measure.value) == source[figure]
                if measure is not None:
                    assert [measure.low, measure.high] == source[f"{figure}_interval"]
        assert one.test.rows == held["test"]["rows"]
        assert {each.baseline for each in one.versus} == set(held["versus"])


def test_reliability_and_lift_are_of_the_test_rows(view: ModelsView, run: HeldRun) -> None:
    shown = view.subjects[0].champion or view.subjects[0].challenger
    assert shown is not None
    predictions = model_files(run).predictions(shown.run_id, "win_test_predictions.parquet")
    bins = reliability_table(predictions).to_pylist()
    assert [(one.mean_p, one.share, one.cases) for one in shown.reliability] == [
        (row["mean_p"], row["won_share"], row["deals"]) for row in bins
    ]
    lift = lift_table(predictions, points=20).to_pylist()
    assert [(one.model, one.found) for one in shown.lift] == [
        (row["model"], row["wins_found"]) for row in lift
    ]
    assert sum(one.rows for one in shown.reliability) == shown.test.rows


def test_decisions_are_the_ledgers_newest_first(view: ModelsView, workspace: Path) -> None:
    lines = [json.loads(line) for line in (workspace / "promotions.jsonl").read_text().splitlines()]
    for subject in view.subjects:
        held = [line for line in lines if line["model"] == subject.subject]
        assert [(one.action, list(one.reasons)) for one in subject.decisions] == [
            (line["action"], line["reasons"]) for line in reversed(held)
        ]


def test_audit_directions_and_data_are_told(view: ModelsView, workspace: Path, run: HeldRun) -> None:
    shown = view.subjects[0].champion or view.subjects[0].challenger
    assert shown is not None
    audit = document(workspace, shown.run_id, "audit.json")
    assert shown.audit is not None
    assert (shown.audit.checked, list(shown.audit.dropped)) == (audit["checked"], audit["dropped"])
    assert len(shown.audit.checks) == len(audit["checks"])
    counts = document(workspace, shown.run_id, "directions.json")["counts"]
    assert shown.directions is not None
    assert shown.directions.contradicts == counts["contradicts"] == len(shown.contradictions)
    assert view.data is not None
    assert view.data.run_id == run.run_id
    tables = {one.table: one for one in view.data.tables}
    assert tables["opportunities"].present
    assert tables["opportunities"].mapped >= len(run.deals)
    assert tables["opportunities"].rejected == 0
    assert 0 < tables["opportunities"].filled["account_id"] <= 1
    assert not tables["exchange_rates"].present or tables["exchange_rates"].filled


def test_a_run_later_than_the_one_served_is_not_told_of(workspace: Path) -> None:
    earlier, *_, later = sorted(path.name for path in (workspace / "published").iterdir() if path.is_dir())
    held = hold(workspace, earlier)
    told = models_view(ops(held, "models"), settings(workspace))
    assert later not in told.model_dump_json()


def test_a_workspace_without_findings_answers_with_none(tmp_path: Path) -> None:
    told = models_view(ops(hold(published(tmp_path)), "models"), settings(tmp_path))
    assert (told.worth, told.backtest, told.data) == (None, None, None)
    for subject in told.subjects:
        assert (subject.champion, subject.challenger, subject.decisions) == (None, None, ())


def test_files_that_cannot_be_read_are_passed_over(workspace: Path, tmp_path: Path) -> None:
    copied = tmp_path / "workspace"
    copytree(workspace, copied)
    for path in (copied / "runs").glob("*/*.json"):
        path.write_bytes(path.read_bytes()[:50])
    (copied / "promotions.jsonl").write_text("not a ledger\n")
    told = models_view(ops(hold(copied), "models"), settings(copied))
    assert [(one.champion, one.challenger, one.decisions) for one in told.subjects] == [(None, None, ())] * 2


def test_worth_and_backtest_are_told_once_they_were_measured(
    workspace: Path, run: HeldRun, tmp_path: Path
) -> None:
    copied = tmp_path / "workspace"
    copytree(workspace, copied)
    folder = copied / "runs" / run.run_id
    part = {
        "name": "momentum", "title": "Momentum", "columns": 9, "filled_columns": 8, "share": 0.25,
        "left_out": {"difference": 0.01, "interval": [-0.01, 0.03]}, "alone": None, "sentence": "little",
    }  # fmt: skip
    worth = {
        "as_of": "2026-01-04T00:00:00+00:00", "rows": {"test_deals": 60}, "families": [part], "beliefs": [],
        "log_loss": {"full": 0.5, "baseline": 0.55, "base_rate": 0.6}, "notes": ["few deals"],
    }  # fmt: skip
    score = {
        "part": "bookings", "level": "total", "period_kind": "month", "months_ahead": None,
        "model": "dealcast",
        "wape": 0.4, "wape_interval": [0.3, 0.5], "bias": -0.1, "bias_interval": None, "coverage": None,
    }  # fmt: skip
    backtest = {
        "as_of": "2026-01-04T00:00:00+00:00", "origins": ["2025-06-01T00:00:00+00:00"], "horizon_months": 6,
        "headline": ["Bookings: off by 40 %."], "scores": [score, {**score, "level": "region"}],
    }  # fmt: skip
    (folder / "worth.json").write_text(json.dumps(worth))
    (folder / "backtest.json").write_text(json.dumps(backtest))
    told = models_view(ops(hold(copied), "models"), settings(copied))
    assert told.worth is not None
    assert (told.worth.full_log_loss, told.worth.families[0].title) == (0.5, "Momentum")
    assert told.worth.families[0].left_out is not None
    assert told.worth.families[0].left_out.low == -0.01
    assert told.backtest is not None
    (held,) = told.backtest.scores
    assert held.wape is not None
    assert (held.wape.value, held.wape.high, held.coverage) == (0.4, 0.5, None)
    assert held.bias is not None
    assert (held.bias.value, held.bias.low) == (-0.1, None)


def test_links_to_mlflow_and_prefect_are_those_of_the_settings(run: HeldRun, workspace: Path) -> None:
    held = settings(workspace, mlflow_ui_url="http://127.0.0.1:5000", prefect_ui_url="http://127.0.0.1:4200/")
    told = models_view(ops(run, "models"), held)
    assert (told.mlflow_ui_url, told.prefect_ui_url) == ("http://127.0.0.1:5000", "http://127.0.0.1:4200")


def test_models_are_for_ops(workspace: Path) -> None:
    app: FastAPI = create_app(settings(workspace))
    answer = Client(app, OWNER).get("/api/v1/models")
    assert ModelsView.model_validate_json(answer.content).run_id == hold(workspace).run_id
