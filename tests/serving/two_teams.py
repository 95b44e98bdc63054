"""A run of simulated deals, published again with people in two teams, and clients of each role.

Ann and Bob report to Mia, Cay to Noa; every deal says that the past of its account speaks for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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

__all__ = [
    "CANARY",
    "MANAGER",
    "OTHER_MANAGER",
    "ROLES",
    "UNKNOWN_CONTRACT",
    "UNKNOWN_DEAL",
    "WEIGHT",
    "World",
    "asked",
    "routes",
    "said",
    "world",
]

ROLES = ("rep", "manager", "finance", "ops", "stranger", "nobody")
MANAGER, OTHER_MANAGER = "M-mia", "M-noa"
WEIGHT, CANARY = 0.9, "Others sold to this account before"
UNKNOWN_DEAL, UNKNOWN_CONTRACT = "D9999999", "K9999999"


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
