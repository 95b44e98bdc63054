"""The evaluation of renewals: computed from its own predictions, by account, and never oversold."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.arrays import known_outcomes
from models.audit.structure import structure_results
from models.baselines import column_numbers
from models.censoring import window_weights
from models.evaluation import Evaluation
from models.metrics import Resampling, auc, log_loss, row_log_loss
from models.promotion import decide, headline
from models.renewal import (
    AccountSplit,
    RenewalModel,
    account_split,
    evaluate_renewal,
    fit_renewal_baselines,
    renewal_labels,
    train_renewal,
    write_renewal_evaluation,
)
from models.renewal.bands import UseBands
from models.renewal.baselines import RENEWAL_BASELINES
from models.renewal.evaluation import _headline, _unbeaten
from tests.models.renewal_world import DAY, RenewalWorld, make_renewals


@cache
def evaluated(
    accounts: int = 300, seed: int = 1, signal: float = 1.6
) -> tuple[RenewalWorld, AccountSplit, RenewalModel, Evaluation]:
    world = make_renewals(accounts, seed, signal=signal)
    rows = account_split(renewal_labels(world.contracts, world.frame, world.as_of), as_of=world.as_of)
    model = train_renewal(world.frame, rows, world.features, seed=3, n_trials=0)
    fitted = rows.split.train.known | rows.split.calibration.known
    weight = window_weights(rows.labels, rows.split.train) + window_weights(
        rows.labels, rows.split.calibration
    )
    baselines = fit_renewal_baselines(
        world.frame.filter(pa.array(fitted)),
        known_outcomes(rows.labels)[fitted],
        weight=weight[fitted],
        features=world.features,
    )
    return world, rows, model, evaluate_renewal(world.frame, rows, model=model, baselines=baselines)


def test_the_figures_are_those_of_the_predictions_beside_it() -> None:
    _, rows, _, evaluation = evaluated()
    table, metrics = evaluation.predictions, evaluation.document["metrics"]
    assert table.num_rows == rows.split.test.known.sum()
    y, weight = (column_numbers(table, name) for name in ("y", "weight"))
    for name, column in (("renewal", "p_renew"), ("base_rate", "base_rate"), ("logistic", "logistic")):
        p = column_numbers(table, column)
        assert metrics[name]["auc"] == pytest.approx(auc(y, p, weight))
        assert metrics[name]["log_loss"] == pytest.approx(log_loss(y, p, weight))
    assert {"contract_id", "as_of", "account_id", "segment_rate"} <= set(table.column_names)


def test_a_model_that_knows_something_claims_it_with_the_gain() -> None:
    *_, evaluation = evaluated(700, 2)
    document = evaluation.document
    assert document["metrics"]["renewal"]["log_loss"] < document["metrics"]["base_rate"]["log_loss"]
    assert document["versus"]["base_rate"]["log_loss_difference_lower_bound"] > 0
    assert "below that of the base rate" in document["headline"]
    versus = document["versus"]
    bounds = [versus[name]["log_loss_difference_lower_bound"] for name in ("base_rate", "horizon_rate")]
    assert document["claims_skill"] == (min(bounds) > 0 and versus["segment_rate"]["log_loss_difference"] > 0)


def rated(base: float, horizon: float, segment: float, ahead: float) -> dict[str, dict[str, float]]:
    """What a model gains on each rate: the lower bound, and for the rate by use also the mean."""
    bounds = {"base_rate": base, "horizon_rate": horizon, "segment_rate": segment}
    return {
        name: {
            "log_loss_difference": ahead if name == "segment_rate" else 0.1,
            "log_loss_difference_lower_bound": bound,
        }
        for name, bound in bounds.items()
    }


def test_it_is_enough_not_to_be_behind_the_rate_by_use_and_the_headline_says_so() -> None:
    metrics = {"renewal": {"log_loss": 0.5}, "base_rate": {"log_loss": 0.6}}
    ahead = rated(0.02, 0.02, -0.01, 0.01)
    assert _unbeaten(ahead) == []
    assert "it is ahead, but within noise" in _headline(metrics, ahead, skill=True)
    clearly = rated(0.02, 0.02, 0.01, 0.02)
    assert "by segment and use too, by more than noise" in _headline(metrics, clearly, skill=True)
    assert _unbeaten(rated(0.02, 0.02, -0.03, -0.01)) == ["segment_rate"]
    assert _unbeaten(rated(0.02, -0.01, 0.01, 0.02)) == ["horizon_rate"]


def test_noise_is_not_sold_as_skill() -> None:
    *_, evaluation = evaluated(300, 4, 0.0)
    assert not evaluation.claims_skill
    assert evaluation.document["headline"].startswith("No skill beyond the base rate is shown")
    verdict = decide(evaluation, champion_p=None, additivity_gap=0.0, seconds_per_row=0.0)
    assert not verdict.promote


def test_each_horizon_is_scored_beside_its_baselines() -> None:
    *_, evaluation = evaluated()
    horizons = evaluation.document["by_horizon"]
    assert [one["days_left"] for one in horizons] == [180, 120, 90, 60, 30]
    assert sum(one["rows"] for one in horizons) == evaluation.predictions.num_rows
    for one in horizons:
        assert set(one["metrics"]) == {"renewal", *RENEWAL_BASELINES}


def test_intervals_draw_whole_accounts() -> None:
    *_, evaluation = evaluated()
    table = evaluation.predictions
    y, weight, p = (column_numbers(table, name) for name in ("y", "weight", "p_renew"))
    accounts = np.array(table["account_id"].to_pylist())
    assert len(set(accounts)) < table.num_rows / 2
    drawn = Resampling.over(accounts, replicates=300, seed=0).means(row_log_loss(y, p), weight)
    found = evaluation.document["metrics"]["renewal"]["log_loss_interval"]
    assert found == pytest.approx(np.quantile(drawn, (0.025, 0.975)).tolist())
    rows = Resampling.over(np.arange(table.num_rows), replicates=300, seed=0)
    narrow = np.ptp(np.quantile(rows.means(row_log_loss(y, p), weight), (0.025, 0.975)))
    assert found[1] - found[0] > narrow


def test_the_ratio_is_held_against_one_and_the_median_and_its_interval_is_checked() -> None:
    *_, evaluation = evaluated(700, 2)
    ratio = evaluation.document["ratio"]
    assert ratio["if_renewed"]["saved_against_one"]["value"] > 0
    assert 0.68 < ratio["if_renewed"]["within_interval"]["value"] < 0.92
    expected, actual = (ratio["with_churn"][name]["value"] for name in ("expected", "actual"))
    assert expected == pytest.approx(actual, abs=0.15)


def test_the_gate_of_promotion_reads_it() -> None:
    *_, evaluation = evaluated(700, 2)
    assert set(headline(evaluation)) == {"auc", "log_loss", "brier", "ece", "test_rows", "claims_skill"}
    same = decide(evaluation, champion_p=evaluation.probabilities, additivity_gap=0.0, seconds_per_row=0.0)
    assert not same.promote
    worse = np.full(evaluation.predictions.num_rows, 0.5)
    better = decide(evaluation, champion_p=worse, additivity_gap=0.0, seconds_per_row=0.0)
    assert better.promote == evaluation.claims_skill
    broken = decide(evaluation, champion_p=None, additivity_gap=1.0, seconds_per_row=0.0)
    assert "miss the log-odds" in broken.reasons[0]


def test_the_document_is_written_beside_its_predictions(tmp_path: Path) -> None:
    *_, evaluation = evaluated()
    document, predictions = write_renewal_evaluation(evaluation, tmp_path)
    assert document.name == "renewal_evaluation.json"
    assert json.loads(document.read_text())["model_version"] == evaluation.document["model_version"]
    assert pq.read_table(predictions).equals(evaluation.predictions)


def test_the_segment_rate_is_pulled_towards_its_band() -> None:
    """Four bands of use; one segment's only row in a band renewed: 1 of 1, pulled by 20 rows of its band."""
    use = [float(i) for i in range(40)]
    industry = ["energy"] * 39 + ["health"]
    y = np.array([0.0] * 20 + [1.0] * 20)
    frame = pa.table({"burn_ratio": use, "industry": industry})
    baselines = fit_renewal_baselines(frame, y, weight=np.ones(40), features=())
    rates = baselines.predict(frame)["segment_rate"]
    top = (10 + 20 * 0.5) / (10 + 20)
    assert rates[39] == pytest.approx((1 + 20 * top) / (1 + 20))
    assert rates[0] < rates[38]
    unseen = baselines.predict(pa.table({"burn_ratio": [39.0], "industry": ["mining"]}))["segment_rate"]
    assert unseen == pytest.approx([top])


def test_the_horizon_rate_is_the_share_renewed_by_days_left() -> None:
    """At 180 days 10 of 20 renewed, at 30 days 20 of 20; each pulled by 20 rows of the base rate, 0.75."""
    left = [180.0] * 20 + [30.0] * 20
    y = np.array([1.0, 0.0] * 10 + [1.0] * 20)
    baselines = fit_renewal_baselines(pa.table({"days_to_term": left}), y, weight=np.ones(40), features=())
    rates = baselines.predict(pa.table({"days_to_term": pa.array([175.0, 31.0, 60.0, None])}))["horizon_rate"]
    assert rates == pytest.approx([(10 + 15) / 40, (20 + 15) / 40, 0.75, 0.75])


def test_no_skill_is_claimed_that_the_days_left_alone_give() -> None:
    """Outcomes drawn by the days left alone: a model may beat the base rate so, and claims nothing for it."""
    world, rows, *_ = evaluated(700, 2)
    known = rows.labels["y"].is_valid().to_numpy()
    late = column_numbers(world.frame, "days_to_term") < 100
    drawn = np.random.default_rng(5).random(late.size) < np.where(late, 0.95, 0.5)
    labels = rows.labels.set_column(3, "y", pa.array(drawn.astype(np.int8), mask=~known))
    rows = replace(rows, labels=labels)
    model = train_renewal(world.frame, rows, world.features, seed=1, n_trials=0)
    fitted = rows.split.train.known
    baselines = fit_renewal_baselines(
        world.frame.filter(pa.array(fitted)),
        drawn[fitted].astype(float),
        weight=window_weights(labels, rows.split.train)[fitted],
        features=world.features,
    )
    found = evaluate_renewal(world.frame, rows, model=model, baselines=baselines)
    assert found.document["versus"]["base_rate"]["log_loss_difference_lower_bound"] > 0
    assert not found.claims_skill
    assert "no skill beyond the rate by days left" in found.document["headline"]


def test_bands_take_the_first_column_of_use_that_says_anything() -> None:
    frame = pa.table({"burn_ratio": pa.nulls(4, pa.float64()), "use_per_month": [1.0, 2.0, 3.0, 4.0]})
    bands = UseBands.fit(frame)
    assert bands.column == "use_per_month"
    assert bands.of(frame).tolist() == [0, 1, 2, 3]
    assert bands.of(pa.table({"use_per_month": pa.array([None, 9.0])})).tolist() == [4, 3]
    assert UseBands.fit(pa.table({"a": [1]})).of(pa.table({"a": [1, 2]})).tolist() == [1, 1]


def test_the_audit_of_structure_reads_contracts() -> None:
    _, rows, *_ = evaluated()
    results = structure_results(rows.labels, rows.split, embargo=7 * DAY)
    assert {result.verdict for result in results} <= {"passed", "not applicable"}
