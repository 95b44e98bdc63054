"""The steps of a run on its data: load, choose the instant, build features, score the open deals.

Plain functions; none knows Prefect. Each takes the job, what earlier steps gave, and `say` for a word
about what goes on. The steps that learn are in `pipelines.learning`, the last one in `pipelines.forecasting`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import PublishError, UsageError
from data.extract import ExtractReport, extract
from data.ledger import read_ledger
from data.warehouse import open_warehouse
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.families.custom import custom_fields
from features.feature import Feature
from features.origin import contract_origins
from features.snapshots import (
    DAY,
    Calendar,
    Snapshots,
    calendar_step_days,
    deal_snapshots,
    default_as_of,
    snapshots_from_keys,
)
from models.win_model import WinModel
from pipelines.data_report import write_data_report
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.room_table import room_table
from pipelines.rooms import deal_tables
from serving.facts import deal_facts
from serving.publish import Publication
from serving.published import Published, current_run_id, open_published
from serving.room import ROLES
from serving.scoring import readable, score_deals
from serving.timing import KNOTS, TIMING, timing_table

__all__ = [
    "Built", "View", "build_features", "choose_instant", "load_source", "published_before", "readable",
    "score_open",
]  # fmt: skip

ORIGINS_FILE = "contract_origins.parquet"
"""How the deal behind each contract was won, in the folder of the run; see `features.origin`."""

_STEP_DAYS = {"daily": 1, "weekly": 7}


@dataclass(frozen=True)
class View:
    """The instant to stand at, and what was known there: deals won and lost, the data's fingerprint."""

    calendar: Calendar
    won: int
    lost: int
    data_version: str

    @property
    def as_of(self) -> datetime:
        """The UTC instant to stand at."""
        return self.calendar.as_of

    @property
    def step_days(self) -> float:
        """Days between snapshots."""
        return self.calendar.step_s / DAY


@dataclass(frozen=True)
class Built:
    """The catalogue and the feature frame: `past` snapshots to learn from, deals `open` at as_of."""

    features: tuple[Feature, ...]
    past: pa.Table
    open: pa.Table


def load_source(job: Job, say: Say) -> ExtractReport:
    """Load the source files into the warehouse. Raises UsageError if no source is set."""
    settings = job.settings
    if settings.source is None:
        raise UsageError(
            "setting 'source': expected a folder of CSV or Parquet files, found none. Give --source DIR."
        )
    return extract(
        source=settings.source,
        mapping=settings.mapping,
        workspace=settings.workspace,
        max_reject_share=settings.max_reject_share,
        signals=settings.signals,
        on_step=say,
    )


def choose_instant(job: Job, say: Say) -> View:
    """The instant to stand at, the calendar that ends there, and how many deals had closed by then."""
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables()
        as_of = job.settings.as_of or default_as_of(tables, job.now)
        tables = warehouse.tables(as_of)
        days = _STEP_DAYS.get(job.settings.snapshots) or calendar_step_days(tables, as_of)
        won, lost = _known_outcomes(tables["opportunities"], as_of)
        ledger = read_ledger(warehouse.con.con)
        write_data_report(job, warehouse)
    step = "daily" if days == 1 else "weekly"
    say(f"{as_of:%Y-%m-%d %H:%M} UTC, {step} snapshots, {won} won and {lost} lost deals known")
    return View(Calendar(as_of, days * DAY), won, lost, ledger[-1].fingerprint)


def build_features(job: Job, view: View, say: Say, *, only: frozenset[str] | None = None) -> Built:
    """The features of every snapshot up to as_of (a seeded sample of the past ones above the set count).

    only: names of the features wanted; all of the catalogue unless given.
    """
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        every = catalogue(custom_fields(tables, view.as_of))
        features = tuple(one for one in every if only is None or one.name in only)
        snapshots = _drawn(tables, view.calendar, job.settings.max_snapshots, job.settings.seed)
        frame = feature_frame(warehouse.con, tables, snapshots, features, say)
        if only is None:
            pq.write_table(contract_origins(frame, tables, view.as_of), job.run_dir / ORIGINS_FILE)
    now = pc.equal(frame["as_of"], pa.scalar(view.as_of, frame["as_of"].type))
    return Built(features, past=frame.filter(pc.invert(now)), open=frame.filter(now))


def score_open(
    job: Job, view: View, built: Built, model: WinModel, warnings: tuple[str, ...], say: Say
) -> Publication:
    """Score the deals open at as_of: all that is published about them."""
    say(f"scoring {built.open.num_rows:,} open deals with {model.version}")
    ids: Any = built.open["opportunity_id"].to_pylist()
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        facts = deal_facts(tables, view.as_of, ids, job.settings.segment)
        beside = deal_tables(tables, view.as_of, ids, say)
        beside[ROLES] = room_table(tables, view.as_of, readable(built.open, model), facts, model.room)
    beside |= _timing_of(readable(built.open, model), model)
    before, previous = _scores_before(job.workspace, view.as_of)
    return score_deals(
        model,
        readable(built.open, model),
        facts=facts,
        features={feature.name: feature for feature in built.features},
        as_of=view.as_of,
        data_version=view.data_version,
        before=before,
        beside=beside,
        about={"note": model.note, "previous_run_id": previous, "warnings": list(warnings)},
    )


def _timing_of(frame: pa.Table, model: WinModel) -> dict[str, pa.Table]:
    """The table of when the deals of the frame will be won, by file name; none if the model cannot say."""
    if model.timing is None:
        return {}
    curves = model.p_won_by(frame, np.array(KNOTS, dtype=np.float64))
    return {TIMING: timing_table(frame["opportunity_id"], model.p_win(frame), curves)}


def _known_outcomes(deals: ir.Table, as_of: datetime) -> tuple[int, int]:
    """Deals won and lost whose close was known before as_of."""
    closed = deals.filter(deals.closed_at < as_of)
    counts = closed.agg(
        won=closed.count(where=closed.outcome == "won"), lost=closed.count(where=closed.outcome == "lost")
    ).to_pyarrow()
    return counts["won"][0].as_py(), counts["lost"][0].as_py()


def _drawn(tables: Mapping[str, ir.Table], calendar: Calendar, most: int, seed: int) -> Snapshots:
    """Every snapshot, or all of today's and a seeded sample of the past ones."""
    every = deal_snapshots(tables, calendar)
    past = every.table.filter(every.table.slot < calendar.last_slot)
    n_past = past.count().to_pyarrow().as_py()
    if n_past <= most:
        return every
    keys = past.select("opportunity_id", "slot").order_by("opportunity_id", "slot").to_pyarrow()
    chosen = np.sort(np.random.default_rng(seed).choice(n_past, most, replace=False))
    now = every.table.filter(every.table.slot == calendar.last_slot)
    today = now.select("opportunity_id", "slot").to_pyarrow()
    return snapshots_from_keys(tables, ibis.memtable(pa.concat_tables([keys.take(chosen), today])), calendar)


def published_before(workspace: Path, as_of: datetime) -> Published | None:
    """The run published now; None if there is none, it cannot be trusted, or it stands after as_of."""
    try:
        run_id = current_run_id(workspace)
        found = None if run_id is None else open_published(workspace, run_id)
    except PublishError:
        return None
    return found if found is not None and found.as_of <= as_of else None


def _scores_before(workspace: Path, as_of: datetime) -> tuple[dict[str, float], str | None]:
    """The probabilities of `published_before`, by deal, and its run."""
    published = published_before(workspace, as_of)
    if published is None:
        return {}, None
    rows = published.table("win_scores.parquet").select(["opportunity_id", "p_win"]).to_pylist()
    return {row["opportunity_id"]: row["p_win"] for row in rows}, published.run_id
