"""The forecast as published: bookings, renewals and consumption with their intervals, and what moved them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from data.errors import UsageError
from models.forecast.change import Standing
from models.forecast.groups import TOTAL
from models.forecast.shocks import BOOKINGS, NOT_YET_CREATED, OPEN_DEALS, PARTS
from serving.access.gate import Seen, allow
from serving.access.suppress import seen_figures
from serving.api.forecast_change import change_parts
from serving.api.forecast_parts import Figure, ForecastQuery, ForecastView, LeftOut
from serving.api.stamped import answer, stamp
from serving.forecast import BOOKINGS_FILE, SUMMARY_FILE, Forecast, forecast, has_forecast
from serving.forecast_book import ABOUT, standing_of
from serving.live import HeldRun

__all__ = ["figures_of", "forecast_view", "held_forecast", "held_standing", "router", "shown_figures"]

router = APIRouter(tags=["forecast"])

_BOOKED = (OPEN_DEALS, NOT_YET_CREATED, BOOKINGS)
_LEVELS = ("region", "segment", "owner", "product")
Row = Mapping[str, Any]


def forecast_view(seen: Seen, query: ForecastQuery) -> ForecastView:
    """The figures that the query asks for; empty for a run without a forecast."""
    run = seen.run
    previous = run.manifest["about"].get("previous_run_id")
    if not has_forecast(run):
        return ForecastView(
            **stamp(run), published=False, currency=None, horizon_months=None, draws=None, levels=(),
            figures=(), withheld=0, left_out=(), notes=(), width_source=None, previous_run_id=previous,
            change=(),
        )  # fmt: skip
    about, standing = run.manifest["about"][ABOUT], held_standing(run)
    horizon = query.horizon if query.horizon != about["horizon_months"] else None
    rows = _published(run) if horizon is None else figures_of(held_forecast(run, horizon), query.by)
    figures = shown_figures(seen, rows, query)
    return ForecastView(
        **stamp(run),
        published=True,
        currency=about["currency"],
        horizon_months=horizon or about["horizon_months"],
        draws=about["draws"],
        levels=_levels(run),
        figures=figures,
        withheld=sum(one.hidden for one in figures),
        left_out=_left_out(seen, standing),
        notes=tuple(about["notes"]),
        width_source=standing.book.shocks.source,
        previous_run_id=previous,
        change=change_parts(seen),
    )


@router.get("/forecast", response_model=ForecastView)
def get_forecast(
    seen: Annotated[Seen, allow("forecast")], query: Annotated[ForecastQuery, Query()]
) -> Response:
    """The forecast by month, quarter and over the whole horizon, with P10, P50 and P90."""
    return answer(forecast_view(seen, query))


def held_forecast(run: HeldRun, horizon: int | None) -> Forecast:
    """The forecast simulated from the run, once for each horizon; None: the run's own, which is as published.

    Raises UsageError for more months than the run forecast.
    """
    most = run.manifest["about"][ABOUT]["horizon_months"]
    if horizon is not None and horizon > most:
        raise UsageError(
            f"horizon: expected 1 to {most} months, as far as this run forecasts, found {horizon}."
        )
    return run.memo(("forecast", horizon), lambda: forecast(run, horizon_months=horizon), large=True)


def figures_of(made: Forecast, by: Sequence[str]) -> list[Row]:
    """A simulated forecast row by row. Raises UsageError for a level that it does not have."""
    _check_levels(made, by)
    figures = made.figures(by)
    return [dict(zip(figures, row, strict=True)) for row in zip(*figures.values(), strict=True)]


def shown_figures(
    seen: Seen, rows: Iterable[Row], query: ForecastQuery, *, changed: Collection[str] | None = None
) -> tuple[Figure, ...]:
    """The rows that the query asks for; those that the viewer may not see without their figures.

    changed: in a scenario the levels by whose keys it changes something; see `is_hidden`.
    """
    order = {level: place for place, level in enumerate((TOTAL, *query.by))}
    kept = [dict(row) for row in rows if _asked(row, query, order)]
    kept.sort(key=lambda row: (PARTS.index(row["part"]), order[row["level"]]))
    names = list(Figure.model_fields)
    shown = seen_figures(seen, kept, changed=changed)
    return tuple(Figure(**{name: row[name] for name in names}) for row in shown)


def held_standing(run: HeldRun) -> Standing:
    """The book of the run's forecast, made once. The run has a forecast."""
    return run.memo(
        "standing",
        lambda: standing_of(
            lambda name: run.table(name) if run.has(name) else None, run.as_of, run.manifest["about"][ABOUT]
        ),
        large=True,
    )


def _check_levels(made: Forecast, by: Sequence[str]) -> None:
    unknown = [level for level in by if level not in made.draws.by]
    if unknown:
        raise UsageError(
            f"by: this run has nothing to forecast by {unknown[0]}; it has "
            f"{', '.join(made.draws.by) or 'totals alone'}."
        )


def _asked(row: Row, query: ForecastQuery, order: Mapping[str, int]) -> bool:
    return (
        row["level"] in order
        and (not query.period or row["period_kind"] in query.period)
        and (not query.part or row["part"] in query.part)
    )


def _published(run: HeldRun) -> Sequence[Row]:
    """The published rows: bookings from one file, the rest from the other, each figure once."""
    return run.memo("forecast rows", lambda: list(_rows(run)), large=True)


def _rows(run: HeldRun) -> Iterator[Row]:
    if run.has(BOOKINGS_FILE):
        yield from run.table(BOOKINGS_FILE).to_pylist()
    if run.has(SUMMARY_FILE):
        yield from (row for row in run.table(SUMMARY_FILE).to_pylist() if row["part"] not in _BOOKED)


def _left_out(seen: Seen, standing: Standing) -> tuple[LeftOut, ...]:
    """What is in no total; a count of few deals is a figure too, and only for who may see single ones."""
    return tuple(
        LeftOut(reason=why, rows=n)
        for why, n in standing.book.left_out.items()
        if n >= seen.scope.min_cell or "deals" not in why
    )


def _levels(run: HeldRun) -> tuple[str, ...]:
    there = {row["level"] for row in _published(run)}
    return tuple(level for level in _LEVELS if level in there)
