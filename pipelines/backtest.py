"""Past forecasts replayed with what was known then: what they were worth, and how large common shocks are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from data.currency import Rates, reporting_currency
from data.errors import ModelContractError, UsageError
from data.settings import Settings
from data.warehouse import Warehouse, open_warehouse
from features.feature import Feature
from models.backtest.origins import choose_origins
from models.backtest.replay import Origin, Replayed, replay
from models.backtest.rows import SCHEMA
from models.backtest.scores import NOMINAL, score_rows, sentences
from models.backtest.shocks import Shift, estimate_shocks
from models.backtest.stored import write_shocks
from models.forecast.months import Months
from models.forecast.shocks import Shocks
from models.registry import RegistryUnreachableError, store_at
from models.run_log import log_findings
from pipelines.auditing import GATE, audit_features
from pipelines.job import Job
from pipelines.learning import kept_features, label_and_split
from pipelines.progress import Say
from pipelines.replaying import (
    Contracted,
    Fitted,
    Material,
    bookings_at,
    build_material,
    contracted,
    fit_at,
    renewals_at,
)
from pipelines.run import Do, working
from pipelines.steps import Built, View, choose_instant

__all__ = ["BACKTEST_FILE", "ROWS_FILE", "Backtested", "Plan", "backtest_part"]

BACKTEST_FILE, ROWS_FILE = "backtest.json", "backtest.parquet"
_MOST_MONTHS = 12
_LEVELS = ("region", "segment", "product")


@dataclass(frozen=True)
class Plan:
    """Which past forecasts are replayed: how many, months from one to the next, months that each runs.

    refit: models are fitted anew at each origin; else the champion as it stands, at origins it did not see.
    by: levels beside the total.
    """

    origins: int = 6
    every: int = 1
    horizon: int = 6
    refit: bool = True
    by: tuple[str, ...] = ("region", "segment")

    def __post_init__(self) -> None:
        if self.origins < 1 or self.every < 1 or not 1 <= self.horizon <= _MOST_MONTHS:
            raise UsageError(
                f"backtest: expected one origin or more, one month or more between them and a horizon of 1 "
                f"to {_MOST_MONTHS} months, found {self.origins}, {self.every} and {self.horizon}."
            )
        unknown = [level for level in self.by if level not in _LEVELS]
        if unknown:
            raise UsageError(
                f"--by: expected levels among {', '.join(_LEVELS)}, found {', '.join(unknown)}. Leave it out."
            )


@dataclass(frozen=True)
class Backtested:
    """What was found, and where it was logged: `mlflow_run` is None, with a warning, if the registry is away.

    document: what backtest.json holds.
    """

    job: Job
    document: dict[str, Any]
    mlflow_run: str | None
    warnings: tuple[str, ...]


def backtest_part(settings: Settings, console: Console, plan: Plan) -> Backtested:
    """Replay past forecasts of what the warehouse holds; nothing is registered, promoted or published.

    Raises ModelContractError if nothing could be forecast at any origin.
    """
    with working(settings, "backtest", console) as (job, do, progress):
        view = do(choose_instant, job)
        with open_warehouse(job.workspace) as warehouse:
            origins = choose_origins(
                view.calendar, count=plan.origins, every=plan.every, horizon=plan.horizon
            )
            with progress.stage("Building features") as say:
                material, built, features, held = _prepared(job, do, warehouse, view, origins, say)
            replayed, notes, shocks_used = [], [held] if isinstance(held, str) else [], []
            for origin in origins:
                with progress.stage(f"Replaying {origin:%Y-%m-%d}") as say:
                    stood = _origin(
                        warehouse.tables(origin), material, built, features, held, origin, plan, say
                    )
                    notes += stood.notes
                    say("simulating")
                    replayed.append(
                        replay(
                            stood.origin, stood.shocks, by=plan.by, stage_probabilities=material.stages,
                            draws=settings.draws, seed=settings.seed,
                        )
                    )  # fmt: skip
                    shocks_used.append(stood.shocks)
        rows = pa.concat_tables([SCHEMA.empty_table(), *(one.rows for one in replayed)])
        if not rows.num_rows:
            raise ModelContractError(f"backtest: nothing could be forecast. {' '.join(notes)}")
        with progress.stage("Scoring the forecasts"):
            shocks = _measured(replayed, rows, plan, origins)
            document = _document(job, view, material, plan, origins, rows, shocks, shocks_used, notes)
            files = _written(job, document, rows)
            write_shocks(job.workspace, shocks)
        with progress.stage("Logging the findings"):
            logged, warnings = _logged(job, document, files)
        return Backtested(job, document, logged, (*notes, *warnings))


@dataclass(frozen=True)
class _Stood:
    """An origin, the shocks that its forecast reckons with, and what could not be forecast there."""

    origin: Origin
    shocks: Shocks
    notes: list[str]


def _prepared(
    job: Job, do: Do, warehouse: Warehouse, view: View, origins: tuple[datetime, ...], say: Say
) -> tuple[Material, Built, tuple[Feature, ...], Contracted | str]:
    settings, tables = job.settings, warehouse.tables(view.as_of)
    currency = reporting_currency(tables, origins[0], settings.reporting_currency)
    material, built = build_material(warehouse, view, settings, origins, currency, say)
    held = contracted(warehouse, material, built, origins, say)
    rows = do(label_and_split, job, view, built)
    audited = do(audit_features, job, view, built, rows, GATE)
    return material, built, kept_features(built, audited), held


def _origin(
    tables: Mapping[str, ir.Table], material: Material, built: Built, features: tuple[Feature, ...],
    held: Contracted | str, at: datetime, plan: Plan, say: Say,
) -> _Stood:  # fmt: skip
    months = Months(at, plan.horizon)
    rates = Rates.read(tables, at).to(material.currency)
    origin = Origin(months, material.currency, material.view.as_of)
    shocks, notes = Shocks(), []
    if isinstance(held, Contracted):
        origin = replace(origin, renewals=renewals_at(tables, material, held, at, rates, months, say))
    fitted = fit_at(tables, material, built, features, at, say)
    if isinstance(fitted, Fitted):
        bookings = bookings_at(material, at, rates, months, renewals=isinstance(held, Contracted))
        deals = bookings.open_deals(bookings.frame_at(built.past), fitted.win, fitted.timing)
        origin = replace(origin, bookings=(bookings, deals, bookings.new_business()))
        shocks = fitted.shocks
    else:
        notes.append(fitted)
    return _Stood(origin, shocks, notes)


def _measured(
    replayed: Sequence[Replayed], rows: pa.Table, plan: Plan, origins: Sequence[datetime]
) -> Shocks:
    """The shocks that later runs reckon with."""
    names = sorted({name for one in replayed for name in one.shifts})
    shifts: dict[str, list[Shift]] = {
        name: [shift for one in replayed if (shift := one.shifts.get(name)) is not None] for name in names
    }
    windows = ((len(origins) - 1) * plan.every + plan.horizon) / plan.horizon
    source = (
        f"backtest of {len(origins)} origins, {origins[0]:%Y-%m-%d} to {origins[-1]:%Y-%m-%d}, "
        f"{plan.horizon} months ahead"
    )
    return estimate_shocks(shifts, rows, windows=windows, source=source)


def _document(
    job: Job, view: View, material: Material, plan: Plan, origins: Sequence[datetime], rows: pa.Table,
    shocks: Shocks, used: Sequence[Shocks], notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    scores = score_rows(rows, seed=job.settings.seed)
    return {
        "run_id": job.run_id,
        "as_of": view.as_of.isoformat(),
        "origins": [origin.isoformat() for origin in origins],
        "horizon_months": plan.horizon,
        "models": "refit at each origin" if plan.refit else "the champion as it stands",
        "currency": material.currency,
        "levels": ["total", *plan.by],
        "draws": job.settings.draws,
        "nominal_coverage": NOMINAL,
        "headline": sentences(scores),
        "scores": scores,
        "shocks": shocks.to_dict(),
        "shocks_used": [one.to_dict() for one in used],
        "notes": list(notes),
    }


def _written(job: Job, document: dict[str, Any], rows: pa.Table) -> tuple[Path, ...]:
    """The files that tell the findings, in the run's folder."""
    folder = job.run_dir
    (folder / BACKTEST_FILE).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    pq.write_table(rows, folder / ROWS_FILE)
    return folder / BACKTEST_FILE, folder / ROWS_FILE


def _logged(
    job: Job, document: dict[str, Any], files: tuple[Path, ...]
) -> tuple[str | None, tuple[str, ...]]:
    whole = [
        one
        for one in document["scores"]
        if one["model"] == "dealcast" and one["months_ahead"] is None and one["period_kind"] == "month"
    ]
    metrics = {
        f"backtest.{one['part']}.{one['level']}.{name}": float(one[name])
        for one in whole
        for name in ("wape", "bias", "coverage", "pinball")
        if one[name] is not None
    }
    store = store_at(job.workspace, tracking_uri=job.settings.mlflow_tracking_uri)
    try:
        return log_findings(store, run_id=job.run_id, folder="backtest", files=files, metrics=metrics), ()
    except RegistryUnreachableError as error:
        return None, (f"the findings are in {job.run_dir}, but not in the registry: {error}",)
