"""Renewals on exports that nobody here made: what is found, and that no more than that is claimed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from data.settings import Settings
from models.audit import AuditReport
from models.evaluation import Evaluation
from pipelines.progress import silent
from pipelines.renewal_champion import RenewalServing, choose_renewals, register_renewals
from pipelines.renewing import (
    audit_renewals,
    build_renewals,
    evaluate_renewals,
    kept_renewal_features,
    label_renewals,
    score_renewals,
    train_renewals,
)
from pipelines.run import new_job
from pipelines.steps import choose_instant, load_source
from serving.renewals import FEATURES, SCORES
from tests.e2e.telco import FIELDS, telco_source

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not beside this checkout"),
]


@dataclass(frozen=True)
class Found:
    audited: AuditReport
    evaluation: Evaluation
    serving: RenewalServing
    tables: dict[str, pa.Table]

    @property
    def document(self) -> dict[str, Any]:
        return self.evaluation.document


def renewed(source: Path, mapping: str, workspace: Path) -> Found:
    """The steps on contracts in their order, without deals."""
    job = new_job(Settings(source=source, mapping=mapping, workspace=workspace, signals="off", n_trials=0))
    load_source(job, silent)
    view = choose_instant(job, silent)
    built = build_renewals(job, view, None, silent)
    assert built is not None
    rows = label_renewals(job, view, built, silent)
    audited = audit_renewals(job, view, built, rows, silent)
    audited.check_structure()
    features = kept_renewal_features(built, audited)
    model = train_renewals(job, rows, features, silent)
    evaluation = evaluate_renewals(job, rows, features, model, silent)
    assert evaluation is not None
    registered = register_renewals(job, view, model, evaluation, audited, silent)
    serving = choose_renewals(job, rows, features, model, evaluation, registered, silent)
    return Found(audited, evaluation, serving, score_renewals(job, view, built, serving.model, silent))


def test_ravenstacks_churn_is_noise_but_for_the_days_left_and_nothing_is_claimed(tmp_path: Path) -> None:
    """What is left of a quarter tells how likely it is to end early; nothing else does, use included."""
    found = renewed(SHARED / "ravenstack_saas", "ravenstack", tmp_path)
    document = found.document
    assert document["test"]["churned"] > 50
    assert not document["claims_skill"]
    assert "no skill" in document["headline"].lower()
    low = document["versus"]["horizon_rate"]["log_loss_difference_interval"][0]
    assert low < 0
    for horizon in document["by_horizon"]:
        assert horizon["metrics"]["renewal"]["auc_interval"][0] < 0.55
    assert found.serving.model.is_baseline
    scores = found.tables[SCORES]
    assert scores.num_rows > 4000
    assert "no renewal model has earned promotion" in scores["evidence"][0].as_py()


def test_telco_churn_is_told_from_own_fields_as_well_as_by_logistic_regression(tmp_path: Path) -> None:
    source = telco_source(SHARED / "ibm_telco_churn" / "Telco-Customer-Churn.csv.gz", tmp_path / "source")
    found = renewed(source, "canonical", tmp_path / "workspace")
    metrics, versus = found.document["metrics"], found.document["versus"]
    assert found.audited.dropped == ()
    assert {f"contracts_x_{name.lower()}" for name in FIELDS} <= set(found.tables[FEATURES].column_names)
    assert found.document["claims_skill"]
    assert metrics["renewal"]["auc"] > 0.82
    assert metrics["renewal"]["auc"] > metrics["logistic"]["auc"] - 0.01
    low, high = versus["logistic"]["log_loss_difference_interval"]
    assert -0.01 < low < high < 0.03
    assert found.serving.promoted
    assert found.serving.model.version.startswith("renewal-")
