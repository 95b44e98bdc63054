"""One deal as the API tells it: what was published, exactly, and nothing that its reader may not see."""

import math
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
import pytest
from fastapi import FastAPI

from data.errors import UsageError
from models.calibration import sigmoid
from models.track_record import wilson_interval
from serving.access.actor import OWNER
from serving.access.errors import NotFound
from serving.access.hidden import OTHER
from serving.api.changes import ChangesView, DealChangeView, HistoryView, changes_view
from serving.api.deal import deal_body, deal_view
from serving.api.deal_parts import DealView
from serving.app import create_app
from serving.changes import deal_change
from serving.live import HeldRun, hold
from serving.published import glance, published_runs
from serving.room import deal_room
from serving.timing import KNOTS, close_curve
from tests.serving.access_world import Client, person, published, settings
from tests.serving.api_world import modelled_run, ops, viewer


@pytest.fixture(scope="module")
def run(served: Path, tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    workspace = tmp_path_factory.mktemp("copied") / "workspace"
    copytree(served, workspace, ignore=ignore_patterns("*.duckdb", "mlartifacts"))
    return hold(workspace)


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    return modelled_run(tmp_path_factory.mktemp("modelled"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    return hold(published(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(settings(published(tmp_path_factory.mktemp("app"))))


def total(view: DealView) -> float:
    return view.base_log_odds + sum(one.log_odds for one in view.contributions) + view.other_log_odds


def logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def test_every_deal_adds_up_to_its_published_score(run: HeldRun) -> None:
    scores = {row["opportunity_id"]: row for row in run.table("win_scores.parquet").to_pylist()}
    for deal in run.deals.ids:
        view = deal_view(ops(run), deal)
        assert view.deal.p_win == scores[deal]["p_win"]
        assert view.log_odds == scores[deal]["log_odds"]
        assert abs(total(view) - logit(view.deal.p_win)) < 1e-6
        assert abs(view.base_log_odds + sum(one.log_odds for one in view.drivers) - view.log_odds) < 1e-6


def test_a_deal_tells_what_stands_beside_its_score_as_published(run: HeldRun) -> None:
    for deal in run.deals.ids[:20]:
        view, room = deal_view(ops(run), deal), deal_room(run, deal)
        assert [one.role for one in view.roles] == [row["role"] for row in room.roles]
        assert {one.role for one in view.roles if one.missing} == {row["role"] for row in room.missing_roles}
        assert [one.state for one in view.promises] == [row["state"] for row in room.promises]
        assert view.spiral.phase == room.phase
        assert [one.happened_at for one in view.moments] == [row["happened_at"] for row in room.moments]
        assert [one.answer for one in view.qualification] == [row["answer"] for row in room.qualification]


def test_the_curve_is_the_published_one_with_its_dates(run: HeldRun) -> None:
    curves = 0
    for deal in run.deals.ids[:10]:
        held, view = close_curve(run, deal), deal_view(ops(run), deal)
        if held is None or view.curve is None:
            assert held is None
            assert view.curve is None
            continue
        curves += 1
        assert [one.days for one in view.curve.points] == [0, *KNOTS]
        assert [one.p_won_by for one in view.curve.points] == list(held.p_won_by)
        assert (view.curve.points[1].on - run.as_of.date()).days == 7
        steps = np.diff([one.p_won_by for one in view.curve.points])
        assert (steps >= 0).all()
    has_curves = run.has("win_timing.parquet") and run.table("win_timing.parquet").num_rows
    assert curves or not has_curves


def test_ops_read_the_published_drivers_and_reasons(modelled: HeldRun) -> None:
    for deal in modelled.deals.ids:
        view = deal_view(ops(modelled), deal)
        published_drivers = modelled.rows("win_drivers.parquet", deal)
        assert [(one.title, pytest.approx(one.log_odds)) for one in view.drivers] == [
            (row["title"], row["log_odds"]) for row in published_drivers
        ]
        told = {one.sentence for one in (*view.speaks_for, *view.speaks_against)}
        assert told == {row["sentence"] for row in modelled.rows("win_reasons.parquet", deal)}
        assert (view.other_log_odds, view.n_other) == (0.0, 0)


def test_values_stand_beside_the_contributions_as_the_model_sees_them(modelled: HeldRun) -> None:
    deal = modelled.deals.ids[0]
    row = modelled.rows("win_features.parquet", deal)[0]
    parts = modelled.rows("win_contributions.parquet", deal)[0]
    view = deal_view(ops(modelled), deal)
    assert {one.feature: one.value for one in view.contributions} == {
        name: value for name, value in row.items() if name != "opportunity_id"
    }
    assert {one.feature: one.log_odds for one in view.contributions} == {
        name: value for name, value in parts.items() if name != "opportunity_id"
    }
    sizes = [abs(one.log_odds) for one in view.contributions]
    assert sizes == sorted(sizes, reverse=True)


def test_the_evidence_has_the_figures_of_its_sentence(modelled: HeldRun) -> None:
    model = modelled.model()
    assert model is not None
    for deal in modelled.deals.ids:
        view = deal_view(ops(modelled), deal)
        held = next(one for one in model.record if one.low <= view.deal.p_win < one.high)
        assert (view.evidence.past_deals, view.evidence.scored_from) == (held.deals, held.low)
        if held.deals:
            assert view.evidence.won_share == held.won / held.deals
            assert (view.evidence.won_low, view.evidence.won_high) == wilson_interval(held.won, held.deals)
            assert str(held.deals) in (view.evidence.note or "")


def test_a_baseline_has_no_grade_and_no_interval(small: HeldRun) -> None:
    view = deal_view(ops(small), "D1")
    assert view.is_baseline
    assert view.deal.grade is None
    assert (view.evidence.past_deals, view.evidence.won_share) == (None, None)
    assert view.curve is None
    assert (view.roles, view.promises, view.moments, view.spiral.phase) == ((), (), (), 0)


def test_what_a_rep_may_not_see_is_one_number_and_the_sum_is_kept(small: HeldRun) -> None:
    # D2 is R1's; a deal of R2 stands behind account_wins (0.75)
    view = deal_view(viewer(small, "deals", "R1", "rep"), "D2")
    assert {one.feature for one in view.contributions} == {"meetings_held", "seller_win_rate"}
    assert (view.other_log_odds, view.n_other) == (0.75, 1)
    assert view.drivers[-1].family == OTHER
    assert view.drivers[-1].log_odds == 0.75
    assert abs(total(view) - logit(view.deal.p_win)) < 1e-6
    text = view.model_dump_json()
    assert "account_wins" not in text
    assert "account_wins" in deal_view(ops(small), "D2").model_dump_json()


def test_a_rank_counts_own_deals_alone(small: HeldRun) -> None:
    view = deal_view(viewer(small, "deals", "R1", "rep"), "D2")
    assert (view.rank, view.of) == (2, 2)
    every = deal_view(ops(small), "D2")
    assert every.of == 6


def test_a_foreign_deal_is_not_found_like_one_that_is_not_there(small: HeldRun) -> None:
    rep = viewer(small, "deals", "R1", "rep")
    for deal in ("D3", "D6", "nothing"):
        with pytest.raises(NotFound):
            deal_view(rep, deal)


def test_the_bytes_on_the_hot_path_are_the_view_and_fit_its_model(modelled: HeldRun) -> None:
    seen = ops(modelled)
    for deal in modelled.deals.ids:
        body = deal_body(seen, deal)
        assert DealView.model_validate_json(body) == deal_view(seen, deal)
        assert deal_body(seen, deal) is body


def test_bodies_are_kept_apart_by_what_their_reader_sees(small: HeldRun) -> None:
    everything = deal_body(ops(small), "D2")
    own = deal_body(viewer(small, "deals", "R1", "rep"), "D2")
    assert b"account_wins" in everything
    assert b"account_wins" not in own
    assert deal_body(ops(small), "D2") == everything


def test_two_reps_at_one_address_with_a_warm_cache_see_their_own(app: FastAPI) -> None:
    first, second = Client(app, person("R1", "rep")), Client(app, person("R2", "rep"))
    owner = Client(app, OWNER)
    assert owner.get("/api/v1/deals/D2").status_code == 200
    assert first.get("/api/v1/deals/D2").status_code == 200
    missing = second.get("/api/v1/deals/D2")
    assert missing.status_code == 404
    assert missing.json() == second.get("/api/v1/deals/D99").json()


@pytest.mark.parametrize("path", ["", "/changes", "/history", "/suggestions"])
def test_each_part_of_a_foreign_deal_is_not_found(app: FastAPI, path: str) -> None:
    rep = Client(app, person("R2", "rep"))
    assert rep.get(f"/api/v1/deals/D3{path}").status_code == 200
    answers = {rep.get(f"/api/v1/deals/{deal}{path}").text for deal in ("D1", "D4", "D99")}
    assert len(answers) == 1
    assert "not_found" in answers.pop()


def test_what_changed_is_what_the_reader_of_changes_says(run: HeldRun) -> None:
    app = create_app(settings(run.folder.parent.parent))
    owner = Client(app, OWNER)
    for deal in run.deals.ids[:5]:
        view = DealChangeView.model_validate_json(owner.get(f"/api/v1/deals/{deal}/changes").content)
        held = deal_change(run, deal)
        assert (view.headline, view.p_before, view.p_after) == (held.headline, held.p_before, held.p_after)
        if view.terms and view.log_odds_before is not None:
            moved = view.log_odds_after - view.log_odds_before
            assert abs(sum(one.log_odds for one in view.terms) - moved) < 1e-6
            assert abs(sum(one.log_odds for one in view.drivers) - moved) < 1e-6


def test_a_since_that_is_no_earlier_run_is_refused(app: FastAPI) -> None:
    answer = Client(app, OWNER).get("/api/v1/deals/D1/changes?since=never")
    assert answer.status_code == 400
    assert "expected a run published before" in answer.json()["error"]["message"]


def test_the_history_ends_with_the_published_score(run: HeldRun) -> None:
    app = create_app(settings(run.folder.parent.parent))
    deal = run.deals.ids[0]
    answer = Client(app, OWNER).get(f"/api/v1/deals/{deal}/history")
    view = HistoryView.model_validate_json(answer.content)
    assert view.points[-1].run_id == run.run_id
    assert view.points[-1].p_win == float(run.deals.p_win[0])
    assert list(view.points) == sorted(view.points, key=lambda one: one.as_of)
    assert view.trend is not None
    assert view.trend.runs == len(view.points)


def test_movers_are_sums_over_the_deals_that_are_seen(app: FastAPI) -> None:
    view = ChangesView.model_validate_json(Client(app, person("R1", "rep")).get("/api/v1/changes").content)
    assert (view.compared, view.started, view.rises, view.falls) == (0, 2, (), ())
    assert view.expected_wins_change == 0.0


def test_movers_since_a_named_run_are_told_by_its_scores(run: HeldRun) -> None:
    seen = ops(run)
    first = run_ids(run)[-1]
    view = changes_view(seen, 3, first)
    then = glance(run.folder.parent.parent, first).table("win_scores.parquet").to_pylist()
    before = {row["opportunity_id"]: row["p_win"] for row in then}
    known = [
        (p - before[deal], deal)
        for deal, p in zip(run.deals.ids, run.deals.p_win, strict=True)
        if deal in before
    ]
    assert (view.since_run_id, view.compared) == (first, len(known))
    assert view.expected_wins_change == pytest.approx(sum(moved for moved, _ in known))
    told = [one.deal.opportunity_id for one in view.falls]
    fallen = sorted(known, key=lambda one: one[0])[: len(told)]
    assert [one.points for one in view.falls] == pytest.approx([100 * moved for moved, _ in fallen])
    with pytest.raises(UsageError, match="expected a run published before"):
        changes_view(seen, 3, run.run_id)


def run_ids(run: HeldRun) -> tuple[str, ...]:
    return published_runs(run.folder.parent.parent)


def test_the_first_deal_is_graded_against_its_stage(modelled: HeldRun) -> None:
    every = [float(p) for p in modelled.deals.p_win]
    base = (sum(every) + 20 * sum(every) / 5) / 25
    for deal in modelled.deals.ids:
        grade = deal_view(ops(modelled), deal).deal.grade
        assert grade is not None
        assert grade.base_p == pytest.approx(base)


def test_log_odds_of_the_small_world_are_as_said(small: HeldRun) -> None:
    assert deal_view(ops(small), "D1").deal.p_win == pytest.approx(float(sigmoid(np.array(0.875))))
