"""Every route, every role, on one's own deals, the team's and others': what may not be seen is not there.

A run of simulated deals, published again with people in two teams: Ann and Bob report to Mia, Cay to Noa.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from serving.access.actor import Identity
from serving.app import create_app
from serving.live import HeldRun, hold
from serving.people import PEOPLE
from serving.publish import Publication, publish
from tests.serving.access_world import Client, settings
from tests.serving.test_access_gate import gates_of

pytestmark = pytest.mark.slow

ROLES = ("rep", "manager", "finance", "ops", "stranger", "nobody")
MANAGER, OTHER_MANAGER = "M-mia", "M-noa"
WEIGHT, CANARY = 0.9, "Others sold to this account before"
UNKNOWN_DEAL, UNKNOWN_CONTRACT = "D9999999", "K9999999"

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


@dataclass(frozen=True)
class World:
    """The app over the run; a deal and all deals by whose they are; a contract."""

    app: FastAPI
    run: HeldRun
    rep: str
    one: dict[str, str]
    deals: dict[str, frozenset[str]]
    contract: str

    def client(self, role: str) -> Client:
        users = {"rep": self.rep, "manager": MANAGER, "stranger": "nobody-known"}
        roles = frozenset({"rep" if role == "stranger" else role})
        if role == "nobody":
            return Client(self.app)
        return Client(self.app, Identity(f"sub-{role}", role, roles, "sign-in", user_id=users.get(role)))

    def other_rep(self) -> Client:
        owner = self.run.deals.owner_id[self.run.rank_of(self.one["foreign"])]
        return Client(self.app, Identity("sub-c", "Cay", frozenset({"rep"}), "sign-in", user_id=owner))

    def foreign_words(self, seen: frozenset[str]) -> set[str]:
        """What would give away a deal that is not among those seen: its id and its name."""
        index = self.run.deals
        unseen = [rank for rank, one in enumerate(index.ids) if one not in seen]
        return {text for rank in unseen for text in (index.ids[rank], index.name[rank]) if text}


@pytest.fixture(scope="module")
def world(served: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    workspace = tmp_path_factory.mktemp("two-teams")
    for name in ("models", "runs"):
        (workspace / name).symlink_to(served / name)
    ids = sorted(path.name for path in (served / "published").iterdir() if path.is_dir())
    ranked = hold(served).deals.owner_id.tolist()
    owners = sorted({one for one in ranked if one}, key=lambda one: (-ranked.count(one), one))
    rep, mate, other = owners[:3]
    for run_id in ids:
        republish(workspace, hold(served, run_id), {rep: MANAGER, mate: MANAGER, other: OTHER_MANAGER})
    run = hold(workspace)
    of = {
        whose: frozenset(run.deals.ids[run.deals.among("owner_id", who)])
        for whose, who in (("own", {rep}), ("team", {mate}), ("foreign", set(ranked) - {rep, mate}))
    }
    one = {whose: sorted(deals)[0] for whose, deals in of.items()}
    app = create_app(settings(workspace))
    contract = run.table("renewal_scores.parquet")["contract_id"][0].as_py()
    return World(app, run, rep, one, of, contract)


def republish(workspace: Path, run: HeldRun, managers: dict[str, str]) -> None:
    """The run again, with these people reporting to these managers and everybody active."""
    tables = {name: run.table(name) for name in run.manifest["files"]}
    rows = tables[PEOPLE].to_pylist()
    listed = {row["user_id"]: {**row, "manager_id": None, "active": True} for row in rows}
    for one in (MANAGER, OTHER_MANAGER):
        listed[one] = {**listed[rows[0]["user_id"]], "user_id": one, "name": one, "email_sha256": None}
    for one, manager in managers.items():
        listed[one]["manager_id"] = manager
    ordered = [listed[one] for one in sorted(listed)]
    tables[PEOPLE] = pa.Table.from_pylist(ordered, tables[PEOPLE].schema)
    tables["win_contributions.parquet"] = moved(tables["win_contributions.parquet"])
    tables["win_reasons.parquet"] = told(tables["win_reasons.parquet"])
    deals = tables["win_deals.parquet"]
    first = pa.array([f"{CANARY} ({one})." for one in deals["opportunity_id"].to_pylist()], pa.string())
    place = deals.column_names.index("top_reason")
    tables["win_deals.parquet"] = deals.set_column(place, "top_reason", first)
    named = {name: tables.pop(f"win_{name}.parquet") for name in (
        "scores", "contributions", "features", "drivers", "reasons", "deals",
    )}  # fmt: skip
    publish(
        workspace,
        run.run_id,
        Publication(
            run.as_of, run.model_version, run.manifest["data_version"], **named, further=tables,
            about=run.manifest["about"],
        ),
    )  # fmt: skip


def moved(contributions: pa.Table) -> pa.Table:
    """As if the account's past spoke for every deal, and its age against it by as much."""
    for name, by in (("account_wins", WEIGHT), ("deal_age_days", -WEIGHT)):
        place = contributions.column_names.index(name)
        contributions = contributions.set_column(place, name, pc.add(contributions[name], by))
    return contributions


def told(reasons: pa.Table) -> pa.Table:
    """The reasons with one before them that the account's past gives."""
    rows, begun = [], set()
    for row in reasons.to_pylist():
        deal = row["opportunity_id"]
        if deal not in begun:
            first = {"feature": "account_wins", "log_odds": WEIGHT, "sentence": f"{CANARY} ({deal})."}
            rows.append({"opportunity_id": deal, **first})
            begun.add(deal)
        rows.append(row)
    return pa.Table.from_pylist(rows, reasons.schema)


def routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Method, path and action of every route."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods):
            yield method, route.path, next(gates_of(route.dependant)).action


def asked(client: Client, method: str, path: str, deal: str, contract: str) -> httpx.Response:
    for name, value in (
        ("opportunity_id", deal), ("contract_id", contract), ("link_id", "none"), ("challenge_id", "0"),
        ("feature", "deal_age_days"),
        ("token", "none"), ("name", "none"),
    ):  # fmt: skip
        path = path.replace(f"{{{name}}}", value)
    is_api = path.startswith("/api/")
    body = (
        {}
        if method in ("GET", "DELETE")
        else {"json": {}}
        if is_api
        else {"data": {"feature": "deal_age_days", "note": "not so"}}
    )
    accept = {"Accept": "application/json" if is_api else "text/html"}
    return client.request(method, path, headers=accept, **body)


def said(answer: httpx.Response, deal: str) -> tuple[int, str]:
    """Status and words, without the deal's own id and what differs from request to request."""
    return answer.status_code, answer.text.replace(deal, "(the deal)")


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


def crawled(world: World, role: str, deals: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Everything that the role can read, of these deals and of every contract; address and words."""
    client = world.client(role)
    contracts = world.run.table("renewal_scores.parquet")["contract_id"].to_pylist()
    for method, path, _ in routes(world.app):
        if method != "GET" or path in ("/enter", "/sign-in", "/sign-in/callback"):
            continue
        every = sorted(deals)[:4] if "{opportunity_id}" in path else [""]
        for deal in every:
            for contract in contracts[:3] if "{contract_id}" in path else [""]:
                answer = asked(client, method, path, deal, contract)
                if answer.status_code == 200:
                    yield path, _words(answer)


def _words(answer: httpx.Response) -> str:
    """The text of an answer; of a workbook or an archive, that of all its files."""
    if not answer.content.startswith(b"PK"):
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist())


@pytest.mark.parametrize("role", ["rep", "manager", "stranger"])
def test_nothing_that_a_seller_can_read_names_a_deal_of_others(world: World, role: str) -> None:
    whose = {"rep": ("own",), "manager": ("own", "team"), "stranger": ()}[role]
    deals = frozenset().union(*(world.deals[one] for one in whose))
    foreign = world.foreign_words(deals)
    assert len(foreign) > 5
    read = 0
    for path, words in crawled(world, role, deals):
        read += 1
        assert not sorted(text for text in foreign if text in words), path
    assert read >= (20 if deals else 5)


def test_nothing_that_finance_can_read_names_an_open_deal(world: World) -> None:
    foreign = world.foreign_words(frozenset())
    paths = []
    for path, words in crawled(world, "finance", frozenset()):
        paths.append(path)
        assert not sorted(text for text in foreign if text in words), path
    assert {"/api/v1/forecast", "/api/v1/forecast/export", "/forecast", "/renewals"} <= set(paths)
    export = world.client("finance").get("/api/v1/forecast/export?format=csv")
    assert not [text for text in foreign if text in _words(export)]


def hidden_in(figures: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(one["part"], one["level"], one["key"]) for one in figures if one["hidden"]}


def test_finance_finds_the_same_figures_hidden_wherever_it_looks(world: World) -> None:
    finance, levels = world.client("finance"), "by=region&by=segment&by=owner"
    figures = finance.get(f"/api/v1/forecast?{levels}").json()["figures"]
    hidden = hidden_in(figures)
    owners = {key for part, level, key in hidden if level == "owner"}
    assert len(owners) >= 3
    assert {part for part, *_ in hidden} == {"open_deals", "bookings"}
    for one in figures:
        assert (one["mean"] is None) == (one["p90"] is None) == one["hidden"]
    assert hidden_in(finance.get(f"/api/v1/forecast?{levels}&horizon=3").json()["figures"]) == hidden
    scenario = finance.post(
        "/api/v1/forecast/scenario",
        json={"price": [{"factor": 1.1}], "by": ["region", "segment", "owner"]},
    ).json()
    assert hidden_in(scenario["figures"]) == hidden_in(scenario["without"]) >= hidden
    exported = finance.get("/api/v1/forecast/export?format=csv&part=bookings_forecast")
    rows = list(csv.reader(io.StringIO(exported.content.decode("utf-8-sig"))))
    cells = {tuple(row[:3]) for row in rows}
    shown = {(one["part"], one["level"], one["key"]) for one in figures} - hidden
    assert {cell for cell in cells if cell in shown | hidden} <= shown
    assert len(cells & shown) > 10
    assert not hidden_in(world.client("ops").get(f"/api/v1/forecast?{levels}").json()["figures"])


def test_a_scenario_tells_finance_nothing_of_deals_that_two_levels_share(world: World) -> None:
    figures = world.client("finance").get("/api/v1/forecast?by=region").json()["figures"]
    region = next(one["key"] for one in figures if one["level"] == "region" and not one["hidden"])
    asked = {"price": [{"factor": 2, "level": "region", "key": region}], "by": ["segment"]}
    answer = world.client("finance").post("/api/v1/forecast/scenario", json=asked)
    shown = answer.json().get("figures", []) if answer.status_code == 200 else []
    of_deals = [one for one in shown if one["part"] in ("open_deals", "bookings")]
    assert {one["level"] for one in of_deals if not one["hidden"]} <= {"total"}


def test_finance_changes_no_single_deal_in_a_scenario(world: World) -> None:
    for change in (
        {"won": [{"deal": world.one["own"]}]},
        {"lost": [world.one["own"]]},
        {"moved": [{"deal": world.one["own"], "days": 30}]},
        {"price": [{"factor": 2, "level": "owner", "key": "Anybody"}]},
        {"price": [{"factor": 2, "level": "account", "key": "A0000001"}]},
    ):
        known = world.client("finance").post("/api/v1/forecast/scenario", json=change)
        assert known.status_code in (400, 422), change
        assert world.one["own"] not in known.text
    by_ops = world.client("ops").post("/api/v1/forecast/scenario", json={"lost": [world.one["own"]]})
    assert by_ops.status_code == 200


def test_what_ops_reads_does_name_deals_so_the_search_for_names_can_find_them(world: World) -> None:
    foreign = world.foreign_words(frozenset())
    found = {
        path for path, words in crawled(world, "ops", world.deals["own"]) if any(t in words for t in foreign)
    }
    assert {"/api/v1/deals", "/deals", "/api/v1/forecast/export", "/api/v1/changes"} <= found


def test_hidden_factors_are_in_no_answer_about_the_deal_and_all_adds_up(world: World) -> None:
    rep, run = world.client("rep"), world.run
    around = run.table("win_neighbours.parquet").to_pylist()
    shared = {row["opportunity_id"] for row in around if row["owner_id"] != world.rep} & world.deals["own"]
    of_account = {
        row["feature"] for row in run.table("win_catalogue.parquet").to_pylist() if row["of"] == "account"
    }
    assert shared
    for deal in sorted(shared):
        answer = rep.get(f"/api/v1/deals/{deal}").json()
        told = {one["feature"] for one in answer["contributions"]}
        assert not told & of_account
        total = answer["base_log_odds"] + sum(one["log_odds"] for one in answer["contributions"])
        other = [one["log_odds"] for one in answer["drivers"] if one["family"] == "other"]
        assert total + sum(other) == pytest.approx(answer["log_odds"], abs=1e-6)
        drivers = answer["base_log_odds"] + sum(one["log_odds"] for one in answer["drivers"])
        assert drivers == pytest.approx(answer["log_odds"], abs=1e-6)
        assert sum(other) == pytest.approx(WEIGHT, abs=0.5)
        changes = rep.get(f"/api/v1/deals/{deal}/changes").text
        for feature in of_account:
            assert f'"{feature}"' not in changes, (deal, feature)
            assert rep.get(f"/api/v1/deals/{deal}/evidence/{feature}").status_code == 404
    for path, words in crawled(world, "rep", frozenset(shared)):
        listed_too = [deal for deal in world.deals["own"] if f"{CANARY} ({deal})" in words]
        assert not set(listed_too) & shared, path
    assert CANARY in world.client("ops").get("/api/v1/deals").text
