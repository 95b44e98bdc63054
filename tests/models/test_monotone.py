"""A feature whose direction is beyond doubt never moves the model the other way."""

from dataclasses import replace

import numpy as np
import pytest

from features.feature import Feature
from models.arrays import FloatArray
from models.boosting import Rows, Shape
from models.calibration import sigmoid
from models.directions import held_directions
from models.encoding import Column, Encoder
from models.linear import LinearPart
from models.search import Found
from models.split import time_split
from models.training import fit_rows, fit_win
from models.win_model import WinModel

HELD = (1, -1, 0)


def rows(seed: int, n: int = 6_000) -> Rows:
    """Three columns: the first two are rewarded against what they are held to on part of their range."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 3))
    X[:, 1] = np.round(X[:, 1] * 2)
    X[random.random(n) < 0.2, 0] = np.nan
    first = np.nan_to_num(X[:, 0])
    z = first - 1.6 * (first > 1) - 0.5 * X[:, 1] + 1.6 * X[:, 1] * (X[:, 2] > 0.5) - 0.4 * np.isnan(X[:, 0])
    y = (random.random(n) < sigmoid(z)).astype(float)
    return Rows(X, y, np.ones(n), np.arange(n))


def fitted(held: tuple[int, ...], seed: int = 5) -> WinModel:
    encoder = Encoder(tuple(Column(name, "number", "momentum") for name in "abc"))
    found = Found(Shape(min_data_in_leaf=20), 120, ())
    return fit_rows(encoder, rows(seed), rows(seed + 1, 800), found=found, held=held, seed=1)


def raised(model: WinModel, X: FloatArray, column: int) -> FloatArray:
    """The model's log-odds for each row, at a ladder of values of one column, (rows, rungs)."""
    rungs = np.linspace(-4, 4, 33)
    found = np.empty((X.shape[0], rungs.size))
    for i, value in enumerate(rungs):
        X = X.copy()
        X[:, column] = value
        found[:, i] = model.log_odds_of(X)
    return found


@pytest.mark.parametrize("seed", [5, 6])
def test_raising_a_held_value_never_moves_the_log_odds_the_other_way_all_else_equal(seed: int) -> None:
    model, others = fitted(HELD, seed), rows(99, 200).X
    assert np.diff(raised(model, others, 0), axis=1).min() >= -1e-12
    assert np.diff(raised(model, others, 1), axis=1).max() <= 1e-12


def test_left_free_the_same_rows_do_teach_the_wrong_way() -> None:
    model, others = fitted((0, 0, 0)), rows(99, 200).X
    assert np.diff(raised(model, others, 0), axis=1).min() < -0.05
    assert np.diff(raised(model, others, 1), axis=1).max() > 0.05


def test_a_missing_value_keeps_a_place_of_its_own_beside_a_held_column() -> None:
    model = fitted(HELD)
    X = np.zeros((1, 3))
    lowest, missing = np.array([[-4.0, 0, 0]]), np.array([[np.nan, 0, 0]])
    assert model.log_odds_of(lowest) < model.log_odds_of(missing) < model.log_odds_of(X)


def test_a_slope_of_the_wrong_sign_is_zero_and_the_others_are_fitted_without_it() -> None:
    made = rows(5)
    free = LinearPart.fit(made.X, made.y, made.weight)
    wrong = tuple(-int(np.sign(slope)) for slope in free.slope[:2])
    held = LinearPart.fit(made.X, made.y, made.weight, held=(*wrong, 0))
    assert held.slope[0] == held.slope[1] == 0
    alone = LinearPart.fit(made.X[:, 2:], made.y, made.weight)
    assert held.slope[2] == pytest.approx(alone.slope[0], abs=0.02)


def test_without_held_columns_not_a_bit_differs() -> None:
    assert fitted((0, 0, 0)).version == fitted(()).version


def test_only_certain_features_with_a_direction_are_held(world) -> None:
    def marked(feature: Feature, expected: str) -> Feature:
        return replace(feature, certain=True, expected=expected)

    champion, meetings, days, stage, *_ = world.features
    chosen = (
        marked(champion, "higher is better"),
        marked(days, "lower is better"),
        marked(stage, "higher is better"),
        marked(meetings, "depends"),
        replace(meetings, expected="higher is better"),
    )
    assert held_directions(chosen) == (1, -1, 0, 0, 0)


def test_a_trained_model_is_held_and_says_to_what(world) -> None:
    features = tuple(
        replace(feature, certain=True, expected="lower is better") if feature.name == "meetings" else feature
        for feature in world.features
    )
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    found = Found(Shape(), 60, ())
    model = fit_win(world.frame, world.labels, split, features, found=found, deal_power=0.0, seed=1)
    assert model.trained["held"] == {"meetings": -1}
    X = model.encoder.transform(world.frame.slice(0, 300))
    assert np.diff(raised(model, X, model.feature_names.index("meetings")), axis=1).max() <= 1e-12
