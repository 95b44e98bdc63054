"""Scores against values worked out by hand, scikit-learn, and slow loops."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from data.errors import ModelContractError
from models import metrics


def _array(*values):
    return np.array(values, dtype=np.float64)


def test_auc_counts_a_tie_as_half_and_weighs_the_pairs():
    y, p = _array(1, 0, 1, 0), _array(0.9, 0.5, 0.5, 0.1)
    # pairs: (.9 > .5), (.9 > .1), (.5 = .5), (.5 > .1) -> 3.5 of 4
    assert metrics.auc(y, p, np.ones(4)) == pytest.approx(3.5 / 4)
    # the tied won row counts three times: (1 + 1 + 1.5 + 3) of 8
    assert metrics.auc(y, p, _array(1, 1, 3, 1)) == pytest.approx(6.5 / 8)


def test_auc_equals_scikit_learn_on_random_weighted_rows_with_ties():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 500).astype(float)
    p, weight = rng.integers(0, 20, 500) / 20.0, rng.random(500) + 0.1
    assert metrics.auc(y, p, weight) == pytest.approx(roc_auc_score(y, p, sample_weight=weight), abs=1e-12)


def test_one_class_has_no_auc_and_no_calibration_line():
    y, p, weight = np.ones(3), _array(0.2, 0.5, 0.7), np.ones(3)
    assert metrics.auc(y, p, weight) is None
    assert metrics.calibration_line(y, p, weight) is None


def test_log_loss_and_brier_are_the_weighted_means_worked_out_by_hand():
    y, p, weight = _array(1, 0), _array(0.8, 0.4), _array(3, 1)
    assert metrics.log_loss(y, p, weight) == pytest.approx((3 * -np.log(0.8) - np.log(0.6)) / 4)
    assert metrics.brier_score(y, p, weight) == pytest.approx((3 * 0.04 + 0.16) / 4)


def test_a_certain_and_wrong_probability_costs_much_but_stays_finite():
    assert metrics.log_loss(_array(0), _array(1), _array(1)) == pytest.approx(-np.log(1e-15), rel=1e-3)
    assert metrics.log_loss(_array(1), _array(0), _array(1)) == pytest.approx(-np.log(1e-15), rel=1e-3)


def test_calibration_error_is_the_gap_between_what_was_given_and_what_was_won():
    # two bins of five equal rows each: 0.2 given and 0.4 won, 0.8 given and 0.8 won
    y = _array(1, 1, 0, 0, 0, 1, 1, 1, 1, 0)
    p = np.repeat([0.2, 0.8], 5)
    assert metrics.calibration_error(y, p, np.ones(10)) == pytest.approx(0.1)


def test_equal_probabilities_share_a_bin_and_bins_hold_equal_weight():
    p = np.linspace(0, 1, 100)
    assert np.bincount(metrics.equal_mass_bins(p, np.ones(100))).tolist() == [10] * 10
    assert len(set(metrics.equal_mass_bins(np.full(7, 0.3), np.ones(7)))) == 1


def test_the_calibration_line_is_the_logistic_regression_on_log_odds():
    rng = np.random.default_rng(5)
    z = rng.normal(0, 1.5, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-(0.6 * z - 0.4)))).astype(float)
    weight = rng.random(4000) + 0.5
    slope, intercept = metrics.calibration_line(y, 1 / (1 + np.exp(-z)), weight)
    sklearn = LogisticRegression(C=np.inf, tol=1e-10).fit(z[:, None], y, sample_weight=weight)
    assert slope == pytest.approx(sklearn.coef_[0, 0], abs=1e-4)
    assert intercept == pytest.approx(sklearn.intercept_[0], abs=1e-4)


def test_probabilities_that_separate_the_outcomes_have_no_line_and_no_warning():
    assert metrics.calibration_line(_array(0, 0, 1, 1), _array(0.1, 0.2, 0.8, 0.9), np.ones(4)) is None


def test_draws_take_whole_deals_and_equal_a_slow_resample_of_rows():
    deals = np.array(["a", "a", "b", "c", "c", "c", "d", "e"])
    y, p = _array(1, 1, 0, 1, 1, 1, 0, 0), _array(0.7, 0.8, 0.3, 0.2, 0.6, 0.6, 0.5, 0.1)
    weight = _array(1, 2, 1, 0.5, 1, 1, 3, 1)
    resampling = metrics.Resampling.over(deals, replicates=20, seed=1)
    assert (resampling.counts.sum(axis=1) == 5).all()
    drawn = metrics._draws(y, p, weight, np.full(8, 0.5), None, resampling)
    for r in range(20):
        rows = [
            i for i in range(8) for _ in range(int(resampling.counts[r, sorted(set(deals)).index(deals[i])]))
        ]
        part = y[rows], p[rows], weight[rows]
        assert drawn["log_loss"][r] == pytest.approx(metrics.log_loss(*part))
        assert drawn["brier"][r] == pytest.approx(metrics.brier_score(*part))
        expected = metrics.auc(*part)
        assert np.isnan(drawn["auc"][r]) if expected is None else drawn["auc"][r] == pytest.approx(expected)


def test_intervals_hold_the_value_and_are_wider_when_rows_of_a_deal_repeat():
    rng = np.random.default_rng(7)
    y = rng.integers(0, 2, 400).astype(float)
    p = np.clip(0.5 + 0.2 * (y - 0.5) + rng.normal(0, 0.2, 400), 0.01, 0.99)
    base, ones, deals = np.full(400, y.mean()), np.ones(400), np.arange(400)
    once = metrics.score(y, p, ones, base_rate=base, resampling=metrics.Resampling.over(deals))
    repeated = metrics.score(
        np.tile(y, 5),
        np.tile(p, 5),
        np.ones(2000),
        base_rate=np.tile(base, 5),
        resampling=metrics.Resampling.over(np.tile(deals, 5)),
    )
    for name in ("auc", "log_loss", "brier", "brier_skill", "slope", "intercept"):
        low, high = once[f"{name}_interval"]
        assert low < once[name] < high
        # the same deals seen five times say no more than seen once
        assert repeated[f"{name}_interval"] == pytest.approx([low, high], abs=1e-6)


def test_the_slopes_interval_agrees_with_refitting_every_draw():
    rng = np.random.default_rng(11)
    z = rng.normal(0, 1, 600)
    y = (rng.random(600) < 1 / (1 + np.exp(-z))).astype(float)
    p, weight, deals = 1 / (1 + np.exp(-z)), np.ones(600), np.repeat(np.arange(200), 3)
    resampling = metrics.Resampling.over(deals, replicates=100, seed=2)
    refitted = [metrics.calibration_line(y, p, counts[resampling.deal])[0] for counts in resampling.counts]
    found = metrics.score(y, p, weight, base_rate=np.full(600, 0.5), resampling=resampling)
    assert found["slope_interval"] == pytest.approx(np.quantile(refitted, [0.025, 0.975]), abs=0.03)


def test_a_paired_difference_sees_a_small_but_steady_gain_that_single_intervals_hide():
    rng = np.random.default_rng(13)
    truth = rng.uniform(0.05, 0.95, 1500)
    y = (rng.random(1500) < truth).astype(float)
    worse = 1 / (1 + np.exp(-(metrics.log_odds(truth) + 0.35)))
    resampling = metrics.Resampling.over(np.arange(1500))
    better = metrics.log_loss_difference(y, truth, worse, np.ones(1500), resampling)
    assert better["difference"] == pytest.approx(
        metrics.log_loss(y, worse, np.ones(1500)) - metrics.log_loss(y, truth, np.ones(1500))
    )
    assert 0 < better["lower_bound"] < better["difference"]
    same = metrics.log_loss_difference(y, truth, truth, np.ones(1500), resampling)
    assert same == {"difference": 0.0, "interval": [0.0, 0.0], "lower_bound": 0.0}


def test_one_deal_has_scores_but_no_intervals():
    resampling = metrics.Resampling.over(np.array(["a", "a"]))
    found = metrics.score(
        np.ones(2), _array(0.4, 0.6), np.ones(2), base_rate=np.full(2, 0.5), resampling=resampling
    )
    assert found["log_loss"] is not None
    assert all(found[key] is None for key in found if key.endswith("_interval"))


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    deals = np.arange(30)
    first, again = metrics.Resampling.over(deals, seed=4), metrics.Resampling.over(deals, seed=4)
    assert (first.counts == again.counts).all()
    assert (first.counts != metrics.Resampling.over(deals, seed=5).counts).any()


def test_no_rows_and_probabilities_that_are_not_finite_are_refused_by_what_was_found():
    with pytest.raises(ModelContractError, match="found 0, 0 and 0"):
        metrics.log_loss(_array(), _array(), _array())
    with pytest.raises(ModelContractError, match="1 probabilities that are not finite"):
        metrics.brier_score(_array(1, 0), _array(np.nan, 0.5), np.ones(2))
