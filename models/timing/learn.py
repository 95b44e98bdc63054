"""Learning when deals close, from labelled snapshots up to the end of the calibration window."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, deal_codes
from models.boosting import Shape, dataset, fit_booster, fit_with_early_stopping
from models.columns import only
from models.encoding import Encoder
from models.metrics import row_log_loss
from models.split import Split
from models.timing.at_risk import AtRisk, Followed, bin_edges
from models.timing.close_timing import CloseTiming, Trees, clocks_of, matrix, timing_columns
from models.timing.stage_age import STAGE_AND_AGE, StageAge

__all__ = ["learn_timing", "plain_timing"]

_SHAPE = Shape(learning_rate=0.15, num_leaves=16, max_depth=5, min_data_in_leaf=100, lambda_l2=10.0)
_MOST_PAIRS = 100_000
_LEAST_DEALS = 20
_TOO_FEW = f"fewer than {_LEAST_DEALS} won or lost deals to fit trees on, or to judge them by"


def learn_timing(
    frame: pa.Table, labels: pa.Table, split: Split, encoder: Encoder, *, seed: int
) -> tuple[CloseTiming, dict[str, Any]]:
    """The time to close as it was known at the end of the calibration window, and how it was learnt.

    frame, labels: row for row alike. encoder: the win model's, whose columns of time are read. Trees are
    fitted to the train window and held against the plain curves by stage and age on the calibration
    window, by the likelihood of what was followed there; if they win they are fitted again to both windows,
    else the curves serve. Above 100,000 pairs of snapshot and bin a seeded sample of the snapshots is
    used. Rows at or after the windows' ends change nothing.
    """
    both, end = split.train.inside | split.calibration.inside, split.calibration.end
    plain = plain_timing(frame, labels, end, inside=both)
    trial = _trial(frame, labels, split, encoder, seed)
    timing, read = plain, 0
    if trial.rounds is not None:
        seen = _seen(frame, labels, both, end, plain.edges, seed)
        timing, read = replace(plain, trees=_fit(seen, encoder, trial.rounds, seed)), seen.frame.num_rows
    return timing, {
        "basis": timing.basis,
        "snapshots": int(both.sum()),
        "snapshots_read_by_trees": read,
        "edges_days": list(plain.edges),
        "followed_until": end.isoformat(),
        "trial": trial.about,
    }


def plain_timing(
    frame: pa.Table, labels: pa.Table, end: datetime, *, inside: BoolArray | None = None
) -> CloseTiming:
    """The plain curves by stage and age alone, as known at `end`; also from no snapshots at all.

    inside: the snapshots to count, all of which lie before `end`; every row unless given.
    """
    rows = np.arange(frame.num_rows) if inside is None else np.flatnonzero(inside)
    followed = Followed.of(labels, end).take(rows)
    edges = bin_edges(followed)
    curves = StageAge.fit(only(frame, STAGE_AND_AGE).take(rows), followed.at_risk(edges), edges)
    return CloseTiming(tuple(edges.tolist()), curves)


@dataclass(frozen=True)
class _Seen:
    """Snapshots and their pairs with bins, as far as they were followed."""

    frame: pa.Table
    risk: AtRisk
    edges: FloatArray

    @property
    def deals(self) -> tuple[int, int]:
        """Deals that were seen to close as won and as lost."""
        deal, closed, won = deal_codes(self.frame)[self.risk.row], self.risk.closed, self.risk.won
        return np.unique(deal[won]).size, np.unique(deal[closed & ~won]).size

    def asked(self, encoder: Encoder) -> FloatArray:
        """What the boosters read, a row per pair."""
        X, clocks = encoder.transform(self.frame), clocks_of(self.frame, encoder.names)
        return matrix(X, clocks, self.risk.row, self.risk.bin, self.edges)

    def questions(self, X: FloatArray) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """Rows and outcomes of both questions: does it close in the bin; if so, is it won."""
        closed = self.risk.closed
        return (X, closed.astype(np.float64)), (X[closed], self.risk.won[closed].astype(np.float64))


@dataclass(frozen=True)
class _Trial:
    """Rounds of the two boosters, closing and won; None where the plain curves serve. about: the figures."""

    rounds: tuple[int, int] | None
    about: dict[str, Any]


def _seen(
    frame: pa.Table, labels: pa.Table, inside: BoolArray, end: datetime, edges: tuple[float, ...], seed: int
) -> _Seen:
    """The snapshots inside, a seeded sample of them if they make too many pairs."""
    rows, bounds = np.flatnonzero(inside), np.array(edges)
    followed = Followed.of(labels, end).take(rows)
    risk = followed.at_risk(bounds)
    if risk.row.size > _MOST_PAIRS:
        n = rows.size * _MOST_PAIRS // risk.row.size
        few = np.sort(np.random.default_rng(seed).choice(rows.size, n, replace=False))
        rows, risk = rows[few], followed.take(few).at_risk(bounds)
    return _Seen(frame.take(rows), risk, bounds)


def _trial(frame: pa.Table, labels: pa.Table, split: Split, encoder: Encoder, seed: int) -> _Trial:
    """How many rounds do best on the calibration window, and whether they beat the plain curves there."""
    train, calibration = split.train, split.calibration
    plain = plain_timing(frame, labels, train.end, inside=train.inside)
    early = _seen(frame, labels, train.inside, train.end, plain.edges, seed)
    later = _seen(frame, labels, calibration.inside, calibration.end, plain.edges, seed)
    about: dict[str, Any] = {"deals_closed_before": sum(early.deals), "deals_closed": sum(later.deals)}
    if min(*early.deals, *later.deals) < _LEAST_DEALS:
        return _Trial(None, about | {"reason": _TOO_FEW})
    columns = timing_columns(encoder)
    fitted, held = (one.questions(one.asked(columns)) for one in (early, later))
    rounds, by_trees = zip(
        *(_early_stopped(a, b, seed) for a, b in zip(fitted, held, strict=True)), strict=True
    )
    trees, curves = _per_pair(by_trees, later), _per_pair(_plain_losses(plain.stage_age, later), later)
    better = trees < curves
    about |= {"log_loss": {"trees": trees, "stage_age": curves}, "rounds": list(rounds)}
    if not better:
        return _Trial(None, about | {"reason": "the trees do no better than the plain curves"})
    return _Trial(rounds, about | {"reason": "the trees do better than the plain curves"})


def _early_stopped(
    fitted: tuple[FloatArray, FloatArray], held: tuple[FloatArray, FloatArray], seed: int
) -> tuple[int, float]:
    """Rounds at which the log-loss of the held rows is least, and that log-loss."""
    rows = dataset(*fitted, np.ones(len(fitted[1])), seed=seed)
    validation = dataset(*held, np.ones(len(held[1])), seed=seed, like=rows)
    return fit_with_early_stopping(rows, validation, _SHAPE, seed=seed)


def _fit(seen: _Seen, encoder: Encoder, rounds: tuple[int, int], seed: int) -> Trees:
    columns = timing_columns(encoder)
    texts = []
    for (X, y), n in zip(seen.questions(seen.asked(columns)), rounds, strict=True):
        rows = dataset(X, y, np.ones(y.size), seed=seed)
        texts.append(fit_booster(rows, _SHAPE, rounds=n, seed=seed).model_to_string())
    return Trees(columns, *texts)


def _plain_losses(curves: StageAge, seen: _Seen) -> tuple[float, float]:
    """The mean log-loss of both questions' pairs by the plain curves."""
    given, (row, held, closed) = (
        curves.hazards(seen.frame, seen.edges),
        (seen.risk.row, seen.risk.bin, seen.risk.closed),
    )
    of_closing = row_log_loss(closed.astype(np.float64), given.closing[row, held])
    of_won = row_log_loss(seen.risk.won[closed].astype(np.float64), given.won_if_closed[row, held][closed])
    return float(of_closing.mean()), float(of_won.mean())


def _per_pair(losses: tuple[float, ...], seen: _Seen) -> float:
    """The whole log-likelihood per pair, in nats: that of closing, and of the outcome where it closed."""
    return losses[0] + losses[1] * float(seen.risk.closed.mean())
