import numpy as np
import pyarrow as pa
import pytest

from models.boosting import Shape
from models.search import search
from models.split import time_split

START = Shape(min_data_in_leaf=20)


def found(world, **changed):
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    settings = {"start": START, "deal_power": 0.0, "seed": 5, "n_trials": 4} | changed
    return search(world.frame, world.labels, split, world.features, **settings), split


def test_the_search_starts_from_the_given_shape_and_keeps_the_best_of_its_trials(world):
    best, _ = found(world)
    assert len(best.trials) == 5
    assert {name: best.trials[0][name] for name in START.as_dict()} == START.as_dict()
    losses = [trial["validation_log_loss"] for trial in best.trials]
    chosen = best.trials[int(np.argmin(losses))]
    assert best.shape.as_dict() == {name: chosen[name] for name in best.shape.as_dict()}
    assert chosen["rounds"] <= best.rounds <= round(1.25 * chosen["rounds"])


def test_without_trials_only_the_rounds_are_searched(world):
    best, _ = found(world, n_trials=0)
    assert best.shape == START
    assert len(best.trials) == 1


def test_the_same_seed_makes_the_same_trials(world):
    assert found(world)[0] == found(world)[0]


def test_the_search_sees_no_outcome_from_beyond_the_train_window(world):
    best, split = found(world)
    later = [
        1 - y if y is not None and at >= split.train.end else y
        for y, at in zip(world.labels["y"].to_pylist(), world.labels["closed_at"].to_pylist(), strict=True)
    ]
    poisoned = world.labels.set_column(2, "y", pa.array(later, pa.int8()))
    assert poisoned != world.labels
    again = search(
        world.frame, poisoned, split, world.features, start=START, deal_power=0.0, seed=5, n_trials=4
    )
    assert again == best


def test_shapes_stay_shallow_so_that_explanations_stay_cheap(world):
    best, _ = found(world, n_trials=8)
    assert max(trial["max_depth"] for trial in best.trials) <= 5
    assert max(trial["num_leaves"] for trial in best.trials) <= 15


@pytest.mark.parametrize("deals", [4, 12])
def test_too_few_deals_to_validate_on_leave_the_shape_as_it_is(make, deals):
    best, _ = found(make(deals=deals))
    assert best.shape == START
    assert best.trials == ()
    assert best.rounds >= 1


def test_above_the_row_limit_shapes_are_judged_on_a_sample_of_deals_and_rounds_on_all(world, monkeypatch):
    everyone, _ = found(world)
    monkeypatch.setattr("models.search.MAX_SEARCH_ROWS", 900)
    sampled, _ = found(world)
    assert sampled == found(world)[0]
    assert sampled.trials[0]["validation_log_loss"] != everyone.trials[0]["validation_log_loss"]
    alone, _ = found(world, start=sampled.shape, n_trials=0)
    assert sampled.rounds == alone.rounds
