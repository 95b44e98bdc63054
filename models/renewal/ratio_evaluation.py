"""How well the ratio of renewed to committed amount is told, on the same test rows."""

from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import BoolArray, FloatArray
from models.baselines import column_numbers
from models.metrics import Resampling
from models.renewal.ratio import INTERVAL, RatioModel

__all__ = ["score_ratio"]

_QUANTILES = (0.025, 0.975)


def score_ratio(predictions: pa.Table, ratio: RatioModel, drawn: Resampling) -> dict[str, Any]:
    """Errors and coverage of the ratio, with intervals over draws of accounts.

    predictions: of `evaluate_renewal`. if_renewed: mean absolute error of the median on renewed contracts,
    beside 1 for every contract and the training median, and the share within the 80 % interval. with_churn:
    mean of what was expected and of what came, and the share within the interval, on all contracts; those
    that churned count by the share of the renewed whose ratio is known.
    """
    actual, weight, y = (column_numbers(predictions, name) for name in ("ratio", "weight", "y"))
    known = np.isfinite(actual)
    renewed = known & (y > 0.5)
    told = weight[renewed].sum() / max(weight[y > 0.5].sum(), 1e-300)
    return {
        "kind": ratio.kind,
        "level": INTERVAL[1] - INTERVAL[0],
        "rows": int(renewed.sum()),
        "judged_in_log": ratio.judged,
        "note": ratio.note,
        "if_renewed": _if_renewed(predictions, ratio, actual, weight, renewed, drawn),
        "with_churn": _with_churn(
            predictions, actual, np.where(y > 0.5, weight, weight * told), known & renewed.any(), drawn
        ),
    }


def _if_renewed(
    predictions: pa.Table, ratio: RatioModel, actual: FloatArray, weight: FloatArray, rows: BoolArray,
    drawn: Resampling,
) -> dict[str, Any]:  # fmt: skip
    median, low, high = (
        column_numbers(predictions, name)
        for name in ("median_if_renewed", "low_if_renewed", "high_if_renewed")
    )
    error = np.abs(actual - median)
    against_one = np.abs(actual - 1) - error
    against_median = np.abs(actual - np.exp(ratio.constant)) - error
    within = ((actual >= low) & (actual <= high)).astype(np.float64)
    return {
        "mean_absolute_error": _mean(error, weight, rows, drawn),
        "saved_against_one": _mean(against_one, weight, rows, drawn),
        "saved_against_median": _mean(against_median, weight, rows, drawn),
        "within_interval": _mean(within, weight, rows, drawn),
    }


def _with_churn(
    predictions: pa.Table, actual: FloatArray, weight: FloatArray, rows: BoolArray, drawn: Resampling
) -> dict[str, Any]:
    mean, low, high = (
        column_numbers(predictions, name) for name in ("expected_ratio", "ratio_low", "ratio_high")
    )
    within = ((actual >= low) & (actual <= high)).astype(np.float64)
    return {
        "expected": _mean(mean, weight, rows, drawn),
        "actual": _mean(actual, weight, rows, drawn),
        "expected_less_actual": _mean(mean - actual, weight, rows, drawn),
        "within_interval": _mean(within, weight, rows, drawn),
    }


def _mean(values: FloatArray, weight: FloatArray, rows: BoolArray, drawn: Resampling) -> dict[str, Any]:
    """A weighted mean of some rows and its interval (2.5 %, 97.5 %) over draws; nulls without rows."""
    if not rows.any() or weight[rows].sum() <= 0:
        return {"value": None, "interval": None}
    counted = np.where(rows, weight, 0.0)
    means = drawn.means(np.where(rows, values, 0.0), counted)
    kept = means[np.isfinite(means)]
    enough = drawn.counts.shape[1] > 1 and kept.size > 0
    return {
        "value": float(np.average(values[rows], weights=weight[rows])),
        "interval": np.quantile(kept, _QUANTILES).tolist() if enough else None,
    }
