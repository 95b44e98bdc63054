"""Which deals moved most since the run before, each with the reason in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.arrays import BoolArray, FloatArray
from serving.changes import Hide, check_earlier, deal_change
from serving.deals import DealScore, rank_deals
from serving.published import Published, glance

__all__ = ["Mover", "Movers", "movers"]

_STILL = 0.0005
"""A change of probability below this is none."""
_POINT = 0.01


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
    where no run went before. risen, fallen: deals that moved by a point or more. expected_wins_change: of the
    sum of probabilities over the deals compared.
    """

    run_id: str
    since_run_id: str | None
    compared: int
    started: int
    risen: int
    fallen: int
    expected_wins_change: float
    rises: tuple[Mover, ...]
    falls: tuple[Mover, ...]


def movers(
    run: Published, among: BoolArray | None = None, *, top: int = 5, hide: Hide | None = None,
    since: str | None = None,
) -> Movers:  # fmt: skip
    """The deals whose probability rose and fell most since the run before, or the one named; ties by rank.

    among: which deals count, over `HeldRun.deals`; every deal unless given. top: at most so many of each.
    hide: as in `deal_change`. Raises UsageError for a `since` that is no run published before.
    """
    deals, change = _changes(run, since)
    counted = np.ones(len(change), dtype=bool) if among is None else among
    known = counted & ~np.isnan(change)

    def told(places: Any) -> tuple[Mover, ...]:
        return tuple(
            _mover(run, deals.score(int(place)), 100 * float(change[int(place)]), hide, since)
            for place in places
        )

    size = np.where(known & (np.abs(change) >= _STILL), change, 0.0)
    order = np.argsort(-size, kind="stable")
    fallen = np.argsort(size, kind="stable")
    return Movers(
        run_id=run.run_id,
        since_run_id=run.manifest["about"].get("previous_run_id") if since is None else since,
        risen=int((known & (change >= _POINT)).sum()),
        fallen=int((known & (change <= -_POINT)).sum()),
        expected_wins_change=float(change[known].sum()),
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


def _changes(run: Published, since: str | None) -> tuple[Any, FloatArray]:
    """The deals in ranked order, and how each one's probability changed; NaN where unknown.

    A run in memory holds an index of them; of another the ranking is read.
    """
    index: Any = getattr(run, "deals", None)
    ranked = rank_deals(run) if index is None else ()
    if since is not None:
        check_earlier(run, since)
        ids = [one.opportunity_id for one in ranked] if index is None else index.ids
        now = np.array([one.p_win for one in ranked]) if index is None else index.p_win
        then = glance(run.folder.parent.parent, since).table("win_scores.parquet")
        before = dict(zip(then["opportunity_id"].to_pylist(), then["p_win"].to_pylist(), strict=True))
        change = now - np.array([before.get(one, np.nan) for one in ids], dtype=np.float64)
        return (index if index is not None else _Ranked(ranked)), change
    if index is not None:
        return index, index.change
    change = np.array([np.nan if one.change is None else one.change for one in ranked], dtype=np.float64)
    return _Ranked(ranked), change


def _mover(run: Published, deal: DealScore, points: float, hide: Hide | None, since: str | None) -> Mover:
    change = deal_change(run, deal.opportunity_id, hide=hide, since=since)
    return Mover(deal, points, change.headline)
