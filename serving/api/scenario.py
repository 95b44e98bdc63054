"""What if: the forecast with some things changed, beside the forecast as it stands."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from data.errors import UsageError
from models.forecast.groups import TOTAL
from models.forecast.scenario import (
    Change,
    Churned,
    DealLost,
    DealMoved,
    DealWon,
    PriceChange,
    Renewed,
    UsageGrowth,
    change_told,
)
from models.forecast.shocks import OPEN_DEALS
from serving.access.gate import Seen, allow
from serving.access.suppress import LEVELS, is_hidden
from serving.api.forecast import figures_of, held_forecast, shown_figures
from serving.api.forecast_parts import Factor, ForecastQuery, ScenarioGiven, ScenarioView
from serving.api.stamped import answer, stamp
from serving.forecast import has_forecast

__all__ = ["NoForecastError", "check_forecast", "router", "scenario_view"]

router = APIRouter(tags=["forecast"])

_AGGREGATE_LEVELS = ("region", "segment", "product")


class NoForecastError(UsageError):
    """The run has no forecast to change. HTTP 409."""

    status = 409


def scenario_view(seen: Seen, given: ScenarioGiven) -> ScenarioView:
    """The forecast with and without the changes. Raises UsageError for what the forecast does not have."""
    check_forecast(seen)
    changes = _changes(given)
    if not changes:
        raise UsageError("scenario: expected something to change, found nothing. Name a price, say.")
    if not seen.scope.single_deals:
        _check_aggregates(seen, given)
    base = held_forecast(seen.run, given.horizon)
    after = base.scenario(changes)
    asked = ForecastQuery(by=given.by)
    changed = {one.level for one in (*given.price, *given.usage)}
    figures = shown_figures(seen, figures_of(after, given.by), asked, changed=changed)
    return ScenarioView(
        **stamp(seen.run),
        currency=base.currency,
        horizon_months=base.draws.months.count,
        changes=tuple(change_told(change) for change in changes),
        without=shown_figures(seen, _base_figures(seen, given), asked, changed=changed),
        figures=figures,
        withheld=sum(one.hidden for one in figures),
    )


@router.post("/forecast/scenario", response_model=ScenarioView)
def post_scenario(seen: Annotated[Seen, allow("scenario")], given: ScenarioGiven) -> Response:
    """The forecast with prices, use, deals or contracts changed. Nothing is kept."""
    return answer(scenario_view(seen, given))


def check_forecast(seen: Seen) -> None:
    """Raise NoForecastError for a run without a forecast."""
    if not has_forecast(seen.run):
        raise NoForecastError(
            f"Run {seen.run.run_id} holds no forecast. Publish again with `dealcast run` on a source with "
            "amounts."
        )


def _base_figures(seen: Seen, given: ScenarioGiven) -> list[Mapping[str, Any]]:
    run, horizon = seen.run, given.horizon
    return run.memo(
        ("forecast figures", horizon, given.by), lambda: figures_of(held_forecast(run, horizon), given.by)
    )


def _changes(given: ScenarioGiven) -> tuple[Change, ...]:
    return (
        *(DealWon(one.deal, one.month) for one in given.won),
        *(DealLost(one) for one in given.lost),
        *(DealMoved(one.deal, one.month, one.days) for one in given.moved),
        *(Renewed(one) for one in given.renewed),
        *(Churned(one) for one in given.churned),
        *(PriceChange(one.factor, one.level, one.key or TOTAL) for one in given.price),
        *(UsageGrowth(one.factor, one.level, one.key or TOTAL) for one in given.usage),
    )


def _check_aggregates(seen: Seen, given: ScenarioGiven) -> None:
    """Raise UsageError for a change that would tell of few deals: a difference of totals is a figure too."""
    if given.won or given.lost or given.moved or given.renewed or given.churned:
        raise UsageError("scenario: your role changes prices and use alone, not single deals or contracts.")
    factors: tuple[Factor, ...] = (*given.price, *given.usage)
    levels = {one.level for one in factors} - {TOTAL}
    if not levels <= set(_AGGREGATE_LEVELS) or len(levels) > 1:
        raise UsageError(
            f"scenario: your role changes keys of one level at a time, among {', '.join(_AGGREGATE_LEVELS)}."
        )
    for one in factors:
        if one.level not in LEVELS:
            continue
        if is_hidden(seen, OPEN_DEALS, one.level, one.key or TOTAL, changed=levels):
            raise UsageError(f"scenario: {one.level} {one.key!r} rests on too few deals to be changed alone.")
