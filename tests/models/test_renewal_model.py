"""The renewal model: it learns, adds up, comes back from its folder, and says so where it cannot learn."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from models.arrays import known_outcomes
from models.metrics import log_loss
from models.renewal import (
    AccountSplit,
    RenewalModel,
    account_split,
    baseline_renewal,
    renewal_labels,
    train_renewal,
)
from models.renewal.bands import UseBands
from models.renewal.ratio import RatioModel, RatioRows, fit_ratio, weighted_quantile
from models.win_model import OtherFormatError
from tests.models.renewal_world import RenewalWorld, make_renewals


@cache
def learnt(seed: int = 1, signal: float = 1.6) -> tuple[RenewalWorld, AccountSplit, RenewalModel]:
    world = make_renewals(300, seed, signal=signal)
    rows = account_split(renewal_labels(world.contracts, world.frame, world.as_of), as_of=world.as_of)
    return world, rows, train_renewal(world.frame, rows, world.features, seed=3, n_trials=0)


def test_it_comes_near_the_true_probabilities_out_of_time() -> None:
    world, rows, model = learnt()
    test = rows.split.test.known
    truth, p = world.p_true[test], model.p_renew(world.frame.filter(pa.array(test)))
    base = np.full(p.size, known_outcomes(rows.labels)[rows.split.train.known].mean())
    assert np.corrcoef(truth, p)[0, 1] > 0.9
    drawn = np.random.default_rng(0).random(p.size) < truth
    weight = np.ones(p.size)
    y = drawn.astype(float)
    assert log_loss(y, p, weight) < log_loss(y, base, weight) - 0.05


def test_contributions_add_up_to_the_log_odds_that_are_served() -> None:
    world, _, model = learnt()
    base, parts = model.chance.contributions(world.frame)
    p = model.p_renew(world.frame)
    assert np.abs(base + parts.sum(axis=1) - np.log(p / (1 - p))).max() < 1e-6
    assert model.chance.subject == "renewal"
    assert model.version.startswith("renewal-")


def test_the_same_rows_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    world, rows, model = learnt()
    again = train_renewal(world.frame, rows, world.features, seed=3, n_trials=0)
    first, second = (one.save(tmp_path / name) for one, name in ((model, "a"), (again, "b")))
    assert sorted(p.name for p in first.iterdir()) == [
        "booster.txt", "manifest.json", "model.json", "ratio.json",
    ]  # fmt: skip
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()


def test_what_is_decided_at_or_after_the_cut_off_changes_no_bit() -> None:
    world, _, model = learnt()
    later = [
        {**row, "outcome": "churned", "renewed_amount": None, "decided_at": world.as_of}
        if row["decided_at"] is None
        else row
        for row in world.contracts.to_pylist()
    ]
    contracts = pa.Table.from_pylist(later, schema=world.contracts.schema)
    labels = renewal_labels(contracts, world.frame, world.as_of)
    rows = account_split(labels, as_of=world.as_of)
    again = train_renewal(world.frame, rows, world.features, seed=3, n_trials=0)
    assert again.version == model.version


def test_a_saved_model_predicts_the_same(tmp_path: Path) -> None:
    world, _, model = learnt()
    model.with_metrics({"auc": 0.8}).save(tmp_path)
    loaded = RenewalModel.load(tmp_path)
    assert loaded.version == model.version
    assert loaded.chance.metrics == {"auc": 0.8}
    assert np.array_equal(loaded.p_renew(world.frame), model.p_renew(world.frame))
    for one, other in zip(loaded.expected_ratio(world.frame), model.expected_ratio(world.frame), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("file", ["ratio.json", "model.json", "booster.txt"])
def test_an_altered_file_is_named(tmp_path: Path, file: str) -> None:
    learnt()[2].save(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(ModelContractError, match=file):
        RenewalModel.load(tmp_path)


def test_a_win_models_folder_is_no_renewal_model(tmp_path: Path) -> None:
    learnt()[2].chance.save(tmp_path)
    with pytest.raises(
        OtherFormatError, match=r"ratio\.json: expected a ratio of format 1, found 'no such file'"
    ):
        RenewalModel.load(tmp_path)


def test_too_little_data_gives_one_rate_with_its_reason() -> None:
    world = make_renewals(12, 2)
    rows = account_split(renewal_labels(world.contracts, world.frame, world.as_of), as_of=world.as_of)
    model = baseline_renewal(world.frame, rows, world.features, reason="too few", seed=1)
    assert model.version.startswith("baseline-")
    assert model.is_baseline
    assert "too few" in model.note
    assert np.ptp(model.p_renew(world.frame)) == 0
    mean, low, high = model.expected_ratio(world.frame)
    assert ((low <= mean) & (mean <= high)).all()


def test_the_baselines_rate_is_the_smoothed_share_of_contracts_not_of_rows() -> None:
    world = make_renewals(3, 2)
    contracts = world.contracts.select(world.contracts.column_names)
    labels = renewal_labels(contracts, world.frame, world.as_of)
    rows = account_split(labels, as_of=world.as_of)
    even = replace(rows, labels=rows.labels.set_column(3, "y", pa.nulls(labels.num_rows, pa.int8())))
    even = replace(
        even,
        labels=even.labels.set_column(4, "closed_at", pa.nulls(labels.num_rows, labels["closed_at"].type)),
    )
    model = baseline_renewal(world.frame, even, world.features, reason="none", seed=1)
    assert model.p_renew(world.frame)[0] == 0.5


def test_without_skill_in_the_data_the_scores_stay_near_the_base_rate() -> None:
    world, rows, model = learnt(4, 0.0)
    p = model.p_renew(world.frame.filter(pa.array(rows.split.test.known)))
    assert p.std() < 0.06


# The ratio


def ratio_rows(rng: np.random.Generator, n: int, effect: float, noise: float = 0.1) -> RatioRows:
    use = rng.normal(0, 1, n)
    frame = pa.table({"burn_ratio": use})
    ratio = np.exp(0.05 + effect * use + rng.normal(0, noise, n))
    codes = np.arange(n)
    return RatioRows(frame, use[:, None], ratio, np.ones(n), codes, codes)


def test_one_figure_for_all_where_use_tells_nothing() -> None:
    rng = np.random.default_rng(1)
    model = fit_ratio(ratio_rows(rng, 300, 0.0), ratio_rows(rng, 150, 0.0), seed=1)
    assert model.kind == "constant"
    assert np.exp(model.constant) == pytest.approx(1.05, abs=0.03)


def test_use_is_taken_up_where_it_tells_the_ratio() -> None:
    rng = np.random.default_rng(2)
    model = fit_ratio(ratio_rows(rng, 300, 0.3), ratio_rows(rng, 150, 0.3), seed=1)
    assert model.kind in ("bands", "trees")
    assert model.judged[model.kind] < model.judged["constant"] / 1.5


def test_the_interval_holds_eight_in_ten_new_contracts() -> None:
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(40):
        model = fit_ratio(ratio_rows(rng, 120, 0.1), ratio_rows(rng, 60, 0.1), seed=1)
        new = ratio_rows(rng, 200, 0.1)
        _, low, high = model.given_renewal(new.frame, new.X)
        inside.append(((new.ratio >= low) & (new.ratio <= high)).mean())
    assert 0.77 < np.mean(inside) < 0.86


def hand_made(errors: tuple[float, ...]) -> RatioModel:
    return RatioModel("constant", 0.0, UseBands("", ()), (), "", errors, 10**9, {})


def test_churn_counts_as_zero_in_the_expected_ratio() -> None:
    """Errors at -0.2, 0, 0.2 in log; at p = 0.95 the lowest tenth is half churn, half low renewals."""
    model = hand_made((-0.2, 0.0, 0.2))
    frame, X = pa.table({"a": [0.0, 0.0, 0.0]}), np.zeros((3, 1))
    mean, low, high = model.expected(frame, X, np.array([0.95, 0.5, 0.05]))
    factor = (np.exp(-0.2) + 1 + np.exp(0.2)) / 3
    assert mean == pytest.approx(factor * np.array([0.95, 0.5, 0.05]))
    # the level within renewals is (0.1 - 0.05) / 0.95, and two thirds of the way from -0.2 to 0.2 is 0
    within = (0.10 - 0.05) / 0.95
    assert low == pytest.approx([np.exp(-0.2 + 0.4 * within), 0.0, 0.0])
    assert high == pytest.approx([np.exp(-0.2 + 0.4 * (0.9 - 0.05) / 0.95), np.exp(-0.2 + 0.4 * 0.8), 0.0])


def test_no_known_amount_means_the_committed_amount_said_so() -> None:
    nobody, floats = np.zeros(0, np.int64), np.zeros(0)
    frame = pa.table({"burn_ratio": pa.array([], pa.float64())})
    none = RatioRows(frame, np.zeros((0, 1)), floats, floats, nobody, nobody)
    model = fit_ratio(none, none, seed=1)
    assert "taken to renew at its committed amount" in model.note
    mean, low, high = model.given_renewal(pa.table({"a": [1.0]}), np.zeros((1, 1)))
    assert (mean[0], low[0], high[0]) == (1.0, 1.0, 1.0)


def test_quantiles_weigh_rows() -> None:
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    assert weighted_quantile(values, weight, np.array([0.5])).tolist() == [2.0]
    assert weighted_quantile(values, weight, np.array([0.0, 1.0])).tolist() == [1.0, 3.0]
