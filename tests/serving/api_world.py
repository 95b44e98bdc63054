"""Runs for the tests of the API: a list of deals said by hand, and viewers of what a workspace published."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.calibration import sigmoid
from models.split import time_split
from models.training import train_win
from serving.access.actor import OWNER, Identity, actor_of
from serving.access.gate import Seen
from serving.access.policy import decide, people_in
from serving.live import HeldRun, hold
from serving.publish import publish
from serving.scoring import score_deals
from tests.models.conftest import make_world
from tests.serving.access_world import AS_OF, FIRST, person, publication

__all__ = ["DEALS", "Deal", "listed_run", "modelled_run", "ops", "viewer"]


@dataclass(frozen=True)
class Deal:
    """A deal as a list shows it; log-odds make the probability."""

    id: str
    log_odds: float
    owner_id: str | None = "R1"
    region: str | None = "north"
    stage: str | None = "Proposal"
    amount: float | None = 1000.0
    currency: str | None = "EUR"
    closes: date | None = date(2026, 2, 1)
    before: float | None = None
    name: str | None = None
    type: str = "new"


DEALS = (
    Deal("D1", 0.0, region="south", amount=100.0, before=0.4, name="Zeta roll-out"),
    Deal("D2", 1.0, owner_id="R2", amount=None, before=0.8, name="alpha"),
    Deal("D3", -1.0, owner_id="R2", currency="USD", amount=500.0, closes=date(2026, 1, 2), name="Beta"),
    Deal("D4", 0.0, owner_id="R3", region=None, stage="Demo", currency="USD", amount=50.0, before=0.5),
    Deal("D5", 2.0, owner_id=None, currency="XAU", closes=None, type="renewal", before=0.2),
)


def listed_run(folder: Path, deals: Sequence[Deal] = DEALS, **changed: object) -> HeldRun:
    """The deals, published and held; sorted by id, as publications are. changed: of the publication."""
    rows = sorted(deals, key=lambda one: one.id)
    made = publication(
        deals=[(one.id, one.owner_id, (), {"meetings_held": one.log_odds, "account_wins": 0.0,
                                           "seller_win_rate": 0.0}) for one in rows]
        or [("none", None, (), {"meetings_held": 0.5, "account_wins": 0.0, "seller_win_rate": 0.0})]
    )  # fmt: skip
    if not rows:
        made = replace(
            made,
            **{
                name: getattr(made, name).slice(0, 0)
                for name in ("scores", "contributions", "features", "drivers", "reasons", "deals")
            },
        )
    columns = {
        "name": pa.array([one.name for one in rows], pa.string()),
        "region": pa.array([one.region for one in rows], pa.string()),
        "stage": pa.array([one.stage for one in rows], pa.string()),
        "type": pa.array([one.type for one in rows], pa.string()),
        "amount": pa.array([one.amount for one in rows], pa.float64()),
        "currency": pa.array([one.currency for one in rows], pa.string()),
        "expected_close_on": pa.array([one.closes for one in rows], pa.date32()),
        "previous_p_win": pa.array([one.before for one in rows], pa.float64()),
    }
    deals_table = made.deals
    for name, column in columns.items():
        deals_table = deals_table.set_column(deals_table.column_names.index(name), name, column)
    logits = np.array([one.log_odds for one in rows], dtype=float)
    assert np.allclose(sigmoid(logits), made.scores["p_win"].to_numpy())
    publish(folder, FIRST, replace(made, deals=deals_table, **changed))
    return hold(folder)


def modelled_run(folder: Path) -> HeldRun:
    """A run of five deals that a small model scored; the model lies in the workspace."""
    world = make_world()
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    model = train_win(world.frame, world.labels, split, world.features, seed=7, n_trials=0)
    newest = world.frame.filter(pc.equal(world.frame["as_of"], pc.max(world.frame["as_of"]))).slice(0, 5)
    facts = publication().deals.slice(0, 5).set_column(0, "opportunity_id", newest["opportunity_id"])
    made = score_deals(
        model, newest, facts=facts.drop_columns(["previous_p_win", "evidence", "top_reason"]),
        features={one.name: one for one in world.features}, as_of=AS_OF, data_version="f" * 64,
    )  # fmt: skip
    publish(folder, FIRST, made)
    model.save(folder / "models" / model.version)
    return hold(folder)


def viewer(run: HeldRun, action: str, identity: Identity | str = OWNER, *roles: str) -> Seen:
    """What somebody sees by an action; a text is a user's id, with their roles after it."""
    who = person(identity, *roles) if isinstance(identity, str) else identity
    actor = actor_of(who, people_in(run))
    scope = decide(actor, action, run)
    assert scope is not None, f"{who} may not {action}"
    return Seen(run, actor, scope)


def ops(run: HeldRun, action: str = "deals") -> Seen:
    """What the owner of the workspace sees."""
    return viewer(run, action)
