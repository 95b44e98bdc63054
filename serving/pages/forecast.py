"""The page of the forecast: fans, roll-ups, what moved it, what if, and its export."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from data.errors import UsageError
from serving.access.gate import Seen, allow
from serving.api.forecast import forecast_view
from serving.api.forecast_parts import (
    Factor,
    Figure,
    ForecastQuery,
    ForecastView,
    Level,
    ScenarioGiven,
    ScenarioView,
)
from serving.api.queries import made, query_of
from serving.api.scenario import scenario_view
from serving.pages.asked import address, pairs_of
from serving.pages.forecast_charts import (
    PARTS,
    change_chart,
    fan_chart,
    fan_rows,
    period_label,
    scenario_chart,
)
from serving.pages.render import page

__all__ = ["AskedForecast", "router"]

router = APIRouter()

_PATH = "/forecast"
_SHOWN = ("bookings", "renewals", "consumption")
_LEVELS: tuple[str, ...] = get_args(Level)
_PERCENT = Field(0, ge=-90, le=400)


class AskedForecast(BaseModel):
    """What the address asks for. price, usage: changes in percent, of `of` ("level:key"; empty: all)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    period: str = Field("month", pattern="^(month|quarter)$")
    by: str = Field("", pattern=f"^({'|'.join(_LEVELS)})?$")
    price: float = _PERCENT
    usage: float = _PERCENT
    of: str = Field("", max_length=220)
    won: str = Field("", max_length=200)
    lost: str = Field("", max_length=200)


@router.get(_PATH)
def forecast_page(request: Request, seen: Annotated[Seen, allow("forecast")]) -> Response:
    """The forecast of the run, and what if some of it were otherwise."""
    pairs = pairs_of(request)
    asked = query_of(AskedForecast, pairs)
    view = forecast_view(seen, ForecastQuery())
    if not view.published:
        return page(request, "forecast.html", seen, view=view)
    level: Any = asked.by or next(iter(view.levels), "")
    rolled = forecast_view(seen, ForecastQuery(by=(level,), period=("horizon",))) if level else None
    scenario, problem = None, None
    try:
        scenario = _scenario(seen, asked)
    except UsageError as error:
        problem = str(error)
    return page(
        request, "forecast.html", seen,
        view=view, asked=asked, parts=PARTS, level=level,
        whole=_whole(view.figures), span=_span(view.figures),
        fans=[_fan(view, part, asked.period) for part in _SHOWN if _has(view.figures, part)],
        roll_up=_roll_up(rolled, level), withheld=rolled.withheld if rolled else 0,
        level_links=[(name, address(_PATH, _without(pairs, "by"), by=name) + "#roll-up")
                     for name in view.levels],
        period_links=[(name, address(_PATH, _without(pairs, "period"), period=name))
                      for name in ("month", "quarter")],
        changes=[(one, change_chart(one, view.currency)) for one in view.change if one.part in _SHOWN],
        can_change=seen.can("scenario"), may_single=seen.scope.single_deals, can_export=seen.can("export"),
        keys=_keys(seen, view), scenario=scenario, problem=problem, compared=_compared(scenario),
        chart=_scenario_chart(scenario, asked.period),
    )  # fmt: skip


def _without(pairs: Sequence[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    """The parameters but one."""
    return [(one, text) for one, text in pairs if one != name]


def _has(figures: Sequence[Figure], part: str) -> bool:
    return any(one.part == part for one in figures)


def _whole(figures: Sequence[Figure]) -> Mapping[str, Figure]:
    """By part the total over the whole horizon."""
    return {one.part: one for one in figures if one.level == "total" and one.period_kind == "horizon"}


def _span(figures: Sequence[Figure]) -> str:
    return next((period_label(one.period) for one in figures if one.period_kind == "horizon"), "")


def _fan(view: ForecastView, part: str, period: str) -> Any:
    rows = fan_rows(view.figures, part, period)
    return fan_chart(rows, part, _whole(view.figures).get(part), view.currency)


def _roll_up(view: ForecastView | None, level: str) -> list[tuple[str, Mapping[str, Figure]]]:
    """By key of the level each part over the horizon, the largest bookings first."""
    held: dict[str, dict[str, Figure]] = {}
    for one in view.figures if view else ():
        if one.level == level and one.part in _SHOWN:
            held.setdefault(one.key, {})[one.part] = one
    return sorted(held.items(), key=lambda row: (-sum(one.mean or 0.0 for one in row[1].values()), row[0]))


def _keys(seen: Seen, view: ForecastView) -> list[tuple[str, str]]:
    """What a scenario may change: keys of the levels as "level:key", with titles."""
    levels: Any = tuple(one for one in view.levels if one != "owner")
    if not levels:
        return []
    held = forecast_view(seen, ForecastQuery(by=levels, period=("horizon",)))
    found = dict.fromkeys((one.level, one.key) for one in held.figures if one.level != "total")
    return [(f"{level}:{key}", f"{level.capitalize()} {key}") for level, key in sorted(found)]


def _scenario(seen: Seen, asked: AskedForecast) -> ScenarioView | None:
    """The scenario that the address asks for; None where it changes nothing, or the visitor may not."""
    changes = (asked.price, asked.usage, asked.won, asked.lost)
    if not any(changes) or not seen.can("scenario"):
        return None
    given = {
        "price": _factor(asked.price, asked.of), "usage": _factor(asked.usage, asked.of),
        "won": [{"deal": asked.won.strip()}] if asked.won.strip() else [],
        "lost": [asked.lost.strip()] if asked.lost.strip() else [],
    }  # fmt: skip
    return scenario_view(seen.narrowed("scenario"), made(ScenarioGiven, given))


def _factor(percent: float, of: str) -> list[Factor]:
    if not percent:
        return []
    level, _, key = of.partition(":")
    held = {"level": level, "key": key} if key else {}
    return [made(Factor, {"factor": 1 + percent / 100, **held})]


def _compared(scenario: ScenarioView | None) -> list[tuple[str, Figure, Figure]]:
    """By part the total over the horizon, without and with the changes."""
    if scenario is None:
        return []
    without, changed = _whole(scenario.without), _whole(scenario.figures)
    return [(title, without[part], changed[part]) for part, title in PARTS.items() if part in changed]


def _scenario_chart(scenario: ScenarioView | None, period: str) -> Any:
    """The chart of the part that the scenario moves most, in relation to its size."""
    if scenario is None:
        return None
    without, changed = _whole(scenario.without), _whole(scenario.figures)
    moved = {
        part: abs((changed[part].mean or 0.0) / before - 1)
        for part in _SHOWN
        if part in changed and (before := without[part].mean)
    }
    if not moved:
        return None
    part = max(moved, key=lambda one: moved[one])
    rows = [fan_rows(held, part, period) for held in (scenario.without, scenario.figures)]
    return scenario_chart(rows[0], rows[1], part, scenario.currency)
