"""Calibration in log-odds: served log-odds = slope · model log-odds + intercept.

A straight line, so that explanations stay exactly additive. Fitted on a later slice than the model,
by penalised maximum likelihood: with few deals the line stays near slope 1, intercept 0.
"""

from dataclasses import dataclass

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray

__all__ = ["IDENTITY", "Calibration", "fit_calibration", "sigmoid"]

SLOPE_AT_LEAST = 0.05
_SLOPE_SD = 0.25
_INTERCEPT_SD = 0.4
"""How far a model is expected to be off before any deal has spoken; measured on simulated worlds."""
_STEPS = 50


@dataclass(frozen=True)
class Calibration:
    """The line, and `note`: what is to be said about how it came about (empty if nothing)."""

    slope: float
    intercept: float
    note: str = ""

    def apply(self, log_odds: FloatArray) -> FloatArray:
        """Calibrated log-odds."""
        return self.slope * log_odds + self.intercept


IDENTITY = Calibration(1.0, 0.0, "Not calibrated: no deal closed in the calibration window.")


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Probability of log-odds, without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def fit_calibration(log_odds: FloatArray, y: FloatArray, weight: FloatArray, *, n_deals: int) -> Calibration:
    """The line that makes probabilities fit outcomes best; the slope is held above zero.

    log_odds, y (0 or 1), weight: shape (n,). n_deals: how many deals the rows come from; the rows
    count as that many observations against the prior, because rows of one deal repeat each other.
    Raises ModelContractError if log_odds are not finite.
    """
    if not np.isfinite(log_odds).all():
        raise ModelContractError(
            "Calibration: expected finite log-odds from the model, found NaN or infinity. Train again."
        )
    if not y.size or weight.sum() <= 0:
        return IDENTITY
    weight = weight * (n_deals / weight.sum())
    slope, intercept = _newton(log_odds, y, weight, free_slope=True, slope=1.0)
    if slope >= SLOPE_AT_LEAST:
        return Calibration(slope, intercept)
    slope, intercept = _newton(log_odds, y, weight, free_slope=False, slope=SLOPE_AT_LEAST)
    note = "The model's ranking did not hold on later deals; its scores are shrunk to nearly the base rate."
    return Calibration(slope, intercept, note)


def _newton(
    z: FloatArray, y: FloatArray, weight: FloatArray, *, free_slope: bool, slope: float
) -> tuple[float, float]:
    """Slope and intercept at the maximum of the penalised log-likelihood, by damped Newton steps."""
    X = np.column_stack([z, np.ones_like(z)])
    prior = np.array([_SLOPE_SD**-2, _INTERCEPT_SD**-2])
    centre, at = np.array([1.0, 0.0]), np.array([slope, 0.0])

    def loss(theta: FloatArray) -> float:
        odds = X @ theta
        fit = np.logaddexp(0, odds) - y * odds
        return float((weight * fit).sum() + 0.5 * (prior * (theta - centre) ** 2).sum())

    for _ in range(_STEPS):
        p = sigmoid(X @ at)
        gradient = X.T @ (weight * (p - y)) + prior * (at - centre)
        curvature = (X.T * (weight * p * (1 - p))) @ X + np.diag(prior)
        step = np.linalg.solve(curvature, gradient) if free_slope else np.zeros(2)
        if not free_slope:
            step[1] = gradient[1] / curvature[1, 1]
        while loss(at - step) > loss(at) and np.abs(step).max() > 1e-12:
            step = step / 2
        at = at - step
        if np.abs(step).max() < 1e-10:
            break
    return float(at[0]), float(at[1])
