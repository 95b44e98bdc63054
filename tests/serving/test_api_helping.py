"""What would help, what if, and the records behind a factor: as their readers say, and only what is seen."""

from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from serving.access.actor import OWNER
from serving.access.gate import Seen
from serving.access.policy import Scope
from serving.api.evidence import evidence_view
from serving.api.helping import WhatIfGiven, suggestions_view, what_if_view
from serving.app import create_app
from serving.evidence import rows_behind
from serving.feature_facts import CATALOGUE
from serving.live import HeldRun, hold
from serving.suggestions import ASSOCIATION, suggestions
from serving.what_if import what_if
from tests.serving.access_world import Client, person, published, settings
from tests.serving.api_world import ops


@pytest.fixture(scope="module")
def run(served: Path, tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    workspace = tmp_path_factory.mktemp("copied") / "workspace"
    copytree(served, workspace, ignore=ignore_patterns("*.duckdb", "mlartifacts"))
    return hold(workspace)


@pytest.fixture(scope="module")
def modelled(run: HeldRun) -> HeldRun:
    if run.model() is None:
        pytest.skip(f"the served run has no model to ask: {run.model_problem}")
    return run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(settings(published(tmp_path_factory.mktemp("small"))))


def owner_of(run: HeldRun) -> Seen:
    """The owner of the first deal, who sees their own deals alone."""
    seen = ops(run)
    return Seen(run, seen.actor, Scope("deals", frozenset({run.deals.owner_id[0]})))


def test_suggestions_are_the_published_ones(run: HeldRun) -> None:
    told = 0
    for deal in run.deals.ids[:20]:
        view, held = suggestions_view(ops(run), deal), suggestions(run, deal)
        assert [(one.title, one.gain_points, one.label) for one in view.suggestions] == [
            (one.title, one.gain_points, one.label) for one in held
        ]
        for one in view.suggestions:
            assert abs(sum(part.log_odds for part in one.drivers) - one.gain_log_odds) < 1e-6
        assert (view.why_none is None) == bool(held)
        assert view.note == ASSOCIATION
        told += len(held)
    assert told or run.is_baseline


def test_no_more_suggestions_come_than_were_asked_for(modelled: HeldRun) -> None:
    deal = next(one for one in modelled.deals.ids if len(suggestions(modelled, one)) > 1)
    assert len(suggestions_view(ops(modelled), deal, 1).suggestions) == 1


def test_what_if_adds_up_and_is_what_the_model_says(modelled: HeldRun) -> None:
    changes = {"economic_buyer_engaged": True, "days_since_two_way": 2.0}
    for deal in modelled.deals.ids[:5]:
        view = what_if_view(ops(modelled), deal, WhatIfGiven(changes=changes))
        held = what_if(modelled, deal, changes)
        assert (view.p_before, view.p_after) == (held.p_before, held.p_after)
        assert view.points == pytest.approx(100 * (held.p_after - held.p_before))
        moved = view.log_odds_after - view.log_odds_before
        assert abs(sum(one.moved for one in view.drivers) - moved) < 1e-6
        assert abs(sum(one.moved for one in view.features) - moved) < 1e-6
        assert {one.feature for one in view.changes} == set(changes)


def test_what_a_seller_may_not_see_moves_as_one_sum(modelled: HeldRun) -> None:
    deal = modelled.deals.ids[0]
    closed = {row["feature"] for row in modelled.table(CATALOGUE).to_pylist() if row["of"] == "account"}
    view = what_if_view(owner_of(modelled), deal, WhatIfGiven(changes={"days_since_two_way": 2.0}))
    assert not closed & {one.name for one in view.features}
    moved = view.log_odds_after - view.log_odds_before
    assert abs(sum(one.moved for one in view.drivers) - moved) < 1e-6


def test_steps_are_answered_from_what_was_published(modelled: HeldRun) -> None:
    deal = next(one for one in modelled.deals.ids if suggestions(modelled, one))
    held = suggestions(modelled, deal)[0]
    view = what_if_view(ops(modelled), deal, WhatIfGiven(steps=held.steps))
    assert view.suggestion is not None
    assert (view.p_after, view.suggestion.title) == (held.p_after, held.title)
    assert abs(sum(one.moved for one in view.drivers) - (view.log_odds_after - view.log_odds_before)) < 1e-6


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "one of the two"),
        ({"changes": {"meetings_held": 1}, "steps": ["backing"]}, "one of the two"),
        ({"changes": {"meetings_held": None}}, "changes.meetings_held"),
        ({"changes": {"meetings_held": [1]}}, "changes.meetings_held"),
        ({"change": {}}, "Extra inputs"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(body: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WhatIfGiven.model_validate(body)


def test_a_base_rate_can_be_asked_nothing_and_says_why(small: FastAPI) -> None:
    owner = Client(small, OWNER)
    answer = owner.post("/api/v1/deals/D1/what-if", json={"changes": {"meetings_held": 3}})
    assert answer.status_code == 400
    assert "base rate" in answer.json()["error"]["message"]
    view = owner.get("/api/v1/deals/D1/suggestions").json()
    assert view["suggestions"] == []
    assert "base rate" in view["why_none"]


def test_what_if_of_a_foreign_deal_is_not_found(small: FastAPI) -> None:
    rep = Client(small, person("R1", "rep"))
    for deal in ("D3", "D99"):
        answer = rep.post(f"/api/v1/deals/{deal}/what-if", json={"changes": {"meetings_held": 3}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_factor_that_is_not_seen_can_neither_be_changed_nor_looked_into(small: FastAPI) -> None:
    rep = Client(small, person("R1", "rep"))
    changed = rep.post("/api/v1/deals/D2/what-if", json={"changes": {"account_wins": 3}})
    assert (changed.status_code, "not a feature that you can change" in changed.text) == (400, True)
    assert rep.get("/api/v1/deals/D2/evidence/account_wins").status_code == 404


@pytest.mark.slow
def test_the_records_behind_a_factor_are_those_its_reader_finds(run: HeldRun) -> None:
    deal = run.deals.ids[0]
    for feature in ("meetings_held", "days_in_stage", "account_wins"):
        view, held = evidence_view(ops(run), deal, feature), rows_behind(run, deal, feature)
        assert [(one.source, one.row_id, one.happened_at) for one in view.rows] == [
            (one.source, one.row_id, one.happened_at) for one in held.rows
        ]
        assert view.note == held.note
        assert view.value == run.rows("win_features.parquet", deal)[0][feature]


@pytest.mark.slow
def test_no_feature_of_that_name_is_said_with_near_ones(run: HeldRun) -> None:
    owner = Client(create_app(settings(run.folder.parent.parent)), OWNER)
    answer = owner.get(f"/api/v1/deals/{run.deals.ids[0]}/evidence/meetings_hold")
    assert (answer.status_code, "meetings_held" in answer.text) == (400, True)
