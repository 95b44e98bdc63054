"""What changed between two scorings of a deal: an exact split of the difference in log-odds.

From run A (instant t0, model M0, as published) to run B (instant t1, model M1) in four steps, each told
apart by what M1 sees:

    as published by A  ── model ──▶  the same values, read by M1
                       ── corrected ──▶  features at t0 as the records tell them now
                       ── time ──▶  features at t1 of rows recorded before t0: the clock alone moved
                       ── event ──▶  features at t1 of every row

The last three are differences of contributions, so each is a sum over features. All four add up to the
difference exactly. Pure functions of arrays.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray

__all__ = ["KINDS", "TOLERANCE", "Change", "ChangeKind", "Views", "decompose", "points_per_log_odds"]

ChangeKind = Literal["model", "corrected", "time", "event"]
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
TOLERANCE = 1e-6
"""Log-odds: what the terms may differ from the whole by."""

_SAME = 1e-9


@dataclass(frozen=True)
class Views:
    """Contributions by M1, (n, k) each and in log-odds, to what is known of the same n deals in four ways.

    as_seen: the values that run A published. recomputed: features at t0 as the records are now. by_clock:
    at t1, from rows recorded before t0. now: at t1, from every row. base: M1's, in log-odds.
    """

    base: float
    as_seen: FloatArray
    recomputed: FloatArray
    by_clock: FloatArray
    now: FloatArray


@dataclass(frozen=True)
class Change:
    """Terms in log-odds that add up to after − before: model (n,), the others by feature (n, k)."""

    model: FloatArray
    corrected: FloatArray
    time: FloatArray
    event: FloatArray

    @property
    def total(self) -> FloatArray:
        """The sum of all terms, (n,)."""
        return self.model + self.corrected.sum(axis=1) + self.time.sum(axis=1) + self.event.sum(axis=1)

    def of_features(self) -> tuple[tuple[ChangeKind, FloatArray], ...]:
        """The kinds that are sums over features, with their terms."""
        return ("corrected", self.corrected), ("time", self.time), ("event", self.event)


def decompose(views: Views, before: FloatArray, after: FloatArray, *, same_model: bool) -> Change:
    """The change of the log-odds `before` (run A) to `after` (run B), both (n,).

    same_model: M0 is M1, so its term is exactly zero (views.as_seen are the published contributions). Raises
    ModelContractError if the terms differ from after − before by more than 1e-6.
    """
    read_anew = views.base + views.as_seen.sum(axis=1)
    change = Change(
        model=np.zeros_like(before) if same_model else read_anew - before,
        corrected=views.recomputed - views.as_seen,
        time=views.by_clock - views.recomputed,
        event=views.now - views.by_clock,
    )
    _check_exact(change.total, after - before)
    return change


def points_per_log_odds(
    p_before: FloatArray, p_after: FloatArray, log_odds_before: FloatArray, log_odds_after: FloatArray
) -> FloatArray:
    """Percentage points that one unit of log-odds stands for between two scores, elementwise and at least 0.

    Times the terms of a change, these sum to 100 · (p_after − p_before). Where both scores are the same: the
    slope there, 100 · p(1 − p).

    >>> one = np.array([0.5])
    >>> points_per_log_odds(one, one, np.array([0.0]), np.array([0.0]))
    array([25.])
    """
    moved = log_odds_after - log_odds_before
    same = np.abs(moved) < _SAME
    slope = (p_after - p_before) / np.where(same, 1.0, moved)
    return np.asarray(100 * np.where(same, p_after * (1 - p_after), slope), dtype=np.float64)


def _check_exact(total: FloatArray, expected: FloatArray) -> None:
    gap = np.abs(total - expected)
    if gap.size and not gap.max() <= TOLERANCE:
        row = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
        raise ModelContractError(
            f"What changed: expected the terms to equal the difference in log-odds to {TOLERANCE:g}, found a "
            f"gap of {gap[row]:g} in row {row}. The scores are not of these views; score again."
        )
