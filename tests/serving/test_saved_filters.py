"""Named views of the deals: one's own, kept over restarts, and made of known filters alone."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from serving.app import create_app
from serving.saved_filters import filters_of, keep_filter
from serving.store import Store
from tests.serving.access_world import Client, person, published, settings

NOW = datetime(2026, 1, 6, 9, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    made = create_app(settings(published(tmp_path)), now=lambda: NOW)
    yield made
    made.state.store.close()


def test_a_view_is_kept_shown_and_forgotten_by_the_forms_of_the_page(app: FastAPI) -> None:
    rep = Client(app, person("R1", "rep"))
    assert 'action="/views"' in rep.get("/deals?region=north&sort=-amount").text
    saved = rep.post("/views", data={"name": "North <first>", "query": "region=north&sort=-amount&cursor=x"})
    assert (saved.status_code, saved.headers["location"]) == (303, "/deals?region=north&sort=-amount")
    page = rep.get("/deals").text
    assert 'href="/deals?region=north&amp;sort=-amount"' in page
    assert "North &lt;first&gt;" in page
    assert rep.get(saved.headers["location"]).status_code == 200
    (held,) = rep.get("/api/v1/filters").json()["filters"]
    assert rep.post(f"/views/{held['filter_id']}/forget").status_code == 303
    assert "North" not in rep.get("/deals").text


def test_views_are_ones_own(app: FastAPI) -> None:
    rep, other = Client(app, person("R1", "rep")), Client(app, person("B1", "ops"))
    made = rep.post("/api/v1/filters", json={"name": "Mine", "query": "stage=Proposal"})
    assert made.status_code == 201
    key = made.json()["filter_id"]
    assert other.get("/api/v1/filters").json()["filters"] == []
    assert "Mine" not in other.get("/deals").text
    assert other.request("DELETE", f"/api/v1/filters/{key}").status_code == 404
    assert other.post(f"/views/{key}/forget").status_code == 404
    assert [one["name"] for one in rep.get("/api/v1/filters").json()["filters"]] == ["Mine"]
    assert rep.request("DELETE", f"/api/v1/filters/{key}").status_code == 204
    assert rep.get("/api/v1/filters").json()["filters"] == []


@pytest.mark.parametrize(
    "query",
    ["javascript=alert(1)", "p_min=2", "sort=password", "q=" + "x" * 101, "&".join(["region=n"] * 120)],
)
def test_only_filters_of_the_list_can_be_kept(app: FastAPI, query: str) -> None:
    rep = Client(app, person("R1", "rep"))
    assert rep.post("/api/v1/filters", json={"name": "Bad", "query": query}).status_code == 400
    assert rep.post("/views", data={"name": "Bad", "query": query}).status_code == 400
    assert rep.get("/api/v1/filters").json()["filters"] == []


def test_a_text_in_a_filter_is_quoted_in_the_address(app: FastAPI) -> None:
    rep = Client(app, person("R1", "rep"))
    made = rep.post("/api/v1/filters", json={"name": "Odd", "query": "q=%22%3E%3Cscript%3E&region=a%26b"})
    assert made.json()["query"] == "q=%22%3E%3Cscript%3E&region=a%26b"
    assert "<script>" not in rep.get("/deals").text.replace('<script src="', "")


def test_a_view_of_the_same_name_gives_way_and_all_outlive_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, query in (("b", "p_min=0.5"), ("a", "q=x"), ("b", "p_min=0.7")):
        keep_filter(store, "R1", name=name, query=query, now=NOW)
    store.close()
    again = Store(tmp_path)
    assert [(one.name, one.query) for one in filters_of(again, "R1")] == [("a", "q=x"), ("b", "p_min=0.7")]
    assert filters_of(again, "R2") == ()
    again.close()
