"""The steps of a run on contracts: build, label, audit, train, evaluate, register, choose, score.

Plain functions like those in `pipelines.learning` and `pipelines.champion`, in the order in which they are
called. Where no contract was ever decided, `build_renewals` gives None and the rest is left out.
"""

from dataclasses import dataclass
from datetime import timedelta

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from data.warehouse import open_warehouse
from features.families.custom import custom_fields
from features.feature import Feature
from features.renewals import contract_snapshots, renewal_catalogue, renewal_frame
from models.arrays import BoolArray, known_outcomes
from models.audit import AuditReport, audit
from models.audit.shuffled import shuffled_labels
from models.audit.structure import structure_results
from models.censoring import window_weights
from models.evaluation import Evaluation
from models.renewal import (
    AccountSplit,
    RenewalModel,
    account_split,
    baseline_renewal,
    evaluate_renewal,
    fit_renewal_baselines,
    renewal_labels,
    train_renewal,
    write_renewal_evaluation,
)
from models.renewal.account_overlap import account_overlap
from pipelines.auditing import waivers_of
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.steps import View, published_before, readable
from serving.contract_facts import contract_facts
from serving.renewal_scoring import renewal_tables
from serving.renewals import SCORES, has_renewals

__all__ = [
    "RENEWAL_AUDIT_FILE",
    "RenewalRows",
    "RenewalsBuilt",
    "audit_renewals",
    "build_renewals",
    "evaluate_renewals",
    "kept_renewal_features",
    "label_renewals",
    "renewal_baseline",
    "score_renewals",
    "train_renewals",
]

RENEWAL_AUDIT_FILE = "renewal_audit.json"


@dataclass(frozen=True)
class RenewalsBuilt:
    """The catalogue of renewals and their feature frame: `past` snapshots, contracts `waiting` at as_of.

    renewed, churned: contracts decided before as_of.
    """

    features: tuple[Feature, ...]
    past: pa.Table
    waiting: pa.Table
    renewed: int
    churned: int


@dataclass(frozen=True)
class RenewalRows:
    """Past snapshots with their labels and split; `thin` says why no model can be learnt, if so."""

    frame: pa.Table
    split: AccountSplit
    thin: str | None


def build_renewals(job: Job, view: View, origins: pa.Table | None, say: Say) -> RenewalsBuilt | None:
    """The features of every contract before its term, and of those waiting at as_of.

    origins: `features.origin.contract_origins`, None where deals are not known. None, said in words, where no
    contract was decided before as_of: there is nothing to learn from, and a guess would look like a score.
    """
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        contracts = tables["contracts"]
        decided = contracts.filter(contracts.decided_at < view.as_of)
        counts = decided.agg(
            renewed=decided.count(where=decided.outcome == "renewed"),
            churned=decided.count(where=decided.outcome == "churned"),
        ).to_pyarrow()
        renewed, churned = (int(counts[name][0].as_py()) for name in ("renewed", "churned"))
        if not renewed + churned:
            say("no contract was decided before as_of: renewals are left out")
            return None
        snapshots = contract_snapshots(tables, view.as_of, overdue_days=job.settings.overdue_days)
        features = renewal_catalogue(custom_fields(tables, view.as_of))
        frame = renewal_frame(warehouse.con, tables, snapshots, features, origins, say)
    now = pc.equal(frame["as_of"], pa.scalar(view.as_of, frame["as_of"].type))
    past, waiting = frame.filter(pc.invert(now)), frame.filter(now)
    say(f"{past.num_rows:,} snapshots of contracts, {waiting.num_rows:,} contracts wait for their renewal")
    return RenewalsBuilt(features, past, waiting, renewed, churned)


def label_renewals(job: Job, view: View, built: RenewalsBuilt, say: Say) -> RenewalRows:
    """Label the past snapshots by what was known at as_of, and split them by time and account."""
    settings = job.settings
    with open_warehouse(job.workspace) as warehouse:
        labels = renewal_labels(warehouse.tables(view.as_of)["contracts"], built.past, view.as_of)
    split = account_split(
        labels,
        as_of=view.as_of,
        step_days=view.step_days,
        embargo_days=settings.embargo_days or None,
        seed=settings.seed,
    )
    say(f"{split.moved:,} accounts lay in several windows and were put into one by lot")
    return RenewalRows(built.past, split, _thin(built, split, settings.min_closed_per_outcome))


def audit_renewals(job: Job, view: View, built: RenewalsBuilt, rows: RenewalRows, say: Say) -> AuditReport:
    """Check the rows and features of contracts for what they should not know; write renewal_audit.json.

    Values are judged on training rows alone. Raises UsageError if the file of waivers is wrong; the caller
    decides what a structural failure stops (`AuditReport.check_structure`).
    """
    settings, split = job.settings, rows.split.split
    train = split.train.known
    frame, y = rows.frame.filter(pa.array(train)), known_outcomes(rows.split.labels)[train]
    found = audit(
        frame,
        y,
        weight=window_weights(rows.split.labels, split.train)[train],
        features=built.features,
        open_frame=built.waiting,
        max_auc=settings.audit_max_auc,
        max_fill_jump=settings.audit_max_fill_jump,
        allow=settings.audit_allow,
        closed_frame=rows.frame.filter(rows.split.labels["y"].is_valid()),
        waivers=waivers_of(job),
    )
    kept = [one for one in built.features if one.name not in found.dropped]
    say(f"{found.checked} features of contracts checked, {len(found.dropped)} left out; shuffling labels")
    report = AuditReport(
        found.findings,
        found.checked,
        found.notes,
        (
            *found.results,
            *structure_results(rows.split.labels, split, embargo=_embargo(job, view)),
            account_overlap(rows.split),
            shuffled_labels(frame, y, features=kept, seed=settings.seed),
        ),
        found.waivers,
    )
    (job.run_dir / RENEWAL_AUDIT_FILE).write_bytes(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2))
    return report


def kept_renewal_features(built: RenewalsBuilt, report: AuditReport) -> tuple[Feature, ...]:
    """The catalogue without what the audit dropped."""
    return tuple(feature for feature in built.features if feature.name not in report.dropped)


def train_renewals(job: Job, rows: RenewalRows, features: tuple[Feature, ...], say: Say) -> RenewalModel:
    """A calibrated renewal model on the given features; the baseline where data is too thin."""
    if rows.thin:
        say(rows.thin)
        return renewal_baseline(job, rows, features, rows.thin)
    return train_renewal(
        rows.frame,
        rows.split,
        features,
        seed=job.settings.seed,
        n_trials=job.settings.n_trials,
        on_step=say,
    )


def evaluate_renewals(
    job: Job, rows: RenewalRows, features: tuple[Feature, ...], model: RenewalModel, say: Say
) -> Evaluation | None:
    """Score the model and the baselines out of time; write renewal_evaluation.json and the predictions.

    None for a baseline, which is no model and claims nothing.
    """
    if model.is_baseline:
        return None
    labels, split = rows.split.labels, rows.split.split
    fitted: BoolArray = split.train.known | split.calibration.known
    weight = window_weights(labels, split.train) + window_weights(labels, split.calibration)
    say("fitting the baselines")
    segment = job.settings.segment
    baselines = fit_renewal_baselines(
        rows.frame.filter(pa.array(fitted)),
        known_outcomes(labels)[fitted],
        weight=weight[fitted],
        features=features,
        # a user's own field of accounts stands in the frame under its table's name
        segment=segment if segment in rows.frame.column_names else f"accounts_{segment}",
    )
    say("scoring the test rows")
    evaluation = evaluate_renewal(
        rows.frame, rows.split, model=model, baselines=baselines, seed=job.settings.seed
    )
    write_renewal_evaluation(evaluation, job.run_dir)
    return evaluation


def renewal_baseline(job: Job, rows: RenewalRows, features: tuple[Feature, ...], reason: str) -> RenewalModel:
    """One rate for every contract, with the reason as its note."""
    return baseline_renewal(rows.frame, rows.split, features, reason=reason, seed=job.settings.seed)


def score_renewals(
    job: Job, view: View, built: RenewalsBuilt, model: RenewalModel, say: Say
) -> dict[str, pa.Table]:
    """What is published about the contracts that wait for their renewal, by file name."""
    say(f"scoring {built.waiting.num_rows:,} contracts with {model.version}")
    frame = readable(built.waiting, model.chance)
    ids = frame["contract_id"].to_pylist()
    with open_warehouse(job.workspace) as warehouse:
        facts = contract_facts(warehouse.tables(view.as_of), view.as_of, ids, job.settings.segment)
    return renewal_tables(
        model,
        frame,
        facts=facts,
        features={feature.name: feature for feature in built.features},
        as_of=view.as_of,
        before=_scores_before(job, view),
    )


def _scores_before(job: Job, view: View) -> dict[str, float]:
    """The probabilities of the run published before, by contract."""
    published = published_before(job.workspace, view.as_of)
    if published is None or not has_renewals(published):
        return {}
    scores = published.table(SCORES)
    return dict(zip(scores["contract_id"].to_pylist(), scores["p_renew"].to_pylist(), strict=True))


def _embargo(job: Job, view: View) -> timedelta:
    return timedelta(days=job.settings.embargo_days or view.step_days)


def _thin(built: RenewalsBuilt, split: AccountSplit, needed: int) -> str | None:
    """Why there is too little to learn from, in words; None if there is enough."""
    if min(built.renewed, built.churned) < needed:
        return (
            f"not enough decided contracts ({built.renewed} renewed, {built.churned} churned; {needed} "
            "of each are needed): every contract gets a baseline score, the share renewed so far."
        )
    if split.split.thin:
        return f"not enough decided contracts to train, calibrate and test out of time. {split.split.thin}"
    return None
