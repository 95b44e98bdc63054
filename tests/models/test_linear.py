"""The linear half of the model."""

import numpy as np
import pytest

from models.arrays import FloatArray
from models.calibration import sigmoid
from models.linear import LinearPart


def rows(seed: int = 3, n: int = 4_000) -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 3))
    X[random.random(n) < 0.3, 1] = np.nan
    y = random.random(n) < sigmoid(X[:, 0] - 0.8 * np.isnan(X[:, 1]) - 0.5)
    return X, y.astype(float)


def score(part: LinearPart, X: FloatArray) -> FloatArray:
    return part.intercept + part.contributions(X).sum(axis=1)


def test_it_finds_what_adds_and_what_being_absent_adds() -> None:
    X, y = rows()
    part = LinearPart.fit(X, y, np.ones(y.size))
    assert part.slope[0] > 0.7
    assert part.missing[1] < -0.5
    assert abs(part.slope[2]) < 0.1
    assert part.missing[0] == part.missing[2] == 0


def test_a_value_beyond_the_training_rows_adds_no_more_than_their_largest() -> None:
    X, y = rows()
    part = LinearPart.fit(X, y, np.ones(y.size))
    beyond = np.array([[part.high[0], 0.0, 0.0], [1e9, 0.0, 0.0]])
    assert score(part, beyond)[0] == score(part, beyond)[1]


def test_a_column_without_any_value_adds_nothing() -> None:
    X, y = rows()
    X[:, 2] = np.nan
    part = LinearPart.fit(X, y, np.ones(y.size))
    assert part.slope[2] == part.missing[2] == 0
    assert (part.contributions(np.array([[0.0, 0.0, 5.0]]))[:, 2] == 0).all()


def test_stored_and_read_it_is_the_same() -> None:
    X, y = rows()
    part = LinearPart.fit(X, y, np.ones(y.size))
    assert LinearPart.from_dict(part.as_dict()) == part
    assert LinearPart.fit(X, y, np.ones(y.size)) == part


def test_many_rows_are_thinned_and_tell_the_same() -> None:
    X, y = rows(n=45_000)
    part = LinearPart.fit(X, y, np.ones(y.size))
    assert part.slope[0] == pytest.approx(
        LinearPart.fit(X[:15_000], y[:15_000], np.ones(15_000)).slope[0], abs=0.1
    )
