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
from data.errors import ModelContractError
from data.settings import Settings
from data.warehouse import Warehouse, open_warehouse
from features.feature import Feature
from models.backtest.bookings import BookingsAt
from models.backtest.consumption import deciding_contracts
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
from pipelines.backtest_plan import Champions, Plan
from pipelines.job import Job
from pipelines.learning import kept_features, label_and_split
from pipelines.progress import Say
from pipelines.replaying import (
    Contracted,
    Fitted,
    Material,
    as_were,
    build_material,
    consumption_at,
    contracted,
    fit_at,
    renewals_at,
)
from pipelines.run import Do, working
from pipelines.steps import Built, View, choose_instant, readable

__all__ = ["BACKTEST_FILE", "ROWS_FILE", "Backtested", "backtest_part"]

BACKTEST_FILE, ROWS_FILE = "backtest.json", "backtest.parquet"


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
        champions = Champions.of(job, plan)
        origins = champions.origins(view, plan)
        with open_warehouse(job.workspace) as warehouse:
            with progress.stage("Building features") as say:
                ready = _prepared(job, do, warehouse, view, origins, say)
            replayed = []
            for origin in origins:
                with progress.stage(f"Replaying {origin:%Y-%m-%d}") as say:
                    replayed.append(
                        _replayed(warehouse, ready, champions, Months(origin, plan.horizon), plan, say)
                    )
        rows = pa.concat_tables([SCHEMA.empty_table(), *(one.found.rows for one in replayed)])
        notes = [*ready.notes, *(note for one in replayed for note in one.notes)]
        if not rows.num_rows:
            raise ModelContractError(f"backtest: nothing could be forecast. {' '.join(notes)}")
        with progress.stage("Scoring the forecasts"):
            document = _document(job, view, ready.material, plan, rows, replayed, notes)
            files = _written(job, document, rows)
            write_shocks(job.workspace, Shocks.from_dict(document["shocks"]), view.as_of)
        with progress.stage("Logging the findings"):
            logged, warnings = _logged(job, document, files)
        return Backtested(job, document, logged, (*notes, *warnings))


@dataclass(frozen=True)
class _Ready:
    """What every origin is made of. held: None where no contracts are recorded."""

    material: Material
    built: Built
    features: tuple[Feature, ...]
    held: Contracted | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Past:
    """An origin replayed, the shocks that its forecast reckoned with, and what could not be forecast."""

    origin: Origin
    found: Replayed
    shocks: Shocks
    notes: tuple[str, ...]

    @property
    def at(self) -> datetime:
        """The origin's instant."""
        return self.origin.months.as_of


def _prepared(
    job: Job, do: Do, warehouse: Warehouse, view: View, origins: tuple[datetime, ...], say: Say
) -> _Ready:
    settings, tables = job.settings, warehouse.tables(view.as_of)
    currency = reporting_currency(tables, origins[0], settings.reporting_currency)
    material, built = build_material(warehouse, view, settings, origins, currency, say)
    held = contracted(warehouse, material, built, origins, say)
    rows = do(label_and_split, job, view, built)
    audited = do(audit_features, job, view, built, rows, GATE)
    notes = () if held else ("no contracts are recorded: renewals are no part of this backtest",)
    return _Ready(material, built, kept_features(built, audited), held, notes)


def _replayed(
    warehouse: Warehouse, ready: _Ready, champions: Champions, months: Months, plan: Plan, say: Say
) -> _Past:
    """One origin, from what was known there to its forecasts beside what came."""
    at, material = months.as_of, ready.material
    tables = warehouse.tables(material.view.as_of)
    rates = Rates.read(warehouse.tables(at), at).to(material.currency)
    origin = Origin(months, material.currency, material.view.as_of)
    origin, notes = _with_renewals(origin, tables, ready, champions, rates, say)
    say("forecasting consumption")
    origin = _with_consumption(origin, tables, material, rates)
    win = champions.win
    fitted = (
        fit_at(tables, material, ready.built, ready.features, at, say)
        if win is None
        else as_were(win, tables, ready.built, at)
    )
    if isinstance(fitted, Fitted):
        due = origin.renewals[0].due_accounts if origin.renewals else None
        bookings = BookingsAt.of(material.deals, months, rates, due=due)
        frame = readable(bookings.frame_at(ready.built.past), fitted.win)
        deals = bookings.open_deals(frame, fitted.win, fitted.timing)
        origin = replace(origin, bookings=(bookings, deals, bookings.new_business()))
    else:
        notes = (*notes, fitted)
    shocks = fitted.shocks if isinstance(fitted, Fitted) else Shocks()
    say("simulating")
    settings = material.settings
    found = replay(
        origin,
        shocks,
        by=plan.by,
        stage_probabilities=material.stages,
        draws=settings.draws,
        seed=settings.seed,
    )
    return _Past(origin, found, shocks, notes)


def _with_renewals(
    origin: Origin,
    tables: Mapping[str, ir.Table],
    ready: _Ready,
    champions: Champions,
    rates: Rates,
    say: Say,
) -> tuple[Origin, tuple[str, ...]]:
    """The origin with its renewals; or without, and why."""
    if ready.held is None:
        return origin, ()
    why = champions.no_renewals(origin.months.as_of)
    if why is not None:
        return origin, (why,)
    made = renewals_at(tables, ready.material, ready.held, rates, origin.months, champions.renewal, say)
    return replace(origin, renewals=made), ()


def _with_consumption(
    origin: Origin, tables: Mapping[str, ir.Table], material: Material, rates: Rates
) -> Origin:
    """The origin with its consumption, where any use was known."""
    used = consumption_at(tables, material, rates, origin.months)
    if used is None:
        return origin
    decides = {}
    if origin.renewals:
        renewals, book = origin.renewals
        decides = deciding_contracts(book, renewals.accounts_of(book), origin.months)
    return replace(origin, consumption=(used, used.book(decides)))


def _measured(settings: Settings, plan: Plan, replayed: Sequence[_Past]) -> Shocks:
    """The shocks that later runs reckon with: sizes from the shifts, then widths from totals forecast anew.

    The totals are forecast with the new sizes, so that a width does not mend again what a size has mended.
    """
    names = sorted({name for one in replayed for name in one.found.shifts})
    shifts: dict[str, list[Shift]] = {
        name: [shift for one in replayed if (shift := one.found.shifts.get(name)) is not None]
        for name in names
    }
    first, last = replayed[0].at, replayed[-1].at
    origins = (
        f"{len(replayed)} origins, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        if first < last
        else f"{first:%Y-%m-%d}"
    )
    source = f"backtest of {origins}, {plan.horizon} months ahead"
    windows = ((len(replayed) - 1) * plan.every + plan.horizon) / plan.horizon
    sizes = estimate_shocks(shifts, windows=windows, source=source)
    again = [
        replay(one.origin, sizes, by=(), stage_probabilities={}, draws=settings.draws, seed=settings.seed)
        for one in replayed
    ]
    rows = pa.concat_tables([SCHEMA.empty_table(), *(one.rows for one in again)])
    return estimate_shocks(shifts, rows, windows=windows, source=source)


def _document(
    job: Job, view: View, material: Material, plan: Plan, rows: pa.Table, replayed: Sequence[_Past],
    notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    scores = score_rows(rows, seed=job.settings.seed)
    return {
        "run_id": job.run_id,
        "as_of": view.as_of.isoformat(),
        "origins": [one.at.isoformat() for one in replayed],
        "horizon_months": plan.horizon,
        "models": "refit at each origin" if plan.refit else "the champion as it stands",
        "currency": material.currency,
        "levels": ["total", *plan.by],
        "draws": job.settings.draws,
        "nominal_coverage": NOMINAL,
        "headline": sentences(scores),
        "scores": scores,
        "shocks": _measured(job.settings, plan, replayed).to_dict(),
        "shocks_used": [one.shocks.to_dict() for one in replayed],
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
