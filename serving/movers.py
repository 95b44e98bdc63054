"""Which deals moved most since the run before, each with the reason in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.arrays import BoolArray, FloatArray
from serving.changes import Hide, deal_change
from serving.deals import DealScore, rank_deals
from serving.published import Published

__all__ = ["Mover", "Movers", "movers"]

_STILL = 0.0005
"""A change of probability below this is none."""


@dataclass(frozen=True)
class Mover:
    """A deal that moved: its score, the difference in percentage points, and why."""

    deal: DealScore
    points: float
    headline: str


@dataclass(frozen=True)
class Movers:
    """The largest rises and falls of a run, largest first.

    compared: deals scored by the run before, too. started: those that it did not score. since_run_id: None
    where no run went before.
    """

    run_id: str
    since_run_id: str | None
    compared: int
    started: int
    rises: tuple[Mover, ...]
    falls: tuple[Mover, ...]


def movers(
    run: Published, among: BoolArray | None = None, *, top: int = 5, hide: Hide | None = None
) -> Movers:
    """The deals whose probability rose and fell most since the run before; ties by rank.

    among: which deals count, over `HeldRun.deals`; every deal unless given. top: at most so many of each.
    hide: as in `deal_change`.
    """
    deals, change = _changes(run)
    counted = np.ones(len(change), dtype=bool) if among is None else among
    known = counted & ~np.isnan(change)

    def told(places: Any) -> tuple[Mover, ...]:
        return tuple(_mover(run, deals.score(int(place)), hide) for place in places)

    size = np.where(known & (np.abs(change) >= _STILL), change, 0.0)
    order = np.argsort(-size, kind="stable")
    fallen = np.argsort(size, kind="stable")
    return Movers(
        run_id=run.run_id,
        since_run_id=run.manifest["about"].get("previous_run_id"),
        compared=int(known.sum()),
        started=int(counted.sum() - known.sum()),
        rises=told(order[:top][size[order[:top]] > 0]),
        falls=told(fallen[:top][size[fallen[:top]] < 0]),
    )


@dataclass(frozen=True)
class _Ranked:
    deals: Sequence[DealScore]

    def score(self, place: int) -> DealScore:
        return self.deals[place]


def _changes(run: Published) -> tuple[Any, FloatArray]:
    """The deals in ranked order, and how each one's probability changed; NaN where unknown.

    A run in memory holds an index of them; of another the ranking is read.
    """
    index: Any = getattr(run, "deals", None)
    if index is not None:
        return index, index.change
    ranked = rank_deals(run)
    change = np.array([np.nan if one.change is None else one.change for one in ranked], dtype=np.float64)
    return _Ranked(ranked), change


def _mover(run: Published, deal: DealScore, hide: Hide | None) -> Mover:
    change = deal_change(run, deal.opportunity_id, hide=hide)
    return Mover(deal, 100 * (deal.change or 0.0), change.headline)
