"""LightGBM as this project calls it: one thread, fixed seeds, the same bytes for the same rows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from models.arrays import FloatArray, IntArray

__all__ = ["Rows", "Shape", "dataset", "fit_booster", "fit_with_early_stopping", "fixed_params"]

MAX_ROUNDS = 600
PATIENCE = 30


@dataclass(frozen=True)
class Shape:
    """The settings of the trees; the defaults lie on the frontier that benchmarks/model_shape.py draws.

    Depth is bounded because exact explanations cost time that grows steeply with it.
    """

    learning_rate: float = 0.05
    num_leaves: int = 8
    max_depth: int = 4
    min_data_in_leaf: int = 50
    lambda_l2: float = 5.0
    feature_fraction: float = 0.6

    def as_dict(self) -> dict[str, Any]:
        """LightGBM's own names and values."""
        return asdict(self)


@dataclass(frozen=True)
class Rows:
    """Rows of known outcome as a model reads them.

    X: encoded, (n, k), NaN missing; y: 1 won, 0 lost; weight; deal: a code that tells deals apart, all (n,).
    """

    X: FloatArray
    y: FloatArray
    weight: FloatArray
    deal: IntArray

    def only(self, columns: Sequence[int]) -> "Rows":
        """The same rows with those columns of the matrix, in the order given."""
        return Rows(np.ascontiguousarray(self.X[:, list(columns)]), self.y, self.weight, self.deal)

    def binned(self, seed: int, like: Any = None) -> lgb.Dataset:
        """The rows as LightGBM wants them; see `dataset`."""
        return dataset(self.X, self.y, self.weight, seed=seed, like=like)


def dataset(X: FloatArray, y: FloatArray, weight: FloatArray, *, seed: int, like: Any = None) -> lgb.Dataset:
    """Rows binned once, for any number of fits; `like`: the dataset whose bins to use (validation)."""
    return lgb.Dataset(
        X, label=y, weight=weight, reference=like, params=fixed_params(seed), free_raw_data=True
    ).construct()


def fit_booster(
    rows: lgb.Dataset, shape: Shape, *, rounds: int, seed: int, held: Sequence[int] = ()
) -> lgb.Booster:
    """A booster of so many rounds.

    held: per column 1 (a larger value never lowers the log-odds), -1 (never raises them) or 0; empty for
    all 0. A missing value has no place in the order and goes its own way.
    """
    return lgb.train(fixed_params(seed) | shape.as_dict() | _held(held), rows, num_boost_round=rounds)


def fit_with_early_stopping(
    rows: lgb.Dataset,
    validation: lgb.Dataset,
    shape: Shape,
    *,
    seed: int,
    held: Sequence[int] = (),
    on_round: Callable[[int], None] | None = None,
) -> tuple[int, float]:
    """The number of rounds at which the weighted log-loss of `validation` is least, and that log-loss.

    held: as for `fit_booster`.
    """
    callbacks: list[Any] = [lgb.early_stopping(PATIENCE, verbose=False)]
    if on_round is not None:
        callbacks.append(lambda env: on_round(env.iteration))
    booster = lgb.train(
        fixed_params(seed) | shape.as_dict() | _held(held),
        rows,
        num_boost_round=MAX_ROUNDS,
        valid_sets=[validation],
        valid_names=["validation"],
        callbacks=callbacks,
    )
    rounds = max(booster.best_iteration, 1)
    return rounds, float(booster.best_score["validation"]["binary_logloss"])


def fixed_params(seed: int) -> dict[str, Any]:
    """What every fit has in common: the objective, one thread, all seeds."""
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "seed": seed,
        "data_random_seed": seed,
        "feature_fraction_seed": seed,
        "bagging_seed": seed,
        "extra_seed": seed,
        "objective_seed": seed,
        "verbosity": -1,
    }


def _held(held: Sequence[int]) -> dict[str, Any]:
    """Nothing where no column is held, so that the trees are the very same as without the question."""
    if not any(held):
        return {}
    return {"monotone_constraints": list(held), "monotone_constraints_method": "basic"}
