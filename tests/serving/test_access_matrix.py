"""Every route, every role, on one's own deals, the team's and others': what may not be seen is not there."""

from typing import Any

import pytest

from tests.serving.access_world import Client
from tests.serving.two_teams import (
    OTHER_MANAGER,
    ROLES,
    UNKNOWN_CONTRACT,
    UNKNOWN_DEAL,
    World,
    asked,
    routes,
    said,
    world,
)

__all__ = ["world"]

pytestmark = pytest.mark.slow

MAY: dict[str, dict[str, str]] = {
    # action: whose deals each role does it on
    "public": dict.fromkeys(ROLES, "own team foreign"),
    "me": dict.fromkeys(ROLES[:-1], "own team foreign"),
    "deals": {"rep": "own", "manager": "own team", "ops": "own team foreign"},
    "act": {"rep": "own", "manager": "own team", "ops": "own team foreign"},
    "renewals": {"finance": "all", "ops": "all"},
    "forecast": {"finance": "all", "ops": "all"},
    "scenario": {"finance": "all", "ops": "all"},
    "export": {"finance": "all", "ops": "all"},
    "models": {"ops": "all"},
    "score": {"ops": "all"},
}
# the stranger is a rep whom the CRM does not know


@pytest.mark.parametrize("role", ROLES)
def test_each_role_does_its_actions_and_for_others_a_route_is_not_there(world: World, role: str) -> None:
    client = world.client(role)
    for method, path, action in routes(world.app):
        if "{" in path or action == "public" or path == "/signed-out":
            continue
        status = asked(client, method, path, "", "").status_code
        if role == "nobody":
            # pages lead nowhere without a sign-in service
            assert status == 401, (method, path)
        elif role in MAY[action]:
            assert status not in (401, 403, 404), (method, path, status)
            assert status < 500, (method, path, status)
        else:
            assert status == 404, (method, path, status)


@pytest.mark.parametrize("role", ROLES[:-1])
def test_a_deal_that_one_may_not_see_answers_as_one_that_does_not_exist(world: World, role: str) -> None:
    client = world.client(role)
    for method, path, action in routes(world.app):
        if "{opportunity_id}" not in path:
            continue
        unknown = said(asked(client, method, path, UNKNOWN_DEAL, ""), UNKNOWN_DEAL)
        for whose, deal in world.one.items():
            status, words = said(asked(client, method, path, deal, ""), deal)
            if whose in MAY[action].get(role, "").split():
                assert status < 500, (method, path, whose, status)
                assert status != 404 or words != unknown[1] or "{link_id}" in path, (method, path, whose)
            else:
                assert (status, words) == unknown, (method, path, whose)
                assert status in (404, 422), (method, path, whose)


@pytest.mark.parametrize("role", ROLES[:-1])
def test_contracts_are_for_finance_and_ops(world: World, role: str) -> None:
    for method, path, action in routes(world.app):
        if "{contract_id}" in path:
            status = asked(world.client(role), method, path, "", world.contract).status_code
            assert status == (200 if role in MAY[action] else 404), path
            unknown = asked(world.client(role), method, path, "", UNKNOWN_CONTRACT).status_code
            assert unknown == 404


LISTS = (
    "/api/v1/deals", "/api/v1/deals?limit=200&sort=-amount", "/api/v1/deals?sort=name&limit=7",
    "/api/v1/deals?q=business", "/api/v1/deals?q=D0", "/api/v1/deals?p_min=0.2", "/api/v1/deal-choices",
    "/api/v1/changes", "/api/v1/me", "/api/v1/qualification/sheets", "/api/v1/challenges", "/deals",
    "/deals?sort=-change", "/qualify", "/challenges",
)  # fmt: skip


def test_two_reps_on_one_address_see_disjoint_rows_whose_caches_are_warm(world: World) -> None:
    first, second = world.client("rep"), world.other_rep()
    own, other = world.deals["own"], world.deals["foreign"]
    theirs = world.foreign_words(own), world.foreign_words(frozenset(other))
    for path in LISTS:
        for _ in range(2):
            for client, foreign in ((first, theirs[0]), (second, theirs[1])):
                answer = client.get(path, headers={"Accept": "text/html, application/json"})
                assert answer.status_code == 200, path
                assert not [text for text in foreign if text in answer.text], path


def listed(client: Client, query: str = "") -> dict[str, Any]:
    """The pages of a list put together."""
    answer = client.get(f"/api/v1/deals?limit=5{query}").json()
    deals = list(answer["deals"])
    while answer["next_cursor"]:
        cursor = answer["next_cursor"]
        answer = client.get("/api/v1/deals", params={"limit": 5, "cursor": cursor} | _split(query)).json()
        deals += answer["deals"]
    return {**answer, "deals": deals}


def _split(query: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in query.split("&") if part)


@pytest.mark.parametrize("query", ["", "&sort=-amount", "&sort=name", "&q=0", "&p_min=0.1"])
def test_totals_and_counts_are_of_ones_own_rows(world: World, query: str) -> None:
    for client, may in (
        (world.client("rep"), world.deals["own"]),
        (world.client("manager"), world.deals["own"] | world.deals["team"]),
    ):
        answer = listed(client, query)
        found = [deal["opportunity_id"] for deal in answer["deals"]]
        assert set(found) <= may
        assert len(found) == len(set(found)) == answer["total"]
        if not query:
            assert set(found) == may
        assert sum(one["deals"] for one in answer["by_currency"]) == answer["total"]
        assert answer["expected_wins"] == pytest.approx(sum(deal["p_win"] for deal in answer["deals"]))


def test_a_cursor_of_somebody_else_shows_no_more(world: World) -> None:
    page = world.client("ops").get("/api/v1/deals?limit=3").json()
    answer = world.client("rep").get("/api/v1/deals", params={"limit": 3, "cursor": page["next_cursor"]})
    if answer.status_code == 200:
        assert {deal["opportunity_id"] for deal in answer.json()["deals"]} <= world.deals["own"]
    assert not [text for text in world.foreign_words(world.deals["own"]) if text in answer.text]


def test_filters_and_searches_do_not_tell_who_else_has_deals(world: World) -> None:
    rep = world.client("rep")
    foreign = world.one["foreign"]
    rank = world.run.rank_of(foreign)
    owner, name = world.run.deals.owner_id[rank], world.run.deals.name[rank]

    def plain(params: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = rep.get("/api/v1/deals", params=params).json()
        return found

    for there, absent in (({"owner": owner}, {"owner": "U-none"}), ({"q": foreign}, {"q": UNKNOWN_DEAL}),
                          ({"q": name}, {"q": "no such name"}),
                          ({"team": OTHER_MANAGER}, {"team": "no such manager"})):  # fmt: skip
        assert plain(there) == plain(absent)
