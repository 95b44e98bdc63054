"""Who was right: settled challenges scored by how their deals ended, by team and never by person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from models.metrics import row_log_loss
from serving.challenges.challenges import Challenge, challenge_table
from serving.forecast import CLOSED_FILE
from serving.live import HeldRun
from serving.store import Store

__all__ = ["FEWEST_PEOPLE", "FEWEST_SETTLED", "TeamRecord", "TrackRecord", "settle", "track_record"]

FEWEST_SETTLED = 5
"""Settled challenges that a team's figures must rest on; smaller teams are pooled."""
FEWEST_PEOPLE = 3
"""Challengers that a team's figures must rest on, so that no one person's can be read off them."""


@dataclass(frozen=True)
class TeamRecord:
    """The challenges of some teams. teams: ids of their managers; None for people without one.

    open, withdrawn, late, settled: how many; late ones were raised after the deal had closed and count for
    nothing else. log_loss_*: mean over the settled ones, in nats, smaller is better; None for too few of
    them. n_challenger_better: settled ones in which the challenger's number was the better.
    """

    teams: tuple[str | None, ...]
    open: int
    withdrawn: int
    late: int
    settled: int
    log_loss_model: float | None
    log_loss_challenged: float | None
    n_challenger_better: int | None


@dataclass(frozen=True)
class TrackRecord:
    """teams: those with enough to tell, the most settled first, then the others pooled; empty without any."""

    teams: tuple[TeamRecord, ...]


def settle(store: Store, run: HeldRun) -> int:
    """Note how challenged deals ended, by the run's closed deals; returns how many notes changed."""
    if not run.has(CLOSED_FILE):
        return 0
    with store.reading() as con:
        held = [Challenge(**row._mapping) for row in con.execute(sa.select(challenge_table))]
    ended = {deal: _end_of(run, deal) for deal in {one.opportunity_id for one in held}}
    news = [
        (one.challenge_id, end)
        for one in held
        if (end := ended[one.opportunity_id]) is not None and end != (one.closed_at, one.won)
    ]
    if news:
        with store.writing() as con:
            for challenge_id, (closed_at, won) in news:
                here = challenge_table.c.challenge_id == challenge_id
                con.execute(challenge_table.update().where(here).values(closed_at=closed_at, won=won))
    return len(news)


def track_record(store: Store, run: HeldRun) -> TrackRecord:
    """The ledger up to this run, settled first."""
    settle(store, run)
    with store.reading() as con:
        every = [Challenge(**row._mapping) for row in con.execute(sa.select(challenge_table))]
    by_team: dict[str | None, list[Challenge]] = {}
    for one in every:
        by_team.setdefault(one.team_id, []).append(one)
    return TrackRecord(tuple(_record(teams, by_team) for teams in _pooled(by_team)))


def _pooled(by_team: Mapping[str | None, Sequence[Challenge]]) -> list[tuple[str | None, ...]]:
    """Teams whose figures may stand alone, and the rest together.

    A rest with too few settled challenges takes in the smallest team, or a total would tell its figures.
    """
    ranked = sorted(by_team, key=lambda team: (-len(_settled(by_team[team])), team or ""))
    alone = [team for team in ranked if _tells([by_team[team]])]
    rest = [team for team in ranked if team not in alone]
    while alone and any(_settled(by_team[team]) for team in rest) and not _tells([by_team[t] for t in rest]):
        rest.insert(0, alone.pop())
    return [*((team,) for team in alone), *([tuple(rest)] if rest else [])]


def _tells(groups: Sequence[Sequence[Challenge]]) -> bool:
    settled = [one for group in groups for one in _settled(group)]
    return len(settled) >= FEWEST_SETTLED and len({one.user_id for one in settled}) >= FEWEST_PEOPLE


def _record(teams: tuple[str | None, ...], by_team: Mapping[str | None, Sequence[Challenge]]) -> TeamRecord:
    held = [one for team in teams for one in by_team[team]]
    settled = _settled(held)
    everybody = len(teams) == len(by_team)
    enough = len(settled) >= FEWEST_SETTLED if everybody else _tells([held])
    losses = _losses(settled) if enough else None
    return TeamRecord(
        teams=teams,
        open=sum(one.is_open for one in held),
        withdrawn=sum(_is_withdrawn(one) for one in held),
        late=sum(_is_late(one) for one in held),
        settled=len(settled),
        log_loss_model=losses[0] if losses else None,
        log_loss_challenged=losses[1] if losses else None,
        n_challenger_better=losses[2] if losses else None,
    )


def _losses(settled: Sequence[Challenge]) -> tuple[float, float, int]:
    y = np.array([float(bool(one.won)) for one in settled])
    model = row_log_loss(y, np.array([one.p_model for one in settled]))
    challenged = row_log_loss(y, np.array([one.p_challenged for one in settled]))
    return float(model.mean()), float(challenged.mean()), int((challenged < model).sum())


def _settled(group: Sequence[Challenge]) -> list[Challenge]:
    return [one for one in group if one.won is not None and not _is_late(one) and not _is_withdrawn(one)]


def _is_late(one: Challenge) -> bool:
    """Raised when the deal had closed already: the challenger may have known."""
    return one.closed_at is not None and one.raised_at >= one.closed_at


def _is_withdrawn(one: Challenge) -> bool:
    """Withdrawn before the deal closed; later it would be a way out of having been wrong."""
    if one.withdrawn_at is None or _is_late(one):
        return False
    return one.closed_at is None or one.withdrawn_at < one.closed_at


def _end_of(run: HeldRun, opportunity_id: str) -> tuple[object, bool] | None:
    rows = run.rows(CLOSED_FILE, opportunity_id)
    return (rows[0]["closed_at"], bool(rows[0]["won"])) if rows else None
