"""Nothing that somebody can read names what they may not see, and sums give nothing of it away."""

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.serving.two_teams import CANARY, World, asked, routes, world

__all__ = ["world"]

pytestmark = pytest.mark.slow


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
    assert answer.status_code == 200, answer.text
    of_deals = [one for one in answer.json()["figures"] if one["part"] in ("open_deals", "bookings")]
    assert {one["level"] for one in of_deals if not one["hidden"]} == {"total"}


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
        (published,) = run.rows("win_contributions.parquet", deal)
        hidden = set(published) - told - {"opportunity_id"}
        assert sum(other) == pytest.approx(sum(published[name] for name in hidden), abs=1e-6)
        changes = rep.get(f"/api/v1/deals/{deal}/changes").text
        for feature in of_account:
            assert f'"{feature}"' not in changes, (deal, feature)
            assert rep.get(f"/api/v1/deals/{deal}/evidence/{feature}").status_code == 404
    for path, words in crawled(world, "rep", frozenset(shared)):
        listed_too = [deal for deal in world.deals["own"] if f"{CANARY} ({deal})" in words]
        assert not set(listed_too) & shared, path
    assert CANARY in world.client("ops").get("/api/v1/deals").text


def test_what_is_asked_of_a_hidden_factor_is_answered_as_of_one_that_does_not_exist(world: World) -> None:
    rep = world.client("rep")
    around = world.run.table("win_neighbours.parquet").to_pylist()
    deal = min({row["opportunity_id"] for row in around if row["owner_id"] != world.rep} & world.deals["own"])
    feature, unknown = "account_wins", "no_such_one"
    address = f"/api/v1/deals/{deal}"

    def words(name: str) -> list[tuple[int, str]]:
        answers = (
            rep.post(f"{address}/challenges", json={"feature": name, "note": "Not so."}),
            rep.post(f"{address}/challenges", json={"feature": name, "note": "Not so.", "corrected": 3}),
            rep.get(f"{address}/evidence/{name}"),
        )
        return [(one.status_code, one.text.replace(name, "(the factor)")) for one in answers]

    assert words(feature) == words(unknown)
    assert {status for status, _ in words(feature)} <= {400, 404, 409, 422}
