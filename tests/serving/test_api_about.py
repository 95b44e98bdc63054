"""Health, who asks, the runs and the features."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from serving.access.actor import OWNER
from serving.app import create_app
from tests.serving.access_world import AS_OF, FIRST, SECOND, Client, person, published, settings

NOW = AS_OF + timedelta(hours=6)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    workspace = published(tmp_path_factory.mktemp("about"))
    return create_app(settings(published(workspace, SECOND)), now=lambda: NOW)


def test_health_is_for_everybody_and_says_nothing_but_run_and_age(app: FastAPI) -> None:
    answer = Client(app).get("/api/v1/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok", "run_id": SECOND, "as_of": "2026-01-05T00:00:00Z", "age_hours": 6.0,
    }  # fmt: skip


def test_health_of_an_empty_workspace_says_that_it_is_empty(tmp_path: Path) -> None:
    answer = Client(create_app(settings(tmp_path))).get("/api/v1/health")
    assert answer.json() == {"status": "empty", "run_id": None, "as_of": None, "age_hours": None}


def test_an_empty_workspace_answers_with_how_to_publish(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path))
    answer = Client(app, OWNER).get("/api/v1/deals")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "nothing_published"
    assert "dealcast run" in answer.json()["error"]["remedy"]


def test_nobody_sees_anything_else(app: FastAPI) -> None:
    for path in ("me", "deals", "deals/D1", "runs", "features", "models", "forecast", "renewals", "changes"):
        assert Client(app).get(f"/api/v1/{path}").status_code == 401, path


def test_me_tells_a_rep_who_they_are_and_how_many_deals_are_theirs(app: FastAPI) -> None:
    me = Client(app, person("R1", "rep")).get("/api/v1/me").json()
    assert (me["user_id"], me["name"], me["person_id"], me["roles"]) == ("R1", "Ann", "R1", ["rep"])
    assert (me["via"], me["deals"]) == ("sign-in", 2)
    assert {"deals", "act"} <= set(me["actions"])
    assert not {"forecast", "models", "score"} & set(me["actions"])


def test_me_tells_finance_no_number_of_deals(app: FastAPI) -> None:
    me = Client(app, person("M2", "finance")).get("/api/v1/me").json()
    assert me["deals"] is None
    assert {"forecast", "renewals", "scenario", "export"} <= set(me["actions"])


def test_runs_are_listed_newest_first(app: FastAPI) -> None:
    runs = Client(app, OWNER).get("/api/v1/runs").json()["runs"]
    assert [(one["run_id"], one["is_served"]) for one in runs] == [(SECOND, True), (FIRST, False)]
    assert {one["model_version"] for one in runs} == {"baseline-1"}


def test_a_run_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    workspace = published(tmp_path)
    app = create_app(settings(published(workspace, SECOND)))
    (workspace / "published" / FIRST / "manifest.json").write_text("{}")
    runs = Client(app, OWNER).get("/api/v1/runs").json()["runs"]
    assert [one["run_id"] for one in runs] == [SECOND]


def test_features_are_told_as_the_run_published_them(app: FastAPI) -> None:
    view = Client(app, person("R1", "rep")).get("/api/v1/features").json()
    assert [(one["feature"], one["of"], one["actionable"]) for one in view["features"]] == [
        ("meetings_held", "deal", True), ("account_wins", "account", False),
        ("seller_win_rate", "seller", False),
    ]  # fmt: skip
    assert view["renewal_features"] == []


def test_what_is_old_is_said_in_every_answer(tmp_path: Path) -> None:
    later = datetime(2026, 3, 1, tzinfo=UTC)
    app = create_app(settings(published(tmp_path)), now=lambda: later)
    owner = Client(app, OWNER)
    for path in ("deals", "deals/D1", "deal-choices", "forecast", "renewals", "models", "me", "changes"):
        notices = owner.get(f"/api/v1/{path}").json()["notices"]
        assert any("These figures stand at 2026-01-05" in one for one in notices), path
