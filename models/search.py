"""The search for a shape of trees: few, seeded trials, judged on later deals within the train window.

Neither the calibration nor the test window is ever read here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, known_outcomes
from models.boosting import Rows, Shape, fit_with_early_stopping
from models.censoring import window_weights
from models.directions import held_directions
from models.encoding import Encoder
from models.split import Split, Window, inner_split

__all__ = ["Found", "grown", "inner_rows", "sample_of_deals", "search"]

MAX_SEARCH_ROWS = 40_000
_ROUNDS_WITHOUT_VALIDATION = 60
_GROWTH_AT_MOST = 1.25


@dataclass(frozen=True)
class Found:
    """What the search chose: shape, rounds for a fit on all training rows, and how each trial did."""

    shape: Shape
    rounds: int
    trials: tuple[dict[str, Any], ...]


def search(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    features: tuple[Feature, ...],
    *,
    start: Shape,
    deal_power: float,
    seed: int,
    n_trials: int,
    on_step: Callable[[str], None] | None = None,
) -> Found:
    """The best of `start` and n_trials further shapes, with its number of rounds from early stopping.

    With n_trials 0 only the rounds are searched. Above MAX_SEARCH_ROWS rows the shapes are judged on a
    seeded sample of deals, and the best one's rounds on all. Where the train window is too thin to
    validate within, `start` is kept as it is.
    """
    inner = inner_split(labels, split)
    if inner is None:
        return Found(start, _ROUNDS_WITHOUT_VALIDATION, ())
    known = inner[0].known | inner[1].known
    everyone = np.ones(known.size, dtype=bool)
    sampled = sample_of_deals(deal_codes(labels), known, seed, most=MAX_SEARCH_ROWS) if n_trials else everyone
    held = held_directions(features)
    parts = _parts(frame, labels, inner, sampled, features, deal_power, seed)
    trials: list[dict[str, Any]] = []
    best = (np.inf, start, 1)

    def judge(shape: Shape) -> float:
        nonlocal best
        rounds, loss = fit_with_early_stopping(*parts, shape, seed=seed, held=held)
        trials.append({**shape.as_dict(), "rounds": rounds, "validation_log_loss": loss})
        best = min(best, (loss, shape, rounds), key=lambda judged: judged[0])
        if on_step is not None:
            on_step(f"trial {len(trials)} of {n_trials + 1}: log-loss {loss:.4f}, best {best[0]:.4f}")
        return loss

    judge(start)
    if n_trials:
        _explore(judge, seed=seed, n_trials=n_trials)
    _, shape, rounds = best
    if not sampled.all():
        full = _parts(frame, labels, inner, everyone, features, deal_power, seed)
        rounds, _ = fit_with_early_stopping(*full, shape, seed=seed, held=held)
    return Found(shape, grown(rounds, split, inner), tuple(trials))


def grown(rounds: int, split: Split, inner: tuple[Window, Window]) -> int:
    """Rounds for a fit on all training rows, from those that were best on the inner, smaller window."""
    growth = min(split.train.known.sum() / inner[0].known.sum(), _GROWTH_AT_MOST)
    return max(round(rounds * growth), 1)


def inner_rows(
    frame: pa.Table,
    labels: pa.Table,
    inner: tuple[Window, Window],
    features: tuple[Feature, ...],
    *,
    sampled: BoolArray,
    deal_power: float,
) -> tuple[Rows, Rows]:
    """The rows to fit on and those to validate on; the encoder has seen the former only."""
    fit, validation = inner
    y, deal = known_outcomes(labels), deal_codes(labels)
    fit_weight = window_weights(labels, fit, deal_power=deal_power)
    encoder = Encoder.fit(frame, y, rows=fit.known & sampled, weight=fit_weight, features=features)

    def encoded(rows: BoolArray, weight: FloatArray) -> Rows:
        return Rows(encoder.transform(frame.filter(pa.array(rows))), y[rows], weight[rows], deal[rows])

    held_out = encoded(validation.known & sampled, window_weights(labels, validation))
    return encoded(fit.known & sampled, fit_weight), held_out


def sample_of_deals(
    deals: IntArray, known: BoolArray, seed: int, *, most: int = MAX_SEARCH_ROWS
) -> BoolArray:
    """Rows of a seeded sample of the known rows' deals, about `most` of them; all if there are no more."""
    share = most / max(int(known.sum()), 1)
    if share >= 1:
        return np.ones(known.size, dtype=bool)
    # deals are drawn in order of their known rows only, so that rows not known cannot move the draw
    drawn = np.zeros(int(deals.max()) + 1, dtype=bool)
    names = np.unique(deals[known])
    drawn[names] = np.random.default_rng(seed).random(names.size) < share
    return np.asarray(drawn[deals], dtype=bool)


def _explore(judge: Callable[[Shape], float], *, seed: int, n_trials: int) -> None:
    import optuna  # a second to import, and needed only here

    optuna.logging.disable_default_handler()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5))
    study.optimize(lambda trial: judge(_suggest(trial)), n_trials=n_trials, n_jobs=1)


def _suggest(trial: Any) -> Shape:
    return Shape(
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.12, log=True),
        num_leaves=trial.suggest_int("num_leaves", 4, 15),
        max_depth=trial.suggest_int("max_depth", 2, 5),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 20, 400, log=True),
        lambda_l2=trial.suggest_float("lambda_l2", 0.1, 50.0, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.3, 1.0),
    )


def _parts(
    frame: pa.Table,
    labels: pa.Table,
    inner: tuple[Window, Window],
    sampled: BoolArray,
    features: tuple[Feature, ...],
    deal_power: float,
    seed: int,
) -> tuple[Any, Any]:
    """`inner_rows`, binned."""
    fit, validation = inner_rows(frame, labels, inner, features, sampled=sampled, deal_power=deal_power)
    rows = fit.binned(seed)
    return rows, validation.binned(seed, rows)
