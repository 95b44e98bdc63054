"""What changed, over four runs on one workspace: time and events, a corrected record, another model."""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.settings import load_settings
from data.simulator import simulate
from models.win_model import WinModel
from pipelines.changing import with_changes
from pipelines.job import Job
from pipelines.learning import label_and_split, train_model
from pipelines.progress import silent
from pipelines.steps import Built, View, build_features, choose_instant, load_source, score_open
from serving.change_table import CHANGES
from serving.changes import deal_change
from serving.publish import publish
from serving.published import Published, open_published
from serving.run_id import new_run_id
from tests.e2e.test_contract import AS_OF, absurd_later, repeated_later, with_column, written
from tests.pipelines.conftest import dealcast

pytestmark = pytest.mark.slow
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Runs:
    """first and second: a week apart, one model. bitter: as second, of a source with absurd later rows.

    mended: a week later, one deal's stage corrected. anew: the same instant, another model.
    """

    workspace: Path
    first: Published
    second: Published
    bitter: Published
    mended: Published
    anew: Published
    deal: str


@dataclass(frozen=True)
class Stand:
    """A loaded source seen at an instant."""

    job: Job
    view: View
    built: Built

    def scored(self, model: WinModel, number: int) -> Published:
        """The open deals scored by the model, with what changed; published under that number."""
        job = replace(self.job, run_id=new_run_id(AS_OF, f"{number:06x}"))
        made = score_open(job, self.view, self.built, model, (), silent)
        made = with_changes(job, self.view, self.built, model, made, silent)
        publish(job.workspace, job.run_id, made)
        return open_published(job.workspace, job.run_id)


def stand(workspace: Path, source: Path, as_of: datetime, *, extracted: bool, most: int = 40) -> Stand:
    """most: past snapshots; enough of them only where a model is to be trained."""
    settings = load_settings(
        None, workspace=workspace, source=source, mapping="canonical", as_of=as_of.isoformat(), n_trials=0,
        signals="off", max_reject_share=0.5, max_snapshots=most,
    )  # fmt: skip
    job = Job(settings, new_run_id(AS_OF, "ffffff"))
    if not extracted:
        load_source(job, silent)
    view = choose_instant(job, silent)
    return Stand(job, view, build_features(job, view, silent))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("changing")
    source, workspace = root / "source", root / "workspace"
    simulate(source, deals=500, seed=5)
    at_first = stand(workspace, source, AS_OF - WEEK, extracted=False, most=20_000)
    models = [trained(at_first, seed) for seed in (1, 2)]
    first = at_first.scored(models[0], 1)
    copy = shutil.copytree(workspace, root / "copy")
    second = stand(workspace, source, AS_OF, extracted=True).scored(models[0], 2)
    poisoned = written(
        source, root / "poisoned", lambda name, rows: absurd_later(name, repeated_later(name, rows))
    )
    bitter = stand(copy, poisoned, AS_OF, extracted=False).scored(models[0], 2)
    deal = open_in_both(second)
    corrected = written(source, root / "corrected", lambda name, rows: stage_corrected(name, rows, deal))
    later = stand(workspace, corrected, AS_OF + WEEK, extracted=False)
    mended = later.scored(models[0], 3)
    return Runs(workspace, first, second, bitter, mended, later.scored(models[1], 4), deal)


def trained(at: Stand, seed: int) -> WinModel:
    rows = label_and_split(at.job, at.view, at.built, silent)
    job = replace(at.job, settings=at.job.settings.model_copy(update={"seed": seed}))
    model = train_model(job, at.view, rows, at.built.features, silent)
    assert model.kind == "lightgbm"
    return model


def open_in_both(run: Published) -> str:
    """A deal that stays open for another week."""
    deals = run.table("win_deals.parquet").to_pylist()
    late = [
        one["opportunity_id"] for one in deals
        if one["previous_p_win"] and one["expected_close_on"]
        and one["expected_close_on"] > (AS_OF + 8 * WEEK).date()
    ]  # fmt: skip
    return str(late[0])


def stage_corrected(name: str, rows: pa.Table, deal: str) -> pa.Table:
    """The deal's latest stage before the second run, recorded as another one all along."""
    if name != "opportunity_changes":
        return rows
    of_deal = pc.and_(pc.equal(rows["opportunity_id"], deal), pc.equal(rows["field"], "stage"))
    known = pc.and_(of_deal, pc.less(rows["changed_at"], pa.scalar(AS_OF)))
    held = rows.filter(known)
    latest = pc.and_(known, pc.equal(rows["changed_at"], pc.max(held["changed_at"])))
    now = rows.filter(latest)["new_value"][0].as_py()
    other = "Discovery" if now == "Negotiation" else "Negotiation"
    return with_column(rows, "new_value", pc.if_else(latest, other, rows["new_value"]))


def by_deal(run: Published, column: str, *kinds: str) -> dict[str, float]:
    """Sums of a column of the changes by deal, of these kinds or of all."""
    sums: dict[str, float] = {}
    for row in run.table(CHANGES).to_pylist():
        if not kinds or row["kind"] in kinds:
            sums[row["opportunity_id"]] = sums.get(row["opportunity_id"], 0.0) + row[column]
    return sums


def scores(run: Published) -> dict[str, dict[str, Any]]:
    return {row["opportunity_id"]: row for row in run.table("win_scores.parquet").to_pylist()}


@pytest.mark.parametrize(("before", "after"), [("first", "second"), ("second", "mended"), ("mended", "anew")])
def test_terms_add_up_to_the_difference_for_every_deal_in_both_runs(
    runs: Runs, before: str, after: str
) -> None:
    was, now = scores(getattr(runs, before)), scores(getattr(runs, after))
    log_odds, points = (by_deal(getattr(runs, after), name) for name in ("log_odds", "points"))
    both = set(was) & set(now)
    assert both
    assert set(log_odds) <= both
    for deal in both:
        moved = now[deal]["log_odds"] - was[deal]["log_odds"]
        assert log_odds.get(deal, 0.0) == pytest.approx(moved, abs=1e-6)
        p_moved = 100 * (now[deal]["p_win"] - was[deal]["p_win"])
        assert points.get(deal, 0.0) == pytest.approx(p_moved, abs=1e-4)


def test_families_add_up_to_the_difference_of_the_published_drivers(runs: Runs) -> None:
    def drivers(run: Published) -> dict[tuple[str, str], float]:
        rows = run.table("win_drivers.parquet").to_pylist()
        return {(row["opportunity_id"], row["family"]): row["log_odds"] for row in rows}

    was, now = drivers(runs.first), drivers(runs.second)
    told: dict[tuple[str, str], float] = {}
    for row in runs.second.table(CHANGES).to_pylist():
        key = (row["opportunity_id"], row["family"])
        told[key] = told.get(key, 0.0) + row["log_odds"]
    both = set(was) & set(now)
    assert both
    for key in both:
        assert told.get(key, 0.0) == pytest.approx(now[key] - was[key], abs=1e-6)


def test_with_one_model_and_untouched_records_there_is_only_time_and_news(runs: Runs) -> None:
    assert runs.first.model_version == runs.second.model_version
    kinds = set(runs.second.table(CHANGES)["kind"].to_pylist())
    assert kinds == {"time", "event"}


def test_what_comes_later_moves_no_bit_of_what_changed(runs: Runs) -> None:
    assert runs.second.table(CHANGES).num_rows > 100
    assert runs.bitter.table(CHANGES).equals(runs.second.table(CHANGES))


def test_a_corrected_record_is_told_on_its_deal_alone(runs: Runs) -> None:
    corrected = [row for row in runs.mended.table(CHANGES).to_pylist() if row["kind"] == "corrected"]
    assert {row["opportunity_id"] for row in corrected} == {runs.deal}
    moved = [row for row in corrected if row["value_before"] != row["value_after"]]
    assert {"stage", "crm_stage_probability", "stage_position"} & {row["feature"] for row in moved}
    assert all(row["sentence"].startswith("By corrected records: ") for row in moved)


def test_another_model_on_the_same_rows_is_one_term_and_nothing_else(runs: Runs) -> None:
    assert runs.anew.model_version != runs.mended.model_version
    rows = runs.anew.table(CHANGES).to_pylist()
    assert {(row["kind"], row["feature"], row["family"]) for row in rows} == {("model", None, None)}
    assert len(rows) == len(scores(runs.anew))


def test_a_chain_of_runs_adds_up_model_and_all(runs: Runs) -> None:
    change = deal_change(runs.anew, runs.deal, since=runs.first.run_id)
    assert change.since_run_id == runs.first.run_id
    was, now = scores(runs.first)[runs.deal], scores(runs.anew)[runs.deal]
    assert sum(one.log_odds for one in change.terms) == pytest.approx(
        now["log_odds"] - was["log_odds"], abs=1e-6
    )
    assert {one.name for one in change.kinds} == {"model", "corrected", "time", "event"}
    points = 100 * (now["p_win"] - was["p_win"])
    assert sum(one.points for one in change.kinds) == pytest.approx(points, abs=1e-6)


def test_the_first_run_of_a_workspace_tells_no_changes(runs: Runs) -> None:
    assert runs.first.table(CHANGES).num_rows == 0
    assert runs.first.manifest["about"]["previous_run_id"] is None


def test_rows_stand_by_deal_with_the_largest_term_first_and_few_are_told(runs: Runs) -> None:
    table = runs.second.table(CHANGES)
    rows = table.to_pylist()
    order = [(row["opportunity_id"], -abs(row["log_odds"])) for row in rows]
    assert order == sorted(order)
    told = [row for row in rows if row["feature"] != "small"]
    assert all(row["sentence"] and abs(row["log_odds"]) >= 0.005 for row in told)
    counts: dict[tuple[str, str], int] = {}
    for row in told:
        counts[row["opportunity_id"], row["kind"]] = counts.get((row["opportunity_id"], row["kind"]), 0) + 1
    assert max(counts.values()) <= 6
    assert np.isfinite(table["points"].to_numpy()).all()


def test_the_command_tells_a_deal_and_the_largest_moves(runs: Runs) -> None:
    shown = dealcast("changes", runs.deal, "-w", runs.workspace, "--since", runs.first.run_id)
    assert shown.returncode == 0, shown.stderr
    for words in (
        "probability of winning",
        "Another model",
        "Corrected records",
        "Time passing",
        "New events",
    ):
        assert words in shown.stdout
    as_json = json.loads(dealcast("changes", "-w", runs.workspace, "--json").stdout)
    assert as_json["since_run_id"] == runs.mended.run_id
    assert as_json["compared"] == len(scores(runs.anew))
    unknown = dealcast("changes", runs.deal + "0", "-w", runs.workspace)
    assert unknown.returncode == 2
    assert runs.deal in unknown.stderr
