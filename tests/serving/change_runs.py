"""Published runs made by hand, a week apart, each with the change since the one before it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature, Measure
from models.change import Views, decompose, points_per_log_odds
from serving.change_table import CHANGES, Shown, change_table, no_changes
from serving.publish import Publication, publish
from serving.published import Published, open_published
from serving.run_id import new_run_id

__all__ = ["BASE", "FAMILIES", "FEATURES", "FIRST_AT", "as_published", "run_id"]

FIRST_AT = datetime(2026, 1, 5, tzinfo=UTC)
BASE = -1.0
FAMILIES = {"silence": "momentum", "pushes": "promises"}
Values = tuple[float | None, int]
Deals = Mapping[str, tuple[tuple[float, float], Values]]
"""By deal: contributions of the two features, and their values."""


def _feature(name: str, kind: Any, unit: str, sentence: str, absent: str) -> Feature:
    return Feature(
        name=name, family=FAMILIES[name], kind=kind, unit=unit, description="By hand.", rationale="None.",
        expected="depends", sentence=sentence, absent=absent, value=Measure("hand", "current", name),
    )  # fmt: skip


FEATURES = {
    "silence": _feature("silence", "number", "days", "Silent for {value} days", "Nobody was met"),
    "pushes": _feature(
        "pushes", "count", "pushes", "The close date was pushed {value} times", "Never pushed"
    ),
}


def run_id(week: int) -> str:
    """The id of the run of that week, from 0."""
    return new_run_id(FIRST_AT + timedelta(days=7 * week), f"{week:06x}")


def as_published(
    workspace: Path, week: int, now: Deals, *, before: Deals | None = None, by_clock: Deals | None = None,
    read_anew: Deals | None = None, model: str = "win-000000000001", model_before: str = "win-000000000001",
    beside: Mapping[str, pa.Table] | None = None, without: bool = False, as_of: datetime | None = None,
) -> Published:  # fmt: skip
    """Publish the run of that week and read it back.

    before: what the run of the week before published; None for none. by_clock: what the clock alone would
    have made of it; unless given, nothing. read_anew: how this run's model reads it, where it is another.
    without: as a version that told no changes did.
    """
    ids = sorted(now)
    log_odds = np.array([BASE + sum(now[one][0]) for one in ids])
    p_win = 1 / (1 + np.exp(-log_odds))
    at = as_of or FIRST_AT + timedelta(days=7 * week)
    about: dict[str, Any] = {"previous_run_id": None if before is None else run_id(week - 1)}
    earlier: dict[str, float] = {}
    changed = no_changes()
    if before is not None:
        about["previous_as_of"] = (at - timedelta(days=7)).isoformat()
        about["previous_model_version"] = model_before
        earlier = {one: 1 / (1 + np.exp(-BASE - sum(held[0]))) for one, held in before.items()}
        looks = before, read_anew or before, {**before, **(by_clock or {})}, now
        changed = _changes(*looks, same_model=model == model_before)
    names = list(FEATURES)
    made = Publication(
        as_of=at,
        model_version=model,
        data_version="f" * 64,
        scores=pa.table({
            "opportunity_id": ids, "as_of": pa.array([at] * len(ids), pa.timestamp("us", "UTC")),
            "p_win": p_win, "log_odds": log_odds, "base_log_odds": [BASE] * len(ids),
            "model_version": [model] * len(ids),
        }),
        contributions=pa.table({
            "opportunity_id": ids, **{name: [now[one][0][i] for one in ids] for i, name in enumerate(names)},
        }),
        features=_values(now, ids),
        drivers=pa.table({
            "opportunity_id": ids, "family": ["momentum"] * len(ids), "title": ["Momentum"] * len(ids),
            "log_odds": log_odds - BASE,
        }),
        reasons=pa.table({
            "opportunity_id": ids, "feature": ["silence"] * len(ids), "log_odds": [0.1] * len(ids),
            "sentence": ["Silent."] * len(ids),
        }),
        deals=pa.table({
            "opportunity_id": ids, "name": [f"Deal {one}" for one in ids], "account": ["Acme"] * len(ids),
            "owner_id": ["U1"] * len(ids), "owner": ["Ann"] * len(ids), "stage": ["Proposal"] * len(ids),
            "amount": [1000.0] * len(ids), "currency": ["EUR"] * len(ids),
            "expected_close_on": pa.nulls(len(ids), pa.date32()),
            "previous_p_win": pa.array([earlier.get(one) for one in ids], pa.float64()),
            "evidence": ["Of 40 past deals, 30 were won."] * len(ids), "top_reason": ["Silent."] * len(ids),
        }),
        beside={**({} if without else {CHANGES: changed}), **(beside or {})},
        about=about,
    )  # fmt: skip
    publish(workspace, run_id(week), made)
    return open_published(workspace, run_id(week))


def _changes(before: Deals, read_anew: Deals, by_clock: Deals, now: Deals, *, same_model: bool) -> pa.Table:
    both = sorted(set(before) & set(now))
    if not both:
        return no_changes()
    was, anew, clock, is_now = (
        np.array([held[one][0] for one in both]) for held in (before, read_anew, by_clock, now)
    )
    log_odds = BASE + was.sum(axis=1), BASE + is_now.sum(axis=1)
    p = [1 / (1 + np.exp(-one)) for one in log_odds]
    seen, ticked, stands = (_values(held, both) for held in (before, by_clock, now))
    return change_table(
        both,
        decompose(Views(BASE, anew, anew, clock, is_now), *log_odds, same_model=same_model),
        points_per_log_odds(*p, *log_odds),
        families=FAMILIES,
        values=Shown(seen, seen, ticked, stands),
        features=FEATURES,
    )


def _values(held: Deals, ids: list[str]) -> pa.Table:
    return pa.table({
        "opportunity_id": ids,
        "silence": pa.array([held[one][1][0] for one in ids], pa.float64()),
        "pushes": pa.array([held[one][1][1] for one in ids], pa.int64()),
    })  # fmt: skip
