"""The linear half of the win model: what each feature adds when it adds the same at all times.

Trees find thresholds and joint effects but spend many splits on plain sums; a ridge logistic regression
finds plain sums and nothing else. The model is the mean of the two in log-odds, which is as additive as
either. (Equal weights: few closed deals cannot estimate better ones; Clemen, "Combining forecasts", 1989.
Measured in docs/design.md, "Trees and a line".)
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.arrays import FloatArray

__all__ = ["PENALTY_PER_ROW", "LinearPart"]

_MOST_ROWS = 20_000
"""Rows of one deal say much the same: beyond so many rows, every second, third, … one is read."""

PENALTY_PER_ROW = 0.01
"""Of the squared slopes; enough where deals are many."""

_TAIL = 0.005


@dataclass(frozen=True)
class LinearPart:
    """Log-odds as a sum over the encoder's columns.

    A value is held within low and high (the training rows' 0.5 % and 99.5 % quantiles), put on a signed
    log scale and standardised by centre and scale; it adds slope times that, or `missing` if it is NaN.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    slope: tuple[float, ...]
    missing: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(
        cls, X: FloatArray, y: FloatArray, weight: FloatArray, *, held: Sequence[int] = (),
        penalty: float = PENALTY_PER_ROW,
    ) -> "LinearPart":  # fmt: skip
        """Fitted on encoded rows X (n, k), NaN missing; y 1 won, 0 lost, both present. Deterministic.

        held: per column 1 (its slope is not below zero), -1 (not above) or 0; empty for all 0. penalty: of
        the squared slopes, per row.
        """
        thinned = slice(None, None, -(-y.size // _MOST_ROWS))
        X, y, weight = X[thinned], y[thinned], weight[thinned]
        empty = np.isnan(X).all(axis=0)
        filled = np.where(empty, 0.0, X)
        low, high = np.nanquantile(filled, [_TAIL, 1 - _TAIL], axis=0)
        logged = _logged(filled, low, high)
        centre, scale = np.nanmean(logged, axis=0), np.nanstd(logged, axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        values, absent = _standardised(logged, centre, scale)
        some_absent = absent.any(axis=0)
        design = np.hstack([values, absent[:, some_absent]])
        slope, intercept = _ridge(design, y, weight / weight.mean(), held, penalty)
        missing = np.zeros(X.shape[1])
        missing[some_absent] = slope[X.shape[1] :]
        return cls(
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            centre=tuple(centre.tolist()),
            scale=tuple(scale.tolist()),
            slope=tuple(slope[: X.shape[1]].tolist()),
            missing=tuple(missing.tolist()),
            intercept=intercept,
        )

    def contributions(self, X: FloatArray) -> FloatArray:
        """What each column of each row adds, (n, k); with the intercept their sum is the log-odds."""
        logged = _logged(X, np.array(self.low), np.array(self.high))
        values, absent = _standardised(logged, np.array(self.centre), np.array(self.scale))
        return values * np.array(self.slope) + absent * np.array(self.missing)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives back an equal part."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "LinearPart":
        """The part that `as_dict` described."""
        parts: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in stored.items()}
        return cls(**parts)


def _ridge(
    design: FloatArray, y: FloatArray, weight: FloatArray, held: Sequence[int], penalty: float
) -> tuple[FloatArray, float]:
    """Slopes, one per column of the design, and intercept.

    A held column whose slope comes out with the wrong sign is emptied, so that its slope is zero, and the
    rest is fitted again, until none has.
    """
    signs = np.zeros(design.shape[1])
    signs[: len(held)] = held
    ridge = LogisticRegression(C=1 / (penalty * y.size), max_iter=200, tol=1e-4)
    while True:
        with threadpool_limits(limits=1, user_api="blas"):
            ridge.fit(design, y, sample_weight=weight)
        wrong = signs * ridge.coef_[0] < 0
        if not wrong.any():
            return ridge.coef_[0], float(ridge.intercept_[0])
        design = np.where(wrong, 0.0, design)


def _logged(X: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    held = np.clip(X, low, high)
    return np.asarray(np.sign(held) * np.log1p(np.abs(held)), dtype=np.float64)


def _standardised(logged: FloatArray, centre: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standardised values, zero where missing; and one where missing, zero elsewhere."""
    absent = np.isnan(logged)
    return np.where(absent, 0.0, (logged - centre) / scale), absent.astype(np.float64)
