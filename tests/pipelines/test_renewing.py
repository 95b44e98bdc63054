"""The steps of a run on contracts: what they leave behind, whom they promote, when they stand aside."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data.settings import Settings
from data.simulator import simulate
from models.audit import AuditReport
from models.evaluation import Evaluation
from models.ledger import read_ledger
from models.promotion import ledger_path
from models.registry import CHALLENGER, CHAMPION, Registered, alias_version, store_at
from models.renewal import RenewalModel
from pipelines.job import Job
from pipelines.progress import silent
from pipelines.renewal_champion import choose_renewals, register_renewals, renewal_champion, renewal_store
from pipelines.renewing import (
    RENEWAL_AUDIT_FILE,
    RenewalRows,
    RenewalsBuilt,
    audit_renewals,
    build_renewals,
    evaluate_renewals,
    kept_renewal_features,
    label_renewals,
    score_renewals,
    train_renewals,
)
from pipelines.run import new_job
from pipelines.steps import View, choose_instant, load_source
from serving.renewals import SCORES

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Steps:
    job: Job
    view: View
    built: RenewalsBuilt
    rows: RenewalRows
    audited: AuditReport
    model: RenewalModel
    evaluation: Evaluation | None


def loaded(source: Path, workspace: Path, **settings: int) -> tuple[Job, View]:
    given = Settings(source=source, workspace=workspace, signals="off", n_trials=0, **settings)  # type: ignore[arg-type]
    job = new_job(given)
    load_source(job, silent)
    return job, choose_instant(job, silent)


def steps(source: Path, workspace: Path, **settings: int) -> Steps:
    job, view = loaded(source, workspace, **settings)
    built = build_renewals(job, view, None, silent)
    assert built is not None
    rows = label_renewals(job, view, built, silent)
    audited = audit_renewals(job, view, built, rows, silent)
    audited.check_structure()
    features = kept_renewal_features(built, audited)
    model = train_renewals(job, rows, features, silent)
    evaluation = evaluate_renewals(job, rows, features, model, silent)
    return Steps(job, view, built, rows, audited, model, evaluation)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("renewals") / "source"
    simulate(folder, deals=1200, seed=5)
    return folder


@pytest.fixture(scope="module")
def done(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    return steps(world, tmp_path_factory.mktemp("workspace"), min_closed_per_outcome=20)


def settled(done: Steps, evaluation: Evaluation) -> tuple[Registered, bool | None, RenewalModel]:
    features = kept_renewal_features(done.built, done.audited)
    registered = register_renewals(done.job, done.view, done.model, evaluation, done.audited, silent)
    assert registered is not None
    serving = choose_renewals(done.job, done.rows, features, done.model, evaluation, registered, silent)
    return registered, serving.promoted, serving.model


def test_the_run_leaves_its_audit_evaluation_and_predictions(done: Steps) -> None:
    assert done.evaluation is not None
    document = json.loads((done.job.run_dir / "renewal_evaluation.json").read_text())
    assert document["model_version"] == done.model.version
    predictions = pq.read_table(done.job.run_dir / "renewal_test_predictions.parquet")
    assert predictions.num_rows == document["test"]["rows"] > 0
    audit = json.loads((done.job.run_dir / RENEWAL_AUDIT_FILE).read_text())
    verdicts = {check["check"]: check["verdict"] for check in audit["checks"]}
    assert verdicts["account_overlap"] == verdicts["embargo"] == verdicts["deal_overlap"] == "passed"
    assert verdicts["shuffled_labels"] != "failed"
    assert done.audited.dropped == ()


def test_the_regret_is_below_that_of_the_base_rate(done: Steps, world: Path) -> None:
    """Expected log-loss under the true probabilities, so that a test window's luck does not decide."""
    assert done.evaluation is not None
    truth = pq.read_table(world.parent / "source-truth" / "contract_truth.parquet")
    found = done.evaluation.predictions
    place = pc.index_in(found["contract_id"], value_set=truth["contract_id"].combine_chunks())
    p_true = truth["p_renew"].take(place).to_numpy()
    weight = found["weight"].to_numpy()

    def expected(p: np.ndarray) -> float:
        return float(np.average(-(p_true * np.log(p) + (1 - p_true) * np.log1p(-p)), weights=weight))

    best = expected(p_true)
    model, base = (expected(found[name].to_numpy()) - best for name in ("p_renew", "base_rate"))
    assert 0 < model < base


def test_every_contract_that_waits_is_scored(done: Steps) -> None:
    tables = score_renewals(done.job, done.view, done.built, done.model, silent)
    scores = tables[SCORES]
    contracts = pq.read_table(done.job.settings.source / "contracts.parquet")  # type: ignore[operator]
    undecided = contracts.filter(pc.is_null(contracts["outcome"]))
    waiting = undecided.filter(
        pc.greater(undecided["end_at"], pa.scalar(done.view.as_of, undecided["end_at"].type))
    )
    assert set(waiting["contract_id"].to_pylist()) <= set(scores["contract_id"].to_pylist())
    assert set(scores["contract_id"].to_pylist()) <= set(undecided["contract_id"].to_pylist())
    overdue = scores.filter(scores["overdue"])
    assert all(-90 <= days <= 0 for days in overdue["days_left"].to_pylist())


def test_a_model_that_passes_the_gate_becomes_champion_under_its_own_name(done: Steps) -> None:
    """Its figures are set to passing ones: what follows from them is looked at, not the model."""
    assert done.evaluation is not None
    document = done.evaluation.document
    passing = {**document["metrics"]["renewal"], "slope": 1.0, "slope_interval": [0.9, 1.1], "ece": 0.01}
    metrics = {**document["metrics"], "renewal": passing}
    claimed = replace(done.evaluation, document={**document, "claims_skill": True, "metrics": metrics})
    registered, promoted, served = settled(done, claimed)
    store = renewal_store(done.job)
    assert promoted
    assert served.version == done.model.version
    assert alias_version(store, CHAMPION) == alias_version(store, CHALLENGER) == registered.version
    assert alias_version(store_at(done.job.workspace), CHAMPION) is None
    last = read_ledger(ledger_path(store))[-1]
    assert (last.model, last.action, last.to_version) == ("renewal", "promote", registered.version)
    champion, warnings = renewal_champion(done.job)
    assert champion is not None
    assert champion.version == done.model.version
    assert warnings == ()

    again, promoted_again, still = settled(done, claimed)
    assert not promoted_again
    assert again.version != registered.version
    assert still.version == done.model.version
    assert read_ledger(ledger_path(store))[-1].action == "reject"


def test_too_few_decided_contracts_give_one_rate_and_register_nothing(world: Path, tmp_path: Path) -> None:
    thin = steps(world, tmp_path / "workspace", min_closed_per_outcome=5000)
    assert thin.model.is_baseline
    assert "5000 of each are needed" in thin.model.note
    assert thin.evaluation is None
    registered = register_renewals(thin.job, thin.view, thin.model, None, thin.audited, silent)
    assert registered is None
    features = kept_renewal_features(thin.built, thin.audited)
    serving = choose_renewals(thin.job, thin.rows, features, thin.model, None, None, silent)
    assert serving.warnings[0].startswith("renewals: not enough decided contracts")
    scores = score_renewals(thin.job, thin.view, thin.built, serving.model, silent)[SCORES]
    assert len(set(scores["p_renew"].to_pylist())) == 1
    assert not (thin.job.run_dir / "renewal_evaluation.json").exists()


@pytest.mark.parametrize("kept", ["no contracts", "none decided"])
def test_without_a_decided_contract_renewals_are_left_out(world: Path, tmp_path: Path, kept: str) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    for file in world.glob("*.parquet"):
        if file.stem not in ("usage", "contracts"):
            (folder / file.name).write_bytes(file.read_bytes())
    if kept == "none decided":
        contracts = pq.read_table(world / "contracts.parquet")
        for name in ("outcome", "decided_at", "renewed_amount"):
            place = contracts.column_names.index(name)
            empty = pa.nulls(contracts.num_rows, contracts[name].type)
            contracts = contracts.set_column(place, name, empty)
        pq.write_table(contracts, folder / "contracts.parquet")
    job, view = loaded(folder, tmp_path / "workspace")
    said: list[str] = []
    assert build_renewals(job, view, None, said.append) is None
    assert said == ["no contract was decided before as_of: renewals are left out"]
