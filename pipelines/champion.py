"""The steps that settle which model serves: register the trained one, judge it, load the champion."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from features.feature import Feature
from models.arrays import FloatArray
from models.audit import AuditReport
from models.evaluation import Evaluation
from models.promotion import headline, reconcile
from models.registry import (
    CHALLENGER,
    Registered,
    RegistryUnreachableError,
    Store,
    TrainingRecord,
    mark_killed_runs,
    move_alias,
    register,
    store_at,
)
from models.win_model import WinModel
from pipelines.job import Job
from pipelines.judging import judge_version, read_champion, training_parameters
from pipelines.learning import Labelled, baseline
from pipelines.progress import Say
from pipelines.steps import View, readable

__all__ = [
    "Serving",
    "champion_or_none",
    "choose_model",
    "hindsight",
    "judge",
    "open_store",
    "register_model",
]

_AWAY: tuple[str, ...] = (
    "The registry is away: the trained model was not registered, and nothing was promoted.",
)


@dataclass(frozen=True)
class Serving:
    """The model that scores the open deals, and how it came to. promoted: None if nothing was to judge."""

    model: WinModel
    promoted: bool | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def open_store(job: Job, say: Say) -> Store:
    """The registry, with what killed runs left in it put in order.

    Raises RegistryUnreachableError if it does not answer.
    """
    store = _store(job)
    for killed in mark_killed_runs(store):
        say(f"run {killed} had been killed; marked so")
    done = reconcile(store, at=job.now, run_id=job.run_id)
    if done:
        say(done)
    return store


def register_model(
    job: Job, view: View, model: WinModel, evaluation: Evaluation | None, audited: AuditReport, say: Say
) -> Registered | None:
    """Log the run and register the model as the challenger; None for a baseline, which is not registered."""
    if evaluation is None:
        return None
    store = open_store(job, say)
    say("logging the run")
    model = model.with_metrics(headline(evaluation))
    folder = model.save(job.workspace / "models" / model.version)
    registered = register(
        store,
        TrainingRecord(
            run_id=job.run_id,
            model_version=model.version,
            model_dir=folder,
            parameters={
                "step_days": view.step_days,
                "max_snapshots": job.settings.max_snapshots,
                **training_parameters(job, view, model, audited),
            },
            evaluation=evaluation.document,
            data_fingerprint=view.data_version,
            artifacts={"evaluation": tuple(sorted(path for path in job.run_dir.iterdir() if path.is_file()))},
        ),
    )
    move_alias(store, CHALLENGER, registered.version)
    return registered


def choose_model(
    job: Job, view: View, rows: Labelled, features: tuple[Feature, ...], model: WinModel,
    evaluation: Evaluation | None, registered: Registered | None, say: Say,
) -> Serving:  # fmt: skip
    """Promote the trained model if it passes the gate, and return the champion.

    Without a champion, every deal gets the baseline: skill that was not shown is not claimed. With the
    registry away, the last verified champion serves.
    """
    if evaluation is None:
        return Serving(model, None, (), (model.note,))
    promoted, reasons = False, _AWAY
    if registered is None:
        champion, warnings = champion_or_none(job)
    else:
        promoted, reasons = _judged(job, rows, model, evaluation, registered)
        say(" ".join(reasons))
        if promoted:
            return Serving(model, True, reasons)
        champion, warnings = champion_or_none(job)
    if champion is not None:
        return Serving(champion, False, reasons, (*warnings, *hindsight(champion, view.as_of)))
    why = f"no model has earned promotion: {' '.join(reasons)} Every deal gets a baseline score."
    return Serving(baseline(view, rows, features, why), False, reasons, (*warnings, why))


def champion_or_none(job: Job) -> tuple[WinModel | None, tuple[str, ...]]:
    """The champion from its verified copy, with a warning if the registry is away.

    None if there is none, or, with a warning, if another version of dealcast wrote it.
    """
    return read_champion(_store(job), WinModel.load, "champion")


def hindsight(model: WinModel, as_of: datetime) -> tuple[str, ...]:
    """A warning, where a model that is to score deals or contracts learnt from after as_of."""
    until = model.trained.get("as_of")
    if until is None or datetime.fromisoformat(until) <= as_of:
        return ()
    return (
        f"{model.version} learnt from what was known up to {datetime.fromisoformat(until):%Y-%m-%d}, after "
        f"{as_of:%Y-%m-%d}: its scores know more than was known then. `dealcast forecast --as-of` learns "
        "anew.",
    )


def _judged(
    job: Job, rows: Labelled, model: WinModel, evaluation: Evaluation, registered: Registered
) -> tuple[bool, tuple[str, ...]]:
    """The verdict; with the registry away half way, none, and the next start puts it in order."""
    try:
        return judge(job, rows, model, evaluation, registered.version)
    except RegistryUnreachableError as error:
        return False, (str(error),)


def judge(
    job: Job, rows: Labelled, model: WinModel, evaluation: Evaluation, version: str
) -> tuple[bool, tuple[str, ...]]:
    """Hold a registered version against the champion on the same test rows; make it champion if it wins.

    Returns whether it was promoted, and why. Raises RegistryUnreachableError if the registry is away.
    """
    test = rows.frame.filter(pa.array(rows.split.test.known))

    def champion_p(folder: Path) -> FloatArray:
        champion = WinModel.load(folder)
        return champion.p_win(readable(test, champion))

    return judge_version(job, _store(job), version, model, evaluation, test, champion_p)


def _store(job: Job) -> Store:
    return store_at(job.workspace, tracking_uri=job.settings.mlflow_tracking_uri)
