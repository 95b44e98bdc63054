"""Renewals within a run: learnt, judged and scored as one part, which may be left out without the rest.

A run's scores of deals do not wait for contracts: what keeps renewals from being scored is said instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import LeakageError
from features.feature import Feature
from models.audit import AuditReport
from models.evaluation import Evaluation
from models.registry import RegistryUnreachableError
from models.renewal import RenewalModel
from pipelines.champion import hindsight
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.renewal_champion import choose_renewals, register_renewals, renewal_champion
from pipelines.renewing import (
    RenewalRows,
    RenewalsBuilt,
    audit_renewals,
    build_renewals,
    evaluate_renewals,
    kept_renewal_features,
    label_renewals,
    renewal_baseline,
    score_renewals,
    train_renewals,
)
from pipelines.steps import ORIGINS_FILE, View

__all__ = [
    "LearntRenewals",
    "RenewalPart",
    "learn_renewals",
    "score_unregistered",
    "score_with_champion",
    "settle_renewals",
]

_NONE = "no contract was decided yet: renewals are not forecast"


@dataclass(frozen=True)
class LearntRenewals:
    """A trained renewal model with what it was learnt and judged on. evaluation: None for a baseline."""

    built: RenewalsBuilt
    rows: RenewalRows
    features: tuple[Feature, ...]
    audited: AuditReport
    model: RenewalModel
    evaluation: Evaluation | None


@dataclass(frozen=True)
class RenewalPart:
    """What a run publishes about contracts, by file name. notes: what is left out; warnings: what is wrong.

    waiting, model: the rows scored, in the tables' order, and by what; None where nothing was scored.
    predictions: out-of-time test predictions, None for a baseline.
    """

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    waiting: pa.Table | None = None
    model: RenewalModel | None = None
    predictions: pa.Table | None = None


def learn_renewals(job: Job, view: View, say: Say) -> LearntRenewals | str:
    """Build, label, audit, train and evaluate; or why there are no renewals, in words.

    Reads the origins of contracts that `build_features` left in the run's folder.
    """
    built = _built(job, view, say)
    if built is None:
        return _NONE
    rows = label_renewals(job, view, built, say)
    audited = audit_renewals(job, view, built, rows, say)
    try:
        audited.check_structure()
    except LeakageError as error:
        return f"renewals are left out: {error}"
    features = kept_renewal_features(built, audited)
    model = train_renewals(job, rows, features, say)
    return LearntRenewals(
        built, rows, features, audited, model, evaluate_renewals(job, rows, features, model, say)
    )


def settle_renewals(job: Job, view: View, learnt: LearntRenewals | str, say: Say) -> RenewalPart:
    """Register and judge the trained model, and score the waiting contracts with the one that serves."""
    if isinstance(learnt, str):
        return RenewalPart(notes=(learnt,), warnings=() if learnt == _NONE else (learnt,))
    away: tuple[str, ...] = ()
    try:
        registered = register_renewals(job, view, learnt.model, learnt.evaluation, learnt.audited, say)
    except RegistryUnreachableError as error:
        registered, away = None, (str(error),)
    serving = choose_renewals(
        job, learnt.rows, learnt.features, learnt.model, learnt.evaluation, registered, say
    )
    dropped = learnt.audited.dropped
    audit = (f"left out of the renewal model (see renewal_audit.json): {', '.join(dropped)}",) * bool(dropped)
    return RenewalPart(
        score_renewals(job, view, learnt.built, serving.model, say),
        warnings=(*audit, *away, *serving.warnings),
        waiting=learnt.built.waiting,
        model=serving.model,
        predictions=learnt.evaluation.predictions if learnt.evaluation else None,
    )


def score_unregistered(job: Job, view: View, learnt: LearntRenewals | str, say: Say) -> RenewalPart:
    """Score the waiting contracts with the trained model if it shows skill, else with the baseline."""
    if isinstance(learnt, str):
        return RenewalPart(notes=(learnt,))
    model, found = learnt.model, learnt.evaluation
    if found is not None and not found.claims_skill:
        model = renewal_baseline(job, learnt.rows, learnt.features, str(found.document["headline"]))
    return RenewalPart(
        score_renewals(job, view, learnt.built, model, say),
        waiting=learnt.built.waiting,
        model=model,
        predictions=found.predictions if found else None,
    )


def score_with_champion(job: Job, view: View, say: Say) -> RenewalPart:
    """Score the waiting contracts with the champion, or with the baseline where there is none."""
    built = _built(job, view, say)
    if built is None:
        return RenewalPart(notes=(_NONE,))
    model, warnings = renewal_champion(job)
    if model is None:
        rows = label_renewals(job, view, built, say)
        why = rows.thin or "no renewal model has earned promotion yet: every contract gets a baseline score."
        model, warnings = renewal_baseline(job, rows, built.features, why), (*warnings, why)
    warnings = (*warnings, *hindsight(model.chance, view.as_of))
    tables = score_renewals(job, view, built, model, say)
    return RenewalPart(tables, warnings=warnings, waiting=built.waiting, model=model)


def _built(job: Job, view: View, say: Say) -> RenewalsBuilt | None:
    origins = job.run_dir / ORIGINS_FILE
    return build_renewals(job, view, pq.read_table(origins) if origins.exists() else None, say)
