"""A published run small enough to say by hand who sees what of it, and clients of each role."""

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
import pyarrow as pa
from fastapi import FastAPI

from data.settings import Settings
from models.calibration import sigmoid
from serving.access.actor import Identity, email_sha256
from serving.feature_facts import CATALOGUE, NEIGHBOURS
from serving.people import PEOPLE
from serving.publish import Publication, publish

T = TypeVar("T")

FIRST, SECOND = "20260105T000000Z-00000a", "20260112T000000Z-00000b"
AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
URL = "http://127.0.0.1:8765"

PEOPLE_ROWS = (
    # user, name, manager, active
    ("B1", "Bea", None, True),
    ("M1", "Mia", "B1", True),
    ("M2", "Noa", "B1", True),
    ("R1", "Ann", "M1", True),
    ("R2", "Bob", "M1", None),
    ("R3", "Cay", "M2", True),
    ("R4", "Rex", "M1", False),
)
DEALS = (
    # deal, owner, owners of the deals around it, log-odds by feature (base 0)
    ("D1", "R1", (), {"meetings_held": 0.5, "account_wins": 0.25, "seller_win_rate": 0.125}),
    ("D2", "R1", ("R2",), {"meetings_held": -0.5, "account_wins": 0.75, "seller_win_rate": 0.125}),
    ("D3", "R2", ("R1",), {"meetings_held": 1.0, "account_wins": -0.25, "seller_win_rate": -0.5}),
    ("D4", "R3", ("R1", "R3"), {"meetings_held": 0.25, "account_wins": 0.5, "seller_win_rate": 0.0}),
    ("D5", "R4", (None,), {"meetings_held": 0.0, "account_wins": 1.0, "seller_win_rate": -1.0}),
    ("D6", None, (), {"meetings_held": -1.0, "account_wins": 0.0, "seller_win_rate": 0.0}),
)
_FACTS = (
    ("meetings_held", "momentum", "Momentum", "deal", True),
    ("account_wins", "commercial", "Deal, customer and seller", "account", False),
    ("seller_win_rate", "commercial", "Deal, customer and seller", "seller", False),
)


def publication(deals=DEALS, people: Iterable[tuple[object, ...]] = PEOPLE_ROWS) -> Publication:
    """A run of these deals, with the people, the catalogue and the neighbours."""
    ids = [one[0] for one in deals]
    parts = {name: [one[3][name] for one in deals] for name, *_ in _FACTS}
    logits = np.array([sum(one[3].values()) for one in deals], dtype=float)
    told = [
        (deal, name, value, f"{name} of {deal}.")
        for deal, _, _, moved in deals
        for name, value in sorted(moved.items(), key=lambda held: -abs(held[1]))
        if value
    ]
    texts = pa.array([None] * len(ids), pa.string())
    around = [(one[0], owner) for one in deals for owner in one[2]]
    return Publication(
        as_of=AS_OF,
        model_version="baseline-1",
        data_version="f" * 64,
        scores=pa.table({
            "opportunity_id": ids, "as_of": pa.array([AS_OF] * len(ids), pa.timestamp("us", "UTC")),
            "p_win": sigmoid(logits), "log_odds": logits, "base_log_odds": np.zeros(len(ids)),
            "model_version": ["baseline-1"] * len(ids),
        }),
        contributions=pa.table({"opportunity_id": ids, **parts}),
        features=pa.table({"opportunity_id": ids, **parts}),
        drivers=pa.table({
            "opportunity_id": ids, "family": ["momentum"] * len(ids), "title": ["Momentum"] * len(ids),
            "log_odds": logits,
        }),
        reasons=pa.table(
            [pa.array(column) for column in zip(*told, strict=True)],
            names=["opportunity_id", "feature", "log_odds", "sentence"],
        ),
        deals=pa.table({
            "opportunity_id": ids, "name": [f"Deal {one}" for one in ids],
            "account_id": ["A1"] * len(ids), "account": ["Acme"] * len(ids),
            "region": ["north"] * len(ids), "segment": ["retail"] * len(ids),
            "owner_id": pa.array([one[1] for one in deals], pa.string()),
            "owner": pa.array([one[1] and f"Owner {one[1]}" for one in deals], pa.string()),
            "type": ["new"] * len(ids), "stage": ["Proposal"] * len(ids),
            "amount": [1000.0 * (place + 1) for place in range(len(ids))], "currency": ["EUR"] * len(ids),
            "expected_close_on": pa.nulls(len(ids), pa.date32()),
            "previous_p_win": pa.nulls(len(ids), pa.float64()), "evidence": texts,
            "top_reason": [f"account_wins of {one}." for one in ids],
        }),
        further={
            PEOPLE: pa.table({
                "user_id": [one[0] for one in people], "name": [one[1] for one in people],
                "manager_id": pa.array([one[2] for one in people], pa.string()),
                "active": pa.array([one[3] for one in people], pa.bool_()),
                "email_sha256": [email_sha256(f"{one[0]}@acme.example") for one in people],
            }),
            CATALOGUE: pa.table({
                "feature": [one[0] for one in _FACTS], "family": [one[1] for one in _FACTS],
                "title": [one[2] for one in _FACTS], "kind": ["number"] * 3, "unit": ["count"] * 3,
                "description": ["What it is."] * 3, "expected": ["higher is better"] * 3,
                "of": [one[3] for one in _FACTS], "actionable": [one[4] for one in _FACTS],
            }),
            NEIGHBOURS: pa.table({
                "opportunity_id": pa.array([one[0] for one in around], pa.string()),
                "owner_id": pa.array([one[1] for one in around], pa.string()),
            }),
        },
    )  # fmt: skip


def published(workspace: Path, run_id: str = FIRST, **changed: object) -> Path:
    """A workspace with that run published."""
    publish(workspace, run_id, publication(**changed))
    return workspace


def settings(workspace: Path, **changed: object) -> Settings:
    """Settings of a server over the workspace."""
    return Settings(workspace=workspace, **changed)


def person(user_id: str, *roles: str) -> Identity:
    """Somebody who signed in with these roles, matched by their address."""
    return Identity(
        subject=f"sub-{user_id}",
        name=user_id,
        roles=frozenset(roles),
        via="sign-in",
        email_sha256=email_sha256(f"{user_id}@acme.example"),
    )


def finished(work: Coroutine[object, object, T]) -> T:
    """What the coroutine returns, run in a thread: a test's own may have a loop, as Playwright's does."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Client:
    """A browser of the app, in this process; it keeps cookies and follows no redirect."""

    def __init__(self, app: FastAPI, identity: Identity | None = None, url: str = URL) -> None:
        self.app = app
        self.url = url
        self.cookies = httpx.Cookies()
        if identity is not None:
            self.cookies.set("dealcast-8765", app.state.access.sessions.open(identity))

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: object) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: object) -> httpx.Response:
        return finished(self._send(method, path, options))

    async def _send(self, method: str, path: str, options: dict[str, object]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        origin = {"Origin": self.url}
        async with httpx.AsyncClient(
            transport=transport, base_url=self.url, headers=origin, cookies=self.cookies
        ) as client:
            response = await client.request(method, path, **options)
            self.cookies = client.cookies
        return response
