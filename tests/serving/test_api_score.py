"""Scoring what is sent: ready features and raw records come to the published scores, exactly."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from data.errors import ModelContractError
from serving.access.actor import OWNER
from serving.api.deal import deal_view
from serving.api.score import ready_answer
from serving.api.score_parts import MOST_DEALS, ReadyView, RecordsGiven
from serving.api.score_records import records_view
from serving.app import create_app
from serving.live import HeldRun, hold
from serving.ready import ReadyRows
from serving.records import deal_records
from tests.serving.access_world import Client, person, published, settings
from tests.serving.api_world import modelled_run, ops


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    return modelled_run(tmp_path_factory.mktemp("modelled"))


@pytest.fixture(scope="module")
def app(run: HeldRun) -> FastAPI:
    return create_app(settings(run.folder.parent.parent))


@pytest.fixture
def post(app: FastAPI) -> Callable[..., Any]:
    owner = Client(app, OWNER)
    return lambda body: owner.post(
        "/api/v1/score",
        content=body if isinstance(body, bytes) else orjson.dumps(body),
        headers={"Content-Type": "application/json"},
    )


def rows_of(run: HeldRun) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run.table("win_features.parquet").to_pylist()
    for row in rows:
        del row["opportunity_id"]
    return rows


def test_published_features_come_to_the_published_score_and_contributions(run: HeldRun) -> None:
    view = ReadyView.model_validate_json(ready_answer(run, rows_of(run)))
    scores = run.table("win_scores.parquet").to_pylist()
    parts = run.table("win_contributions.parquet").to_pylist()
    assert len(view.scores) == len(scores)
    for one, score, part in zip(view.scores, scores, parts, strict=True):
        assert abs(one.p_win - score["p_win"]) < 1e-12
        assert abs(one.base_log_odds + sum(one.contributions.values()) - one.log_odds) < 1e-6
        assert one.contributions == pytest.approx(
            {k: v for k, v in part.items() if k != "opportunity_id"}, abs=1e-12
        )
        assert sum(held.log_odds for held in one.drivers) == pytest.approx(sum(one.contributions.values()))


def test_a_batch_gives_what_each_row_alone_gives(run: HeldRun) -> None:
    rows = rows_of(run)
    together = ReadyView.model_validate_json(ready_answer(run, rows)).scores
    alone = [ReadyView.model_validate_json(ready_answer(run, [row])).scores[0] for row in rows]
    assert [one.p_win for one in together] == pytest.approx([one.p_win for one in alone], abs=1e-15)


def test_what_is_left_out_is_what_is_null_and_a_new_category_is_other(run: HeldRun) -> None:
    model = run.model()
    assert model is not None
    ready, row = ReadyRows(model), rows_of(run)[0]
    categories = [one.name for one in model.encoder.columns if one.kind == "category"]
    left = {name: value for name, value in row.items() if name != categories[0]}
    assert (ready.score([left]).log_odds == ready.score([{**row, categories[0]: None}]).log_odds).all()
    strange, other = ({**row, categories[0]: value} for value in ("never seen", "(other)"))
    assert (ready.score([strange]).log_odds == ready.score([other]).log_odds).all()


def test_wrong_features_are_all_named_with_what_was_expected(run: HeldRun) -> None:
    model = run.model()
    assert model is not None
    ready = ReadyRows(model)
    kinds = {one.kind: one.name for one in model.encoder.columns}
    wrong = {kinds["flag"]: 1, kinds["category"]: 3, kinds["count"]: "7", "meetingz": 1}
    with pytest.raises(ModelContractError) as caught:
        ready.matrix([{}, wrong])
    said = str(caught.value)
    assert f"row 2, feature '{kinds['flag']}': expected true or false, found 1" in said
    assert f"row 2, feature '{kinds['category']}': expected text, found 3" in said
    assert f"row 2, feature '{kinds['count']}': expected a number, found '7'" in said
    assert "row 2, feature 'meetingz': the model" in said
    assert "has no such feature. Near matches: meetings" in said
    with pytest.raises(ModelContractError, match="9 problems in all"):
        ready.matrix([{"nope": 1}] * 9)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "expected JSON"),
        (b"[]", 400, "one of the two"),
        (b"{}", 400, "one of the two"),
        (b'{"features": [], "records": {}}', 400, "one of the two"),
        (b'{"features": []}', 400, "expected 1 to 1,000 rows, found 0"),
        (b'{"features": [1]}', 400, "expected a list of objects"),
        (b'{"features": [{}], "as_of": 1}', 400, "expected nothing beside"),
        (b'{"features": [{"nope": 1}]}', 422, "has no such feature"),
        (b'{"features": [{"meetings": 1e999}]}', 400, "expected JSON"),
        (b'{"records": {"opportunities": [1]}}', 422, "records.opportunities.0"),
        (b'{"records": {}, "as_of": "2026-01-05T00:00:00"}', 422, "as_of"),
        (b'{"records": {}, "more": 1}', 422, "more"),
    ],
)
def test_a_body_that_cannot_be_scored_is_refused(
    post: Callable[..., Any], body: bytes, status: int, said: str
) -> None:
    answer = post(body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


def test_no_more_than_a_thousand_rows_are_scored(post: Callable[..., Any]) -> None:
    answer = post({"features": [{}] * (MOST_DEALS + 1)})
    assert (answer.status_code, "found 1,001" in answer.text) == (400, True)
    assert len(post({"features": [{}] * 20}).json()["scores"]) == 20


def test_scoring_is_for_ops(app: FastAPI) -> None:
    for role in ("rep", "manager", "finance"):
        client = Client(app, person("R1", role))
        assert client.post("/api/v1/score", json={"features": [{}]}).status_code == 404, role


def test_a_baseline_has_no_model_to_ask(tmp_path: Path) -> None:
    owner = Client(create_app(settings(published(tmp_path))), OWNER)
    answer = owner.post("/api/v1/score", json={"features": [{}]})
    assert answer.status_code == 409
    assert "base rate" in answer.json()["error"]["message"]


@pytest.mark.slow
def test_the_records_of_a_published_deal_come_to_its_published_answer(served: Path) -> None:
    run = hold(served)
    if run.model() is None:
        pytest.skip(f"the served run has no model: {run.model_problem}")
    for deal in run.deals.ids[:3]:
        sent = {
            name: [{key: _plain(value) for key, value in row.items()} for row in table.to_pylist()]
            for name, table in deal_records(run, deal).items()
        }
        given = RecordsGiven.model_validate_json(orjson.dumps({"records": sent}))
        view, published_view = records_view(run, given), deal_view(ops(run), deal)
        (one,) = view.deals
        assert view.rejected == ()
        assert abs(one.p_win - published_view.deal.p_win) < 1e-9
        assert one.contributions == pytest.approx(
            {held.feature: held.log_odds for held in published_view.contributions}, abs=1e-9
        )
        assert (one.roles, one.promises, one.spiral) == (
            published_view.roles, published_view.promises, published_view.spiral,
        )  # fmt: skip
        assert (one.moments, one.qualification) == (published_view.moments, published_view.qualification)
        assert one.evidence == published_view.evidence


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
