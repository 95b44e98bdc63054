"""The forecast as published: bookings, renewals and consumption with their intervals, and what moved them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from data.errors import UsageError
from models.forecast.change import Standing
from models.forecast.groups import TOTAL
from models.forecast.shocks import BOOKINGS, NOT_YET_CREATED, OPEN_DEALS, PARTS
from serving.access.gate import Seen, allow
from serving.api.cells import Withheld, held_standing, withheld_keys
from serving.api.forecast_change import change_parts
from serving.api.forecast_parts import Figure, ForecastQuery, ForecastView, LeftOut
from serving.api.stamped import answer, stamp
from serving.forecast import BOOKINGS_FILE, SUMMARY_FILE, Forecast, forecast, has_forecast
from serving.forecast_book import ABOUT
from serving.live import HeldRun

__all__ = ["figures_of", "forecast_view", "held_forecast", "router", "shown_figures"]

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
    figures, withheld = shown_figures(seen, standing, rows, query)
    return ForecastView(
        **stamp(run),
        published=True,
        currency=about["currency"],
        horizon_months=horizon or about["horizon_months"],
        draws=about["draws"],
        levels=_levels(run),
        figures=figures,
        withheld=withheld,
        left_out=tuple(LeftOut(reason=why, rows=n) for why, n in standing.book.left_out.items()),
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

    Raises PublishError for more months than the run forecast.
    """
    return run.memo(("forecast", horizon), lambda: forecast(run, horizon_months=horizon), large=True)


def figures_of(made: Forecast, by: Sequence[str]) -> list[Row]:
    """A simulated forecast row by row. Raises UsageError for a level that it does not have."""
    _check_levels(made, by)
    figures = made.figures(by)
    return [dict(zip(figures, row, strict=True)) for row in zip(*figures.values(), strict=True)]


def shown_figures(
    seen: Seen, standing: Standing, rows: Iterable[Row], query: ForecastQuery
) -> tuple[tuple[Figure, ...], int]:
    """The rows that the query asks for and the viewer may see, and how many keys are withheld."""
    closed = withheld_keys(seen, standing, query.part or PARTS, query.by)
    order = {level: place for place, level in enumerate((TOTAL, *query.by))}
    kept = [row for row in rows if _asked(row, query, order) and not _withheld(row, closed)]
    kept.sort(key=lambda row: (PARTS.index(row["part"]), order[row["level"]]))
    names = list(Figure.model_fields)
    return (
        tuple(Figure(**{name: row[name] for name in names}) for row in kept),
        sum(len(keys) for keys in closed.values()),
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


def _withheld(row: Row, closed: Withheld) -> bool:
    return row["key"] in closed.get((row["part"], row["level"]), frozenset())


def _published(run: HeldRun) -> Sequence[Row]:
    """The published rows: bookings from one file, the rest from the other, each figure once."""
    return run.memo("forecast rows", lambda: list(_rows(run)), large=True)


def _rows(run: HeldRun) -> Iterator[Row]:
    if run.has(BOOKINGS_FILE):
        yield from run.table(BOOKINGS_FILE).to_pylist()
    if run.has(SUMMARY_FILE):
        yield from (row for row in run.table(SUMMARY_FILE).to_pylist() if row["part"] not in _BOOKED)


def _levels(run: HeldRun) -> tuple[str, ...]:
    there = {row["level"] for row in _published(run)}
    return tuple(level for level in _LEVELS if level in there)
