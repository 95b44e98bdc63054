"""The rows on which segments are fitted and judged, and how a fit and its gain are made."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, known_outcomes
from models.baselines import stage_age_table
from models.calibration import sigmoid
from models.censoring import window_weights
from models.metrics import Resampling, log_loss_difference, log_odds
from models.segment_report import Gain
from models.split import Split

__all__ = ["PULL", "Side", "Sides", "coefficients", "gain_over", "sides_of"]

PULL = 4.0
"""Penalty on a squared shift, in deals: it draws a segment's rate as 20 deals at the base rate would."""
_REPLICATES = 500


@dataclass(frozen=True)
class Side:
    """Labelled rows of one side of the split: y 0 or 1, weight (every deal alike, corrected for censoring).

    known: the log-odds of P(won) before the segment, by context. Earlier rows' weights add up to their deals.
    """

    frame: pa.Table
    y: FloatArray
    weight: FloatArray
    deal: IntArray
    known: dict[str, FloatArray]

    @property
    def deals(self) -> int:
        """Number of deals."""
        return int(np.unique(self.deal).size)

    def where(self, rows: BoolArray) -> "Side":
        """Some of the rows."""
        known = {name: z[rows] for name, z in self.known.items()}
        frame = self.frame.filter(pa.array(rows))
        return Side(frame, self.y[rows], self.weight[rows], self.deal[rows], known)


@dataclass(frozen=True)
class Sides:
    """Earlier rows to fit on, later ones to judge by, and the draws of later deals."""

    fitted: Side
    test: Side
    resampling: Resampling

    def where(self, fitted: BoolArray, test: BoolArray) -> "Sides":
        """Some of the rows of each side."""
        later = self.test.where(test)
        # the same draws of deals, seen on fewer rows
        return Sides(
            self.fitted.where(fitted), later, Resampling(self.resampling.counts, self.resampling.deal[test])
        )


def sides_of(frame: pa.Table, labels: pa.Table, split: Split, seed: int) -> Sides:
    """Train and calibration rows to fit on, test rows to judge by, with what is known of each before."""
    y, deal = known_outcomes(labels), deal_codes(labels)
    earlier, later = split.train.known | split.calibration.known, split.test.known
    weight = window_weights(labels, split.train, deal_power=1) + window_weights(
        labels, split.calibration, deal_power=1
    )
    weight = weight * (np.unique(deal[earlier]).size / weight.sum())
    base = float(np.average(y[earlier], weights=weight[earlier]))
    table = stage_age_table(frame.filter(pa.array(earlier)), y[earlier], weight[earlier], base)

    def side(rows: BoolArray, weight: FloatArray) -> Side:
        seen = frame.filter(pa.array(rows))
        known = {"base_rate": log_odds(np.full(seen.num_rows, base)), "stage_and_age": log_odds(table(seen))}
        return Side(seen, y[rows], weight[rows], deal[rows], known)

    test = side(later, window_weights(labels, split.test, deal_power=1))
    return Sides(side(earlier, weight), test, Resampling.over(test.deal, replicates=_REPLICATES, seed=seed))


def coefficients(X: FloatArray, side: Side, z: FloatArray, penalty: FloatArray) -> FloatArray:
    """Ridge logistic regression on top of log-odds z, by Newton's method; shape (columns,)."""
    found = np.zeros(X.shape[1])
    for _ in range(50):
        p = sigmoid(z + X @ found)
        gradient = X.T @ (side.weight * (side.y - p)) - penalty * found
        curvature = (X * (side.weight * p * (1 - p))[:, None]).T @ X + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        found = found + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-7:
            break
    return found


def gain_over(sides: Sides, p: FloatArray, other: FloatArray) -> Gain:
    """How much lower p's log-loss is than other's, on the test rows."""
    found = log_loss_difference(sides.test.y, p, other, sides.test.weight, sides.resampling)
    interval = found["interval"]
    return Gain(found["difference"], (interval[0], interval[1]) if interval else None, found["lower_bound"])
