"""What changed: on one deal since an earlier run, over all deals seen, and a deal's score over the runs."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.access.hidden import hidden_features
from serving.api.deal_parts import TrendAnswer
from serving.api.deal_rows import DealRow, deal_row
from serving.api.stamped import Answered, Stamped, answer, stamp
from serving.changes import Hide, Part, deal_change
from serving.grade import trend_of
from serving.history import score_history
from serving.movers import Mover, movers

__all__ = [
    "ChangesView",
    "DealChangeView",
    "HistoryView",
    "changes_view",
    "deal_change_view",
    "history_view",
    "router",
]

router = APIRouter(tags=["changes"])

_RunId = Annotated[
    str | None, Query(max_length=100, description="An earlier published run; unset: the one before.")
]


class ChangeTermAnswer(Answered):
    """One part of a change."""

    kind: str = Field(description="model, corrected (records), time (passing) or event.")
    feature: str | None = Field(description="Null for a model's; `small` and `other` stand for several.")
    family: str | None
    log_odds: float
    points: float = Field(description="Percentage points of probability.")
    value_before: str | None = Field(description="As people write it, with its unit.")
    value_after: str | None
    sentence: str | None


class ChangeSum(Answered):
    """Terms of one family or kind, summed."""

    name: str
    title: str
    log_odds: float
    points: float = Field(description="Percentage points of probability.")


class DealChangeView(Stamped):
    """A deal's probability in two runs; log_odds_after − log_odds_before = Σ terms, to 1e-6."""

    opportunity_id: str
    since_run_id: str | None = Field(
        description="The run compared with; null where no earlier one scored it."
    )
    since_as_of: AwareDatetime | None
    since_model_version: str | None
    p_before: float | None = Field(description="Probability of being won then, 0 to 1.")
    p_after: float = Field(description="The same now.")
    log_odds_before: float | None
    log_odds_after: float
    points: float | None = Field(description="The difference, in percentage points.")
    headline: str
    sentences: tuple[str, ...]
    terms: tuple[ChangeTermAnswer, ...] = Field(
        description="Largest first; empty where only the whole is known."
    )
    drivers: tuple[ChangeSum, ...] = Field(description="The same by family.")
    kinds: tuple[ChangeSum, ...] = Field(description="The same by kind.")
    note: str | None


class HistoryPoint(Answered):
    """A run's score of the deal."""

    run_id: str
    as_of: AwareDatetime
    p_win: float = Field(description="Probability of being won, 0 to 1.")
    log_odds: float
    model_version: str


class HistoryEvent(Answered):
    """What happened on the deal between the first point and the last."""

    happened_at: AwareDatetime
    kind: str
    text: str = Field(description="As the CRM has it, a line at most.")


class HistoryView(Stamped):
    """A deal's score over the runs that are still published, oldest first."""

    opportunity_id: str
    points: tuple[HistoryPoint, ...]
    trend: TrendAnswer | None
    events: tuple[HistoryEvent, ...]
    unread_runs: tuple[str, ...] = Field(description="Runs that cannot be read; their points are missing.")


class Moved(Answered):
    """A deal that moved."""

    deal: DealRow
    points: float = Field(description="Percentage points since the earlier run.")
    headline: str


class ChangesView(Stamped):
    """What moved among the deals that the viewer sees, since an earlier run."""

    since_run_id: str | None
    compared: int = Field(description="Deals that the earlier run scored too.")
    started: int = Field(description="Deals that it did not score.")
    risen: int = Field(description="Deals up by a point or more.")
    fallen: int = Field(description="Deals down by a point or more.")
    expected_wins_change: float = Field(description="Change of the sum of p_win over the deals compared.")
    rises: tuple[Moved, ...] = Field(description="The largest first.")
    falls: tuple[Moved, ...] = Field(description="The largest first.")


def deal_change_view(seen: Seen, opportunity_id: str, since: str | None = None) -> DealChangeView:
    """What changed on the deal. Raises NotFound for one not seen, UsageError if `since` is no earlier run."""
    seen.rank_of(opportunity_id)
    held = deal_change(seen.run, opportunity_id, since=since, hide=_hide(seen))
    names = set(DealChangeView.model_fields) - set(Stamped.model_fields) - {"terms", "drivers", "kinds"}
    return DealChangeView(
        **stamp(seen.run),
        **{name: getattr(held, name) for name in names},
        terms=tuple(
            ChangeTermAnswer(**{name: getattr(one, name) for name in ChangeTermAnswer.model_fields})
            for one in held.terms
        ),
        drivers=_sums(held.drivers),
        kinds=_sums(held.kinds),
    )


def history_view(seen: Seen, opportunity_id: str) -> HistoryView:
    """The deal's score over the runs. Raises NotFound for a deal not seen."""
    seen.rank_of(opportunity_id)
    held = score_history(seen.run, opportunity_id)
    trend = trend_of([one.p_win for one in held.points])
    return HistoryView(
        **stamp(seen.run),
        opportunity_id=opportunity_id,
        points=tuple(HistoryPoint(**vars(one)) for one in held.points),
        trend=None if trend is None else TrendAnswer(**vars(trend)),
        events=tuple(HistoryEvent(**vars(one)) for one in held.events),
        unread_runs=held.unread,
    )


def changes_view(seen: Seen, top: int = 10, since: str | None = None) -> ChangesView:
    """The deals seen that rose and fell most, at most `top` of each.

    since: an earlier published run, by default the one before; UsageError for another.
    """
    held = movers(seen.run, seen.scope.mask(seen.run), top=top, hide=_hide(seen), since=since)
    return ChangesView(
        **stamp(seen.run),
        since_run_id=held.since_run_id,
        compared=held.compared,
        started=held.started,
        risen=held.risen,
        fallen=held.fallen,
        expected_wins_change=held.expected_wins_change,
        rises=tuple(_moved(seen, one) for one in held.rises),
        falls=tuple(_moved(seen, one) for one in held.falls),
    )


@router.get("/deals/{opportunity_id}/changes", response_model=DealChangeView)
def get_deal_changes(
    seen: Annotated[Seen, allow("deals")], opportunity_id: str, since: _RunId = None
) -> Response:
    """What changed on a deal: model, corrected records, time passing and new events told apart."""
    return answer(deal_change_view(seen, opportunity_id, since))


@router.get("/deals/{opportunity_id}/history", response_model=HistoryView)
def get_history(seen: Annotated[Seen, allow("deals")], opportunity_id: str) -> Response:
    """A deal's score over the published runs, and what happened meanwhile."""
    return answer(history_view(seen, opportunity_id))


@router.get("/changes", response_model=ChangesView)
def get_changes(
    seen: Annotated[Seen, allow("deals")],
    top: Annotated[int, Query(ge=1, le=50, description="Rises, and falls, at most.")] = 10,
    since: _RunId = None,
) -> Response:
    """Which deals moved most since an earlier run, each with its reason in one line."""
    return answer(changes_view(seen, top, since))


def _hide(seen: Seen) -> Hide:
    return lambda deal, names: hidden_features(seen, deal, names)


def _sums(parts: tuple[Part, ...]) -> tuple[ChangeSum, ...]:
    return tuple(ChangeSum(**vars(one)) for one in parts)


def _moved(seen: Seen, one: Mover) -> Moved:
    rank = seen.rank_of(one.deal.opportunity_id)
    return Moved(deal=deal_row(seen, rank), points=one.points, headline=one.headline)
