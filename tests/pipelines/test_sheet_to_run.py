"""From a sheet on the screen to the next run: both sides answer, and the scores' records know it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from data.schema import QUESTIONS
from data.settings import Settings
from serving.access.actor import OWNER
from serving.app import create_app
from serving.live import hold
from tests.pipelines.conftest import dealcast
from tests.serving.access_world import Client

pytestmark = pytest.mark.slow
FewDeals = Callable[..., Path]
NOON = datetime(2025, 9, 3, 12, tzinfo=UTC)


def _run(source: Path, workspace: Path, *more: str) -> dict[str, Any]:
    done = dealcast("run", "--source", source, "-w", workspace, "--direct", "--json", *more)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _answer_on_both_sides(workspace: Path, deal: str) -> None:
    app = create_app(Settings(workspace=workspace), now=lambda: NOON)
    seller, customer = Client(app, OWNER), Client(app)
    sheet = f"/api/v1/deals/{deal}/sheet"
    names = {"vendor_name": "Ours", "deal_name": "Harbour"}
    assert seller.request("PUT", sheet, json=names).status_code == 200
    ours = {question: {"level": 3, "evidence": "board paper"} for question in QUESTIONS}
    assert seller.post(f"{sheet}/submission", json={"version": 0, "answers": ours}).status_code == 200
    link = urlsplit(seller.post(f"{sheet}/links", json={}).json()["address"]).path
    theirs = {f"level_{question}": "1" for question in QUESTIONS} | {"do": "submit", "version": "0"}
    assert customer.post(link, data=theirs).status_code == 303
    app.state.store.close()


def test_answers_of_both_sides_are_known_to_the_next_run_and_to_none_before_them(
    few_deals: FewDeals, tmp_path: Path
) -> None:
    source, workspace = few_deals(won=3, lost=5, still_open=2), tmp_path / "workspace"
    assert _run(source, workspace)["as_of"].startswith("2025-09-01T00:00:01")
    deal = str(hold(workspace).deals.ids[0])
    assert hold(workspace).rows("win_qualification.parquet", deal) == []
    _answer_on_both_sides(workspace, deal)

    assert _run(source, workspace)["as_of"].startswith("2025-09-03T12:00:01")
    known = hold(workspace)
    rows = known.rows("win_qualification.parquet", deal)
    assert {(row["question"], row["side"], row["answer"]) for row in rows} == {
        (question, side, level) for question in QUESTIONS for side, level in (("vendor", 3), ("customer", 1))
    }
    assert {row["answered_at"] for row in rows} == {NOON}
    assert {row["evidence"] for row in rows if row["side"] == "vendor"} == {"board paper"}
    place = known.place_of(deal)
    assert place is not None
    features = known.table("win_features.parquet").slice(place, 1).to_pylist()[0]
    assert (features["questions_answered_customer"], features["when_gap"]) == (4, 2)

    _run(source, workspace, "--as-of", "2025-09-03T12:00:00Z")
    assert hold(workspace).rows("win_qualification.parquet", deal) == []
