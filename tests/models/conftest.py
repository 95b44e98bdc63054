"""A small hand-made world: deals, weekly snapshots, features of every kind, and the true probability."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from features.feature import AgainstNorm, Feature, Kind, Measure

END = datetime(2025, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class World:
    """frame and labels row for row; p_true: each row's true probability of being won."""

    frame: pa.Table
    labels: pa.Table
    features: tuple[Feature, ...]
    p_true: np.ndarray
    as_of: datetime


def feature(name: str, kind: Kind, family: str = "momentum", value: object = None) -> Feature:
    return Feature(
        name=name,
        family=family,
        kind=kind,
        unit="days" if kind == "number" else kind,
        description=f"{name}, made by hand.",
        rationale="None.",
        expected="depends",
        sentence=f"{name} is {{value}}",
        absent=f"{name} is not known",
        value=value or Measure("hand", "current", name),  # type: ignore[arg-type]
    )


FEATURES = (
    feature("champion_met", "flag", "stakeholders"),
    feature("meetings", "count", "stakeholders"),
    feature("days_in_stage", "number"),
    feature("stage", "category"),
    feature("region", "category", "commercial"),
    feature("days_in_stage_against_norm", "number", value=AgainstNorm("days_in_stage", "stage")),
)


def make_world(deals: int = 600, seed: int = 1, *, as_of: datetime = END, shuffled: bool = False) -> World:
    """Deals created over two years before END, weekly snapshots while open; losers are slower."""
    rng = np.random.default_rng(seed)
    created = rng.uniform(0, 730, deals)
    champion = rng.random(deals) < 0.5
    stage = rng.choice(["a", "b", "c"], deals)
    region = rng.choice(["north", "south", "east"], deals, p=[0.5, 0.45, 0.05])
    meetings = rng.poisson(4, deals)
    lift = {"a": -1.0, "b": 0.0, "c": 1.0}
    z = -1.0 + 1.4 * champion + np.array([lift[s] for s in stage]) + 0.15 * (meetings - 4)
    p = 1 / (1 + np.exp(-z))
    won = rng.random(deals) < p
    closed = created + rng.exponential(np.where(won, 40, 80)) + 2
    if shuffled:
        won = rng.permutation(won)
    start = END - 730 * DAY
    steps = np.arange(0, 730 + 7, 7)
    rows = [(d, 730 - s) for d in range(deals) for s in steps[::-1] if created[d] < 730 - s <= closed[d]]
    deal = np.array([d for d, _ in rows])
    at = np.array([t for _, t in rows])
    age = at - created[deal]
    times = [start + t.item() * DAY for t in at]
    close_times = [(start + timedelta(days=c.item())).replace(microsecond=0) for c in closed]
    known = np.array([close_times[d] < as_of for d in deal])
    ids = [f"deal-{d:05d}" for d in deal]
    instant = pa.timestamp("us", "UTC")
    frame = pa.table(
        {
            "opportunity_id": pa.array(ids, pa.string()),
            "as_of": pa.array(times, instant),
            "champion_met": pa.array(champion[deal], mask=rng.random(deal.size) < 0.05),
            "meetings": pa.array(meetings[deal], pa.int64()),
            "days_in_stage": pa.array(age, mask=rng.random(deal.size) < 0.05),
            "stage": pa.array(stage[deal], pa.string()),
            "region": pa.array(region[deal], pa.string(), mask=rng.random(deal.size) < 0.1),
        }
    )
    labels = pa.table(
        {
            "opportunity_id": pa.array(ids, pa.string()),
            "as_of": pa.array(times, instant),
            "y": pa.array(won[deal].astype(np.int8), mask=~known),
            "closed_at": pa.array([close_times[d] for d in deal], instant, mask=~known),
        }
    )
    return World(frame, labels, FEATURES, p[deal], as_of)


@pytest.fixture(scope="session")
def make() -> Callable[..., World]:
    """Worlds to order."""
    return make_world


@pytest.fixture(scope="session")
def world() -> World:
    """The world that most tests share."""
    return make_world()
