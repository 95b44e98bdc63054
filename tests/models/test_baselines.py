"""Baselines on rows small enough to work out by hand, and on rows that are anything but tidy."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from features.feature import Feature, Measure
from models.baselines import BASELINES, column_numbers, fit_baselines
from models.metrics import auc, log_loss


def _feature(name, kind, family="commercial"):
    return Feature(
        name, family, kind, "", "", "", "depends", "{value}", "absent", Measure("deals", "current", name)
    )


FEATURES = (
    _feature("stage", "category"),
    _feature("deal_age_days", "number"),
    _feature("crm_stage_probability", "number"),
    _feature("has_champion", "flag"),
    _feature("n_meetings", "count"),
    _feature("x_region", "category", "custom"),
)


def _frame(n, **columns):
    whole = {
        "opportunity_id": [f"d{i}" for i in range(n)],
        "as_of": pa.array([datetime(2025, 1, 6, tzinfo=UTC)] * n, pa.timestamp("us", "UTC")),
        "stage": pa.array([None] * n, pa.string()),
        "deal_age_days": pa.array([None] * n, pa.float64()),
        "crm_stage_probability": pa.array([None] * n, pa.float64()),
        "has_champion": pa.array([None] * n, pa.bool_()),
        "n_meetings": pa.array([0] * n, pa.int64()),
        "x_region": pa.array([None] * n, pa.string()),
    }
    return pa.table({**whole, **columns})


def _fit(frame, y, weight=None):
    y = np.array(y, dtype=float)
    return fit_baselines(
        frame, y, weight=np.ones(len(y)) if weight is None else np.array(weight), features=FEATURES
    )


def test_the_base_rate_is_the_weighted_share_won():
    fitted = _fit(_frame(4), [1, 0, 0, 0], [3.0, 1.0, 1.0, 1.0])
    assert fitted.predict(_frame(2))["base_rate"].tolist() == [0.5, 0.5]


def test_the_crm_probability_is_used_as_it_stands_be_it_a_share_or_a_percentage():
    share = _frame(5, crm_stage_probability=[0.1, 0.4, 0.4, 0.9, 1.0])
    percent = _frame(5, crm_stage_probability=[10.0, 40.0, 40.0, 90.0, 100.0])
    for frame in (share, percent):
        fitted = _fit(frame, [0, 0, 1, 1, 1])
        assert fitted.predict(frame)["stage_probability"] == pytest.approx([0.1, 0.4, 0.4, 0.9, 0.99])
        assert "CRM's own" in fitted.notes["stage_probability"]


def test_without_a_crm_probability_the_share_won_by_stage_and_age_is_learnt_with_a_pull():
    stages = ["late"] * 20 + ["early"] * 20
    frame = _frame(40, stage=stages, deal_age_days=[5.0] * 40)
    fitted = _fit(frame, [1] * 20 + [0] * 20)
    # base .5; late: (20 + 20 * .5) / 40 = .75, then its one cell: (20 + 20 * .75) / 40 = .875
    scored = _frame(3, stage=["late", "early", "new here"], deal_age_days=[5.0, 5.0, 5.0])
    assert fitted.predict(scored)["stage_probability"] == pytest.approx([0.875, 0.125, 0.5])
    assert "learnt" not in fitted.notes["naive_bayes"]
    assert "stage and age" in fitted.notes["stage_probability"]


def test_naive_bayes_multiplies_value_frequencies_that_begin_at_a_tenth():
    frame = _frame(4, has_champion=[True, True, False, True], x_region=["n", "s", "s", None])
    fitted = _fit(frame, [1, 1, 0, 0])
    # champion true: won 2.1 of 2.2, lost 1.1 of 2.2; region n: won 1.1 of 2.2, lost 0.1 of 1.2
    won, lost = 0.5 * (2.1 / 2.2) * (1.1 / 2.2), 0.5 * (1.1 / 2.2) * (0.1 / 1.2)
    scored = _frame(2, has_champion=[True, None], x_region=["n", "unseen"])
    assert fitted.predict(scored)["naive_bayes"] == pytest.approx([won / (won + lost), 0.5])


def test_naive_bayes_leaves_out_fields_of_more_than_twenty_values():
    names = [f"r{i}" for i in range(25)]
    fitted = _fit(_frame(50, x_region=names * 2), [1] * 25 + [0] * 25)
    assert set(fitted.predict(_frame(25, x_region=names))["naive_bayes"]) == {0.5}


def test_logistic_regression_learns_from_numbers_flags_categories_and_missing_values():
    rng = np.random.default_rng(1)
    n = 3000
    meetings, champion = rng.poisson(3, n), rng.random(n) < 0.5
    region = rng.choice(["north", "south", "east"], n)
    z = 0.5 * (meetings - 3) + 1.0 * champion + 0.8 * (region == "north") - 0.7
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float)
    flags = pa.array(champion.tolist(), mask=rng.random(n) < 0.1)
    frame = _frame(n, n_meetings=meetings, has_champion=flags, x_region=region.tolist())
    train, test = frame.slice(0, 2000), frame.slice(2000)
    p = _fit(train, y[:2000]).predict(test)
    ones = np.ones(1000)
    truth = 1 / (1 + np.exp(-z[2000:]))
    assert log_loss(y[2000:], p["logistic"], ones) < log_loss(y[2000:], truth, ones) + 0.02
    assert auc(y[2000:], p["logistic"], ones) > auc(y[2000:], p["naive_bayes"], ones) + 0.05


def test_wholly_null_and_absent_columns_unseen_levels_and_absurd_values_give_probabilities_all_the_same():
    train = _frame(12, n_meetings=[0, 1, 2] * 4, x_region=["a", "b", None] * 4)
    fitted = _fit(train, [1, 0, 0] * 4)
    odd = _frame(
        2, n_meetings=[10**12, 0], x_region=["never seen", None], stage=["x", "y"], deal_age_days=[1e9, -1]
    )
    bare = odd.select(["opportunity_id", "as_of"])
    for frame in (odd, bare):
        for name, p in fitted.predict(frame).items():
            assert p.shape == (2,), name
            assert ((p > 0) & (p < 1)).all(), name


@pytest.mark.parametrize("y", [[1, 1, 1], [0, 0, 0]])
def test_one_outcome_only_gives_every_baseline_a_finite_probability(y):
    predicted = _fit(_frame(3, stage=["a", "b", "b"]), y).predict(_frame(2))
    assert tuple(predicted) == BASELINES
    assert all(((p > 0) & (p < 1)).all() for p in predicted.values())


def test_one_won_row_among_many_is_no_obstacle():
    predicted = _fit(_frame(50, n_meetings=list(range(50))), [1] + [0] * 49).predict(_frame(1))
    assert all(0 < p[0] < 0.5 for p in predicted.values())


def test_the_order_of_training_rows_changes_no_probability():
    rng = np.random.default_rng(2)
    frame = _frame(60, n_meetings=rng.integers(0, 9, 60), stage=rng.choice(["a", "b"], 60).tolist())
    y = rng.integers(0, 2, 60).astype(float)
    turned = rng.permutation(60)
    first, second = _fit(frame, y).predict(frame), _fit(frame.take(turned), y[turned]).predict(frame)
    for name in BASELINES:
        assert first[name] == pytest.approx(second[name], abs=1e-9), name


def test_no_labelled_rows_are_refused():
    with pytest.raises(ModelContractError, match="found 0 rows"):
        _fit(_frame(0), [])


def test_null_typed_columns_read_as_missing():
    frame = pa.table({"a": pa.nulls(2)})
    assert np.isnan(column_numbers(frame, "a")).all()
