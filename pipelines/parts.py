"""Single parts of a run on a workspace, each under its lock."""

from dataclasses import dataclass
from datetime import datetime

from rich.console import Console

from data.errors import ModelContractError, UsageError
from data.extract import ExtractReport
from data.settings import Settings
from features.feature import Feature
from models.audit import AuditReport
from models.backtest.stored import read_shocks
from models.evaluation import Evaluation
from models.promotion import promote, rollback
from models.registry import CHALLENGER, CHAMPION, Registered, alias_version, fetch
from models.win_model import WinModel
from pipelines.auditing import GATE, IN_FULL, audit_features, waivers_of
from pipelines.champion import champion_or_none, hindsight, judge, open_store, register_model
from pipelines.consuming import forecast_consumption
from pipelines.contracts import score_with_champion
from pipelines.forecasting import Parts, publish_run
from pipelines.job import Job
from pipelines.learning import (
    Labelled,
    baseline,
    evaluate_model,
    kept_features,
    label_and_split,
    learn_the_room,
    learn_the_timing,
    train_model,
)
from pipelines.progress import silent
from pipelines.renewal_champion import renewal_store
from pipelines.reporting import write_report
from pipelines.run import Do, working
from pipelines.steps import Built, View, build_features, choose_instant, load_source
from serving.published import Published

__all__ = [
    "Judged", "Trained", "audit_part", "evaluate_part", "extract_part", "promote_part", "rollback_part",
    "score_part", "train_part",
]  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A model with its evaluation (None for a baseline) and its version in the registry, if it got one."""

    job: Job
    model: WinModel
    evaluation: Evaluation | None
    registered: Registered | None
    audited: AuditReport


@dataclass(frozen=True)
class Judged:
    """Whether a registered version became champion, and why."""

    version: str
    promoted: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Prepared:
    view: View
    built: Built
    rows: Labelled
    audited: AuditReport
    features: tuple[Feature, ...]


def extract_part(settings: Settings, console: Console) -> ExtractReport:
    """Load the source. Raises WarehouseBusyError if another process keeps the workspace."""
    with working(settings, "extract", console) as (job, do, _):
        return do(load_source, job)


def audit_part(settings: Settings, console: Console) -> tuple[Job, AuditReport]:
    """Every check of the audit on what the warehouse holds; nothing is learnt, and nothing raised."""
    with working(settings, "audit", console) as (job, do, _):
        waivers_of(job)
        view = do(choose_instant, job)
        built = do(build_features, job, view)
        rows = do(label_and_split, job, view, built)
        return job, do(audit_features, job, view, built, rows, IN_FULL)


def train_part(settings: Settings, console: Console) -> Trained:
    """Train, evaluate and register a challenger on what the warehouse holds; nothing is promoted."""
    with working(settings, "train", console) as (job, do, _):
        ready = _prepared(job, do)
        model = do(train_model, job, ready.view, ready.rows, ready.features)
        model = do(learn_the_room, job, ready.view, ready.rows, model)
        model = do(learn_the_timing, job, ready.rows, model)
        evaluation = do(evaluate_model, job, ready.rows, ready.features, model)
        do(write_report, job, ready.built, ready.rows, model, evaluation, ready.audited)
        registered = do(register_model, job, ready.view, model, evaluation, ready.audited)
        return Trained(job, model, evaluation, registered, ready.audited)


def evaluate_part(settings: Settings, version: str | None, console: Console) -> tuple[Job, Evaluation]:
    """Score a registered version (the champion by default) on rows later than all it learnt from."""
    with working(settings, "evaluate", console) as (job, do, _):
        store = open_store(job, silent)
        chosen = version or alias_version(store, CHAMPION)
        if chosen is None:
            raise UsageError(
                "no champion to evaluate yet. `dealcast run` trains one, or name a --model-version."
            )
        model = WinModel.load(fetch(store, chosen).folder)
        ready = _prepared(job, do)
        return job, _evaluated(job, do, ready, model)


def score_part(settings: Settings, console: Console) -> Published:
    """Score the open deals with the champion, or the baseline where there is none, and publish."""
    with working(settings, "score", console) as (job, do, progress):
        view = do(choose_instant, job)
        built = do(build_features, job, view)
        champion, warnings = champion_or_none(job)
        if champion is None:
            rows = do(label_and_split, job, view, built)
            audited = do(audit_features, job, view, built, rows, GATE)
            why = rows.thin or "no model has earned promotion yet: every deal gets a baseline score."
            champion = baseline(view, rows, kept_features(built, audited), why)
            warnings = (*warnings, why)
        warnings = (*warnings, *hindsight(champion, view.as_of))
        with progress.stage("Scoring contracts") as say:
            renewals = score_with_champion(job, view, say)
        return do(
            publish_run,
            job,
            view,
            built,
            champion,
            Parts(
                renewals, do(forecast_consumption, job, view), shocks=read_shocks(job.workspace, view.as_of)
            ),
            (*warnings, *renewals.warnings),
        )


def promote_part(settings: Settings, version: str | None, force: str | None, console: Console) -> Judged:
    """Hold a registered version (the challenger by default) against the champion, and promote it if better.

    force: a reason to promote it without the gate, kept in the ledger.
    """
    with working(settings, "promote", console) as (job, do, _):
        store = open_store(job, silent)
        chosen = version or alias_version(store, CHALLENGER)
        if chosen is None:
            raise UsageError("no challenger to promote yet. `dealcast train` makes one.")
        model = WinModel.load(fetch(store, chosen).folder)
        if force:
            reasons: tuple[str, ...] = (f"promoted without the gate: {force}",)
            current = alias_version(store, CHAMPION)
            promote(
                store, chosen, expected_champion=current, reasons=reasons, headline=model.metrics,
                run_id=job.run_id, at=job.now,
            )  # fmt: skip
            return Judged(chosen, True, reasons)
        ready = _prepared(job, do)
        evaluation = _evaluated(job, do, ready, model)
        promoted, reasons = judge(job, ready.rows, model, evaluation, chosen)
        return Judged(chosen, promoted, reasons)


def rollback_part(settings: Settings, reason: str, console: Console, *, renewals: bool = False) -> str:
    """Return to the champion before the present one; its version. renewals: of the model of renewals."""
    with working(settings, "rollback", console) as (job, _, _):
        store = renewal_store(job) if renewals else open_store(job, silent)
        return rollback(store, reason=reason, run_id=job.run_id, at=job.now)


def _prepared(job: Job, do: Do) -> _Prepared:
    waivers_of(job)
    view = do(choose_instant, job)
    built = do(build_features, job, view)
    rows = do(label_and_split, job, view, built)
    audited = do(audit_features, job, view, built, rows, GATE)
    audited.check_structure()
    return _Prepared(view, built, rows, audited, kept_features(built, audited))


def _evaluated(job: Job, do: Do, ready: _Prepared, model: WinModel) -> Evaluation:
    """The evaluation of a model that has seen none of the test rows."""
    if ready.rows.thin:
        raise ModelContractError(ready.rows.thin)
    learnt_to = datetime.fromisoformat(model.trained["windows"]["calibration"]["end"])
    begins = ready.rows.split.test.start
    if learnt_to > begins:
        raise ModelContractError(
            f"{model.version} learnt from labels up to {learnt_to:%Y-%m-%d}, but the test rows begin at "
            f"{begins:%Y-%m-%d}: it would be judged on what it has seen. Load newer data first."
        )
    evaluation = do(evaluate_model, job, ready.rows, ready.features, model)
    if evaluation is None:
        raise ModelContractError(f"{model.version} is a baseline: there is nothing to evaluate.")
    return evaluation
