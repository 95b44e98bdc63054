"""The step that forecasts consumption, for the publication of a run."""

import math
from dataclasses import dataclass, field

import orjson
import pyarrow as pa

from data.currency import Rates, reporting_currency
from data.warehouse import open_warehouse
from features.panel import Panel, consumption_panel
from models.consumption.use import UseForecast, forecast_use
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.steps import View
from serving.consumption import CONSUMPTION

__all__ = ["CONSUMPTION_REPORT", "UsePart", "forecast_consumption"]

CONSUMPTION_REPORT = "consumption.json"
"""How the forecast was made, in the folder of the run: weights, past origins, what was left out and why."""

_DAYS_OF_MONTH, _DAYS_OF_WEEK = 30.4375, 7


@dataclass(frozen=True)
class UsePart:
    """tables: the forecast by file name, empty where there is no use. notes: what to know of it, in words."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def forecast_consumption(job: Job, view: View, say: Say) -> UsePart:
    """The consumption forecast at as_of, in the reporting currency, by months or weeks.

    Months, or as many weeks as cover them, from the one that holds as_of. Without use known before as_of
    there is none, and a note says so.
    """
    settings = job.settings
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        currency = reporting_currency(tables, view.as_of, settings.reporting_currency)
        rates = Rates.read(tables, view.as_of).to(currency)
        panel = consumption_panel(
            tables, view.as_of, period=settings.consumption_period, rates=rates, segment=settings.segment
        )
    if not panel.series.num_rows:
        say("no use in a complete period: no consumption forecast")
        return UsePart(
            notes=("no use is recorded in a complete period: no consumption is forecast", *_told(panel))
        )
    say(f"{panel.series.num_rows:,} series of use, {panel.period}")
    used = forecast_use(
        panel,
        horizon=_periods(settings.horizon_months, settings.consumption_period),
        seed=settings.seed,
        overdue_days=settings.overdue_days,
    )
    (job.run_dir / CONSUMPTION_REPORT).write_bytes(orjson.dumps(used.about, option=orjson.OPT_INDENT_2))
    if not used.table.num_rows:
        return UsePart(notes=("every series of use has ended: no consumption is forecast", *_told(panel)))
    return UsePart({CONSUMPTION: used.table}, _notes(panel, used))


def _periods(months: int, period: str) -> int:
    """Periods that cover the months, the one under way included."""
    return months if period == "monthly" else math.ceil(months * _DAYS_OF_MONTH / _DAYS_OF_WEEK) + 1


def _notes(panel: Panel, used: UseForecast) -> tuple[str, ...]:
    """What a reader of the forecast should know."""
    waiting = used.about["contracts_without_use_not_forecast"]
    few = (f"contracts of which no use counts so far, and none is forecast: {waiting:,}",) if waiting else ()
    return (*_told(panel), *few)


def _told(panel: Panel) -> tuple[str, ...]:
    """Use that does not count, but for that of periods not complete yet."""
    return tuple(
        f"use left out, {one.reason}: {one.rows} rows"
        for one in panel.left_out
        if not one.used and "not complete" not in one.reason
    )
