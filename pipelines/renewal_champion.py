"""The steps that settle which renewal model serves: register the trained one, judge it, load the champion.

What `pipelines.champion` does for win models, in the same registry under the name "renewal".
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.audit import AuditReport
from models.evaluation import Evaluation
from models.promotion import decide, headline, promote, reconcile, reject
from models.registry import (
    CHALLENGER,
    CHAMPION,
    Registered,
    RegistryUnreachableError,
    Store,
    TrainingRecord,
    alias_version,
    fetch,
    load_champion,
    move_alias,
    register,
    store_at,
)
from models.renewal import RenewalModel
from models.win_model import OtherFormatError
from pipelines.champion import hindsight
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.renewing import RENEWAL_AUDIT_FILE, RenewalRows, renewal_baseline
from pipelines.steps import View, readable

__all__ = ["RenewalServing", "choose_renewals", "register_renewals", "renewal_champion", "renewal_store"]

_TIMED_ROWS = 500
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
    files = [job.run_dir / RENEWAL_AUDIT_FILE, *sorted(job.run_dir.glob("renewal_*.*"))]
    registered = register(
        store,
        TrainingRecord(
            run_id=job.run_id,
            model_version=model.version,
            model_dir=folder,
            parameters=_parameters(job, view, model, audited),
            evaluation=evaluation.document,
            data_fingerprint=view.data_version,
            artifacts={"evaluation": tuple(dict.fromkeys(path for path in files if path.is_file()))},
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
    try:
        found = load_champion(renewal_store(job))
    except RegistryUnreachableError as error:
        return None, (str(error),)
    if found is None:
        return None, ()
    try:
        model = RenewalModel.load(found.folder)
    except OtherFormatError as error:
        return None, (f"The renewal champion cannot be read, so it does not serve: {error}",)
    return model, (found.degraded,) if found.degraded else ()


def _judge(
    job: Job, rows: RenewalRows, model: RenewalModel, evaluation: Evaluation, version: str
) -> tuple[bool, tuple[str, ...]]:
    """Hold a registered version against the champion on the same test rows; make it champion if it wins."""
    store = renewal_store(job)
    current = alias_version(store, CHAMPION)
    test = rows.frame.filter(pa.array(rows.split.split.test.known))
    champion_p = None
    if current is not None:
        # a champion of another format cannot be compared with: the trained model then stands for itself
        with suppress(OtherFormatError):
            champion = RenewalModel.load(fetch(store, current).folder)
            champion_p = champion.p_renew(readable(test, champion.chance))
    gap, seconds = _guard_figures(model, test)
    decision = decide(
        evaluation,
        champion_p=champion_p,
        additivity_gap=gap,
        seconds_per_row=seconds,
        seed=job.settings.seed,
    )
    note_it = partial(
        promote if decision.promote else reject,
        store,
        version,
        reasons=decision.reasons,
        headline=headline(evaluation),
        run_id=job.run_id,
        at=job.now,
    )
    if decision.promote:
        note_it(expected_champion=current)
    else:
        note_it()
    return decision.promote, decision.reasons


def _guard_figures(model: RenewalModel, frame: pa.Table) -> tuple[float, float]:
    """The largest gap between explanations and log-odds, and seconds to score and explain a row."""
    few = frame.slice(0, _TIMED_ROWS)
    if not few.num_rows:
        return 0.0, 0.0
    started = time.perf_counter()
    base, parts = model.chance.contributions(few)
    seconds = (time.perf_counter() - started) / few.num_rows
    return float(np.abs(base + parts.sum(axis=1) - model.chance.log_odds(few)).max()), seconds


def _parameters(job: Job, view: View, model: RenewalModel, audited: AuditReport) -> dict[str, Any]:
    """What decided the model, as plain values."""
    chance, settings = model.chance, job.settings
    return {
        "subject": "renewal",
        "as_of": view.as_of.isoformat(),
        "mapping": settings.mapping,
        "seed": settings.seed,
        "n_trials": settings.n_trials,
        "features": len(chance.feature_names),
        "audit_dropped": ", ".join(audited.dropped),
        "audit_waived": ", ".join(audited.waived),
        "ratio": model.ratio.kind,
        **{name: chance.trained[name] for name in ("deal_power", "rounds")},
        **{f"shape.{name}": value for name, value in chance.trained["shape"].items()},
    }
