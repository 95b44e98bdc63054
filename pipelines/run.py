"""A whole run, from files to published scores: its steps in order, its lock, its result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from rich.console import Console

from data.errors import WarehouseBusyError
from data.lock import workspace_lock
from data.settings import Settings
from models.backtest.stored import read_shocks
from models.evaluation import EVALUATION_FILE, PREDICTIONS_FILE, Evaluation
from models.registry import Registered, RegistryUnreachableError
from models.timing.study import TIMING_FILE
from pipelines.auditing import AUDIT_FILE, GATE, audit_features, waivers_of
from pipelines.champion import Serving, choose_model, register_model
from pipelines.consuming import forecast_consumption
from pipelines.contracts import learn_renewals, settle_renewals
from pipelines.forecasting import Parts, publish_run
from pipelines.job import Job, RunResult
from pipelines.learning import (
    ROOM_FILE,
    evaluate_model,
    kept_features,
    label_and_split,
    learn_the_room,
    learn_the_timing,
    train_model,
)
from pipelines.progress import Progress
from pipelines.reporting import REPORT_FILE, write_report
from pipelines.steps import View, build_features, choose_instant, load_source
from serving.published import Published
from serving.run_id import new_run_id

__all__ = ["STEPS", "Do", "directly", "held", "new_job", "win_run", "working"]

T = TypeVar("T")

STEPS: dict[Callable[..., Any], str] = {
    load_source: "Loading and checking the source",
    choose_instant: "Choosing the instant and its calendar",
    build_features: "Building features",
    label_and_split: "Labelling snapshots and splitting them by time",
    audit_features: "Auditing rows and features for leaks",
    train_model: "Training",
    learn_the_room: "Learning who is in the room",
    learn_the_timing: "Learning when deals close",
    evaluate_model: "Evaluating out of time",
    write_report: "Writing the report",
    register_model: "Registering the model",
    choose_model: "Choosing the model that serves",
    learn_renewals: "Learning which contracts renew",
    settle_renewals: "Choosing the renewal model and scoring contracts",
    forecast_consumption: "Forecasting consumption",
    publish_run: "Scoring, forecasting and publishing",
}
"""The steps of a run in order, each with the words that a waiting user reads."""


class Do(Protocol):
    """Runs one step of a job: at once, or as an orchestrator's task."""

    def __call__(self, step: Callable[..., T], /, *given: Any) -> T:
        """The step's result; the doer adds `say`."""


def win_run(job: Job, do: Do) -> RunResult:
    """Everything from files to published scores. The caller holds the workspace under the job's run id.

    A wrong file of waivers is found before anything is loaded.
    """
    waivers_of(job)
    loaded = do(load_source, job)
    view = do(choose_instant, job)
    built = do(build_features, job, view)
    rows = do(label_and_split, job, view, built)
    audited = do(audit_features, job, view, built, rows, GATE)
    audited.check_structure()
    features = kept_features(built, audited)
    trained = do(train_model, job, view, rows, features)
    trained = do(learn_the_room, job, view, rows, trained)
    trained = do(learn_the_timing, job, rows, trained)
    evaluation = do(evaluate_model, job, rows, features, trained)
    do(write_report, job, built, rows, trained, evaluation, audited)
    registered, away = _unless_away(do, job, view, trained, evaluation, audited)
    serving = do(choose_model, job, view, rows, features, trained, evaluation, registered)
    renewals = do(settle_renewals, job, view, do(learn_renewals, job, view))
    parts = Parts(
        renewals,
        do(forecast_consumption, job, view),
        predictions=evaluation.predictions if evaluation else None,
        shocks=read_shocks(job.workspace, view.as_of),
    )
    warnings = (
        *loaded.warnings, *_audit_warnings(audited.dropped), *away, *serving.warnings, *renewals.warnings,
    )  # fmt: skip
    published = do(publish_run, job, view, built, serving.model, parts, warnings)
    result = _result(job, view, evaluation, serving, published, warnings)
    if renewals.model is None or renewals.waiting is None:
        return result
    version = renewals.model.version
    return replace(result, contracts=renewals.waiting.num_rows, renewal_model_version=version)


def directly(progress: Progress) -> Do:
    """A doer that runs each step at once, in this process."""

    def do(step: Callable[..., T], /, *given: Any) -> T:
        with progress.stage(STEPS[step]) as say:
            return step(*given, say)

    return do


def new_job(settings: Settings) -> Job:
    """A job that starts now."""
    return Job(settings, new_run_id(datetime.now(UTC)))


@contextmanager
def working(settings: Settings, verb: str, console: Console) -> Iterator[tuple[Job, Do, Progress]]:
    """A job that holds the workspace as `dealcast VERB`, a doer of its steps, and the progress told on."""
    job = new_job(settings)
    with (
        workspace_lock(
            settings.workspace,
            command=f"dealcast {verb}",
            run_id=job.run_id,
            wait_seconds=settings.lock_wait_seconds,
        ),
        Progress(console) as progress,
    ):
        yield job, directly(progress), progress


def held(job: Job, work: Callable[[Job], RunResult], progress: Progress) -> RunResult:
    """The work's result under the workspace's lock; a `skipped` one if another run keeps the workspace."""
    settings = job.settings
    try:
        with workspace_lock(
            settings.workspace,
            command="dealcast run",
            run_id=job.run_id,
            wait_seconds=settings.lock_wait_seconds,
        ):
            return work(job)
    except WarehouseBusyError as error:
        holder = error.holder
        if "run_id" not in holder:
            raise
        said = f"already running (run {holder['run_id']}, pid {holder['pid']}, since {holder['since']})"
        progress.say(said)
        return RunResult(run_id=job.run_id, status="skipped", message=said)


def _unless_away(do: Do, job: Job, *given: Any) -> tuple[Registered | None, tuple[str, ...]]:
    """The registered model; none, with a warning, if the registry is away: scores can still be made."""
    try:
        return do(register_model, job, *given), ()
    except RegistryUnreachableError as error:
        return None, (str(error),)


def _audit_warnings(dropped: tuple[str, ...]) -> tuple[str, ...]:
    if not dropped:
        return ()
    return (f"left out of training, because they know the outcome (see audit.json): {', '.join(dropped)}",)


def _result(
    job: Job,
    view: View,
    evaluation: Evaluation | None,
    serving: Serving,
    published: Published,
    warnings: tuple[str, ...],
) -> RunResult:
    document = evaluation.document if evaluation else None
    scored = published.manifest["files"]["win_scores.parquet"]["rows"]
    files = {
        "published": published.folder,
        "run": job.run_dir,
        "evaluation": job.run_dir / EVALUATION_FILE,
        "test_predictions": job.run_dir / PREDICTIONS_FILE,
        "audit": job.run_dir / AUDIT_FILE,
        "report": job.run_dir / REPORT_FILE,
        "room": job.run_dir / ROOM_FILE,
        "timing": job.run_dir / TIMING_FILE,
    }
    return RunResult(
        run_id=job.run_id,
        status="done",
        message=document["headline"] if document else serving.model.note,
        as_of=view.as_of,
        model_version=serving.model.version,
        is_baseline=serving.model.kind == "baseline",
        open_deals=scored,
        promoted=serving.promoted,
        claims_skill=evaluation.claims_skill if evaluation else None,
        metrics=document["metrics"] if document else None,
        paths={name: str(path.absolute()) if path.exists() else None for name, path in files.items()},
        warnings=warnings,
    )
