"""LightGBM as this project calls it: one thread, fixed seeds, the same bytes for the same rows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import lightgbm as lgb

from models.arrays import FloatArray

__all__ = ["Shape", "dataset", "fit_booster", "fit_with_early_stopping", "fixed_params"]

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


def dataset(X: FloatArray, y: FloatArray, weight: FloatArray, *, seed: int, like: Any = None) -> lgb.Dataset:
    """Rows binned once, for any number of fits; `like`: the dataset whose bins to use (validation)."""
    return lgb.Dataset(
        X, label=y, weight=weight, reference=like, params=fixed_params(seed), free_raw_data=True
    ).construct()


def fit_booster(rows: lgb.Dataset, shape: Shape, *, rounds: int, seed: int) -> lgb.Booster:
    """A booster of so many rounds."""
    return lgb.train(fixed_params(seed) | shape.as_dict(), rows, num_boost_round=rounds)


def fit_with_early_stopping(
    rows: lgb.Dataset,
    validation: lgb.Dataset,
    shape: Shape,
    *,
    seed: int,
    on_round: Callable[[int], None] | None = None,
) -> tuple[int, float]:
    """The number of rounds at which the weighted log-loss of `validation` is least, and that log-loss."""
    callbacks: list[Any] = [lgb.early_stopping(PATIENCE, verbose=False)]
    if on_round is not None:
        callbacks.append(lambda env: on_round(env.iteration))
    booster = lgb.train(
        fixed_params(seed) | shape.as_dict(),
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
