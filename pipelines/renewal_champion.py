"""The steps that settle which renewal model serves: register the trained one, judge it, load the champion.

What `pipelines.champion` does for win models, in the same registry under the name "renewal".
"""

from dataclasses import dataclass
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
    move_alias,
    register,
    store_at,
)
from models.renewal import RenewalModel
from pipelines.champion import hindsight
from pipelines.job import Job
from pipelines.judging import judge_version, read_champion, training_parameters
from pipelines.progress import Say
from pipelines.renewing import RenewalRows, renewal_baseline
from pipelines.steps import View, readable

__all__ = ["RenewalServing", "choose_renewals", "register_renewals", "renewal_champion", "renewal_store"]

_AWAY: tuple[str, ...] = (
    "The registry is away: the trained renewal model was not registered, and nothing was promoted.",
)


@dataclass(frozen=True)
class RenewalServing:
    """The model that scores contracts, and how it came to. promoted: None if nothing was to judge."""

    model: RenewalModel
    promoted: bool | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def renewal_store(job: Job) -> Store:
    """Where renewal models are registered."""
    return store_at(job.workspace, tracking_uri=job.settings.mlflow_tracking_uri, name="renewal")


def register_renewals(
    job: Job, view: View, model: RenewalModel, evaluation: Evaluation | None, audited: AuditReport, say: Say
) -> Registered | None:
    """Log the training and register the model as the challenger; None for a baseline.

    Raises RegistryUnreachableError if the registry does not answer.
    """
    if evaluation is None:
        return None
    store = renewal_store(job)
    done = reconcile(store, at=job.now, run_id=job.run_id)
    if done:
        say(done)
    say("logging the renewal model")
    model = model.with_metrics(headline(evaluation))
    folder = model.save(store.workspace / "models" / model.version)
    registered = register(
        store,
        TrainingRecord(
            run_id=job.run_id,
            model_version=model.version,
            model_dir=folder,
            parameters={
                "subject": "renewal",
                "ratio": model.ratio.kind,
                **training_parameters(job, view, model.chance, audited),
            },
            evaluation=evaluation.document,
            data_fingerprint=view.data_version,
            artifacts={"evaluation": tuple(sorted(job.run_dir.glob("renewal_*.*")))},
        ),
    )
    move_alias(store, CHALLENGER, registered.version)
    return registered


def choose_renewals(
    job: Job, rows: RenewalRows, features: tuple[Feature, ...], model: RenewalModel,
    evaluation: Evaluation | None, registered: Registered | None, say: Say,
) -> RenewalServing:  # fmt: skip
    """Promote the trained model if it passes the gate, and return the champion.

    Without a champion every contract gets the baseline: skill that was not shown is not claimed. With the
    registry away, the last verified champion serves.
    """
    if evaluation is None:
        return RenewalServing(model, None, (), (f"renewals: {model.note}",))
    promoted, reasons = False, _AWAY
    if registered is not None:
        try:
            promoted, reasons = _judge(job, rows, model, evaluation, registered.version)
        except RegistryUnreachableError as error:
            reasons = (str(error),)
        say(" ".join(reasons))
        if promoted:
            return RenewalServing(model, True, reasons)
    champion, warnings = renewal_champion(job)
    if champion is not None:
        later = hindsight(champion.chance, rows.split.split.as_of)
        return RenewalServing(champion, False, reasons, (*warnings, *later))
    why = f"no renewal model has earned promotion: {' '.join(reasons)} Every contract gets a baseline score."
    return RenewalServing(renewal_baseline(job, rows, features, why), False, reasons, (*warnings, why))


def renewal_champion(job: Job) -> tuple[RenewalModel | None, tuple[str, ...]]:
    """The champion from its verified copy, with a warning if the registry is away; None if there is none."""
    return read_champion(renewal_store(job), RenewalModel.load, "renewal champion")


def _judge(
    job: Job, rows: RenewalRows, model: RenewalModel, evaluation: Evaluation, version: str
) -> tuple[bool, tuple[str, ...]]:
    """Hold a registered version against the champion on the same test rows; make it champion if it wins."""
    test = rows.frame.filter(pa.array(rows.split.split.test.known))

    def champion_p(folder: Path) -> FloatArray:
        champion = RenewalModel.load(folder)
        return champion.p_renew(readable(test, champion.chance))

    return judge_version(job, renewal_store(job), version, model.chance, evaluation, test, champion_p)
