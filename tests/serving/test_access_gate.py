"""Every route of the server stands behind the gate, which it passes once; what is public is listed here."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from serving.access.gate import Gate, allow
from serving.app import create_app
from serving.publish import publish
from tests.serving.access_world import DEALS, FIRST, SECOND, Client, person, publication, published, settings

PUBLIC = {
    "GET /api/v1/health",
    "GET /customer/{token}",
    "GET /enter",
    "GET /sign-in",
    "GET /sign-in/callback",
    "GET /sign-out/everywhere",
    "GET /signed-out",
    "GET /static/{name}",
    "POST /customer/{token}",
    "POST /customer/{token}/take-back",
    "POST /sign-out",
    "POST /theme",
}
"""What anybody may ask for. A route is added here only after a thought about what it tells to strangers."""


def gates_of(dependant: Any) -> Iterator[Gate]:
    """The gates among a route's dependencies, at any depth."""
    for one in dependant.dependencies:
        if isinstance(one.call, Gate):
            yield one.call
        yield from gates_of(one)


def ungated(app: FastAPI) -> list[str]:
    """What of the app has no gate, or more than one."""
    return [
        _named(route)
        for route in iter_route_contexts(app.routes)
        if not hasattr(route, "dependant") or len(list(gates_of(route.dependant))) != 1
    ]


def actions_of(app: FastAPI) -> dict[str, str]:
    """The action of each route, by method and path."""
    return {
        _named(route): next(gates_of(route.dependant)).action for route in iter_route_contexts(app.routes)
    }


def _named(route: RouteContext) -> str:
    methods = ",".join(sorted(getattr(route, "methods", None) or ["any method"]))
    return f"{methods} {getattr(route, 'path', route)}"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(settings(published(tmp_path)))


def test_every_route_passes_the_gate_once(app: FastAPI) -> None:
    assert ungated(app) == []
    assert len(actions_of(app)) > 50


def test_only_what_is_listed_is_public(app: FastAPI) -> None:
    assert {name for name, action in actions_of(app).items() if action == "public"} == PUBLIC


def test_a_route_without_a_gate_or_with_two_is_found_wherever_it_hangs(app: FastAPI) -> None:
    def nothing() -> None: ...

    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    inner.add_api_route("/open", nothing)
    inner.add_api_route("/twice", nothing, dependencies=[allow("deals"), allow("act")])
    inner.add_api_route("/once", nothing, dependencies=[allow("deals")])
    outer.include_router(inner)
    app.include_router(outer)
    app.add_api_route("/other", nothing, dependencies=[Depends(nothing)])
    app.add_route("/plain", nothing)
    app.mount("/files", FastAPI())
    assert [name.split()[-1] for name in ungated(app)] == [
        "/outer/inner/open", "/outer/inner/twice", "/other", "/plain", "/files",
    ]  # fmt: skip


def test_nobody_gets_past_a_gate_that_is_not_public(app: FastAPI) -> None:
    for name, action in actions_of(app).items():
        method, path = name.split()
        answer = Client(app).request(method, path.replace("{", "").replace("}", ""))
        assert (answer.status_code == 401) == (action != "public" or path == "/signed-out"), name


def test_who_is_deactivated_is_out_with_the_run_that_says_so(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path, FIRST)))
    rep = Client(app, person("R1", "rep"))
    assert rep.get("/api/v1/deals").json()["total"] == 2
    gone = (("R1", "Ann", "M1", False), ("R2", "Bob", "M1", True))
    published(tmp_path, SECOND, people=gone)
    app.state.live.check()
    refused = rep.get("/api/v1/deals")
    assert refused.status_code == 401
    assert "D1" not in refused.text
    assert Client(app, person("R2", "rep")).get("/api/v1/deals").json()["total"] == 1


def test_who_changes_teams_sees_and_is_seen_by_the_run_that_says_so(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path, FIRST)))
    mia, noa = Client(app, person("M1", "manager")), Client(app, person("M2", "manager"))

    def totals() -> list[int]:
        return [one.get("/api/v1/deals").json()["total"] for one in (mia, noa)]

    assert totals() == [4, 1]
    moved = (("M1", "Mia", None, True), ("M2", "Noa", None, True), ("R1", "Ann", "M2", True),
             ("R2", "Bob", "M1", True), ("R3", "Cay", "M2", True))  # fmt: skip
    published(tmp_path, SECOND, people=moved)
    app.state.live.check()
    assert totals() == [1, 3]


def test_a_deal_handed_over_moves_from_view_to_view(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path, FIRST)))
    before, after = Client(app, person("R1", "rep")), Client(app, person("R3", "rep"))
    statuses = [one.get("/api/v1/deals/D1").status_code for one in (before, after)]
    deals = [("D1", "R3", (), one[3]) if one[0] == "D1" else one for one in DEALS]
    published(tmp_path, SECOND, deals=deals)
    app.state.live.check()
    statuses += [one.get("/api/v1/deals/D1").status_code for one in (before, after)]
    assert statuses == [200, 404, 404, 200]


def test_a_run_without_people_has_no_deals_for_a_rep(tmp_path: Path) -> None:
    made = publication()
    bare = {name: table for name, table in made.further.items() if name != "people.parquet"}
    publish(tmp_path, FIRST, replace(made, further=bare))
    app = create_app(settings(tmp_path))
    assert Client(app, person("R1", "rep")).get("/api/v1/deals").status_code == 404
    assert Client(app, person("R1", "ops")).get("/api/v1/deals").json()["total"] == 6


def test_a_reason_made_of_others_deals_is_on_no_page_and_in_no_answer(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path)))
    hidden, addresses = "account_wins of D2.", ("/api/v1/deals", "/api/v1/deals/D2", "/deals", "/deals/D2")
    for user, role, told in (("R1", "rep", False), ("M1", "manager", True), ("R1", "ops", True)):
        client = Client(app, person(user, role))
        for address in addresses:
            answer = client.get(address, headers={"Accept": "text/html, application/json"})
            assert answer.status_code == 200
            assert (hidden in answer.text) == told, (role, address)
            assert "Deal D2" in answer.text
