from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from models.arrays import known_outcomes
from models.boosting import Shape
from models.censoring import window_weights
from models.metrics import auc, log_loss
from models.search import Found
from models.split import time_split
from models.training import TrainingParams, fit_win, train_win


def split_of(world):
    return time_split(world.labels, as_of=world.as_of, step_days=7)


def train(world, **changed):
    settings = {"seed": 7, "n_trials": 0} | changed
    return train_win(world.frame, world.labels, split_of(world), world.features, **settings)


def held_out(world, p):
    """y, p, weight of the out-of-time rows."""
    window = split_of(world).test
    rows = window.known
    return known_outcomes(world.labels)[rows], p[rows], window_weights(world.labels, window)[rows]


def test_the_model_beats_the_base_rate_out_of_time_and_nears_the_truth(make):
    world = make(deals=1500, seed=3)
    model = train(world)
    y, p, weight = held_out(world, model.p_win(world.frame))
    truth = log_loss(*held_out(world, world.p_true))
    base = log_loss(y, np.full(y.size, np.average(y, weights=weight)), weight)
    assert log_loss(y, p, weight) < truth + 0.5 * (base - truth)
    assert auc(y, p, weight) > 0.7


def test_shuffled_labels_leave_nothing_to_learn(make):
    scores = []
    for seed in range(4):
        world = make(deals=1200, seed=seed, shuffled=True)
        scores.append(auc(*held_out(world, train(world).p_win(world.frame))))
    assert 0.45 < np.mean(scores) < 0.55


def test_the_same_rows_and_seed_give_the_same_bytes_and_another_seed_others(world):
    first, again = train(world, n_trials=3), train(world, n_trials=3)
    assert first.booster_text == again.booster_text
    assert first.version == again.version
    assert train(world, n_trials=3, seed=8).version != first.version


def test_rows_at_the_cut_off_or_later_change_no_bit_of_the_model(make):
    earlier = make().as_of - timedelta(days=70)
    world = make(as_of=earlier)
    before = np.array([at < earlier for at in world.frame["as_of"].to_pylist()])
    cut = replace(
        world, frame=world.frame.filter(pa.array(before)), labels=world.labels.filter(pa.array(before))
    )
    assert cut.frame.num_rows < world.frame.num_rows
    assert train(world).version == train(cut).version


def test_outcomes_after_the_calibration_window_change_no_bit_of_the_model(world):
    end = split_of(world).calibration.end
    closed = world.labels["closed_at"].to_pylist()
    flipped = [
        1 - y if y is not None and at >= end else y
        for y, at in zip(world.labels["y"].to_pylist(), closed, strict=True)
    ]
    poisoned = replace(world, labels=world.labels.set_column(2, "y", pa.array(flipped, pa.int8())))
    split = split_of(world)
    models = [train_win(w.frame, w.labels, split, w.features, seed=7, n_trials=2) for w in (world, poisoned)]
    assert models[0].version == models[1].version


def test_outcomes_of_the_calibration_window_move_the_line_but_no_tree(world):
    split = split_of(world)
    flipped = [
        1 - y if rows else y
        for y, rows in zip(world.labels["y"].to_pylist(), split.calibration.known, strict=True)
    ]
    poisoned = world.labels.set_column(2, "y", pa.array(flipped, pa.int8()))
    model = train_win(world.frame, world.labels, split, world.features, seed=7, n_trials=2)
    turned = train_win(world.frame, poisoned, split, world.features, seed=7, n_trials=2)
    assert turned.booster_text == model.booster_text
    assert turned.calibration.slope < model.calibration.slope


def test_probabilities_agree_on_average_with_the_calibration_outcomes(world):
    model = train(world)
    window = split_of(world).calibration
    # the weights that the calibration itself uses: between each row alike and each deal alike
    weight = window_weights(world.labels, window, deal_power=0.5)[window.known]
    y, p = known_outcomes(world.labels)[window.known], model.p_win(world.frame)[window.known]
    assert np.average(p, weights=weight) == pytest.approx(np.average(y, weights=weight), abs=0.05)


def test_the_model_tells_its_windows_and_counts(world):
    model, split = train(world), split_of(world)
    told = model.trained["windows"]["train"]
    assert told["end"] == split.train.end.isoformat()
    assert told["label_max"] < told["end"]
    assert told["rows"] == int(split.train.known.sum())
    assert told["rows"] + told["censored_rows"] == int(split.train.inside.sum())
    assert model.trained["as_of"] == world.as_of.isoformat()


def test_the_track_record_counts_closed_calibration_deals(world):
    model, window = train(world), split_of(world).calibration
    deals = set(world.labels.filter(pa.array(window.known))["opportunity_id"].to_pylist())
    assert max(held.deals for held in model.record) <= len(deals)
    assert sum(held.deals for held in model.record) >= len(deals)


def test_settled_settings_are_used_as_they_are(world):
    found = Found(Shape(num_leaves=4, max_depth=2), 17, ())
    split = split_of(world)
    model = fit_win(world.frame, world.labels, split, world.features, found=found, deal_power=0.0, seed=1)
    assert model.booster_text.count("\nTree=") == 17
    assert model.trained["rounds"] == 17
    assert "num_leaves=4" in model.booster_text


def test_progress_is_told(world):
    told: list[str] = []
    train(world, n_trials=2, on_step=told.append)
    assert told[0].startswith("searching")
    assert sum(step.startswith("trial") for step in told) == 3
    assert told[-1].startswith("fitting")


def test_columns_without_any_value_and_features_that_never_vary_do_no_harm(world):
    n = world.frame.num_rows
    frame = world.frame
    for name, column in (
        ("meetings", pa.array([3] * n, pa.int64())),
        ("days_in_stage", pa.nulls(n, pa.float64())),
        ("region", pa.nulls(n, pa.string())),
    ):
        frame = frame.set_column(frame.column_names.index(name), name, column)
    model = train(replace(world, frame=frame))
    base, parts = model.contributions(frame)
    assert base + parts.sum(axis=1) == pytest.approx(model.log_odds(frame), abs=1e-9)


def test_a_train_window_with_one_outcome_only_is_refused_with_the_counts(world):
    lost = world.labels.set_column(
        2, "y", pa.array([None if y is None else 0 for y in world.labels["y"].to_pylist()], pa.int8())
    )
    with pytest.raises(ModelContractError, match="0 won"):
        train_win(world.frame, lost, split_of(world), world.features, seed=1, n_trials=0)


def test_labels_of_other_rows_are_refused(world):
    order = pa.array(range(world.labels.num_rows - 1, -1, -1))
    with pytest.raises(ModelContractError, match="keys"):
        train_win(
            world.frame,
            world.labels.take(order),
            split_of(world),
            world.features,
            seed=1,
            params=TrainingParams(),
        )
