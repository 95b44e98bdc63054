"""Whether each feature earns its place, read from one fitted model without fitting it again.

What a feature is worth to the model as it stands: the out-of-time log-loss that is lost when its
contribution, in log-odds, is replaced by the mean contribution. Columns that tell the same share their
worth, so a small figure says that the model can do without this column, not that the fact is worth nothing.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from features.feature import Feature, Kind
from models.arrays import BoolArray, FloatArray
from models.boosting import Rows
from models.calibration import sigmoid
from models.metrics import Resampling, log_loss_difference
from models.win_model import WinModel

__all__ = ["SMALL_SHARE", "contribution_shares", "feature_worths", "filled_columns"]

SMALL_SHARE = 0.0025
"""Of all features' mean absolute contributions: less than a quarter of a percent is a small share."""

_NO_SLOPE = 1e-6


def filled_columns(X: FloatArray, kinds: Sequence[Kind]) -> BoolArray:
    """Per column of encoded rows, whether it says anything: two different values, or one that some lack.

    A zero that some lack is no evidence: it says of no row that something happened.
    """
    filled = np.zeros(X.shape[1], dtype=bool)
    for place, kind in enumerate(kinds):
        known = X[~np.isnan(X[:, place]), place]
        if known.size:
            said = kind == "category" or known[0] != 0
            filled[place] = np.ptp(known) > 0 or (known.size < X.shape[0] and said)
    return filled


def contribution_shares(
    parts: FloatArray, groups: Sequence[str], weight: FloatArray
) -> dict[str, dict[str, float]]:
    """Per group the mean absolute sum of its contributions, `log_odds`, and its `share` of all groups'.

    parts: contributions (n, k); groups: the group of each column; weight: of each row.
    """
    of = np.array(groups)
    sizes = {
        name: float(np.average(np.abs(parts[:, of == name].sum(axis=1)), weights=weight))
        for name in dict.fromkeys(groups)
    }
    total = sum(sizes.values())
    return {name: {"log_odds": size, "share": size / total if total else 0.0} for name, size in sizes.items()}


def feature_worths(
    model: WinModel,
    features: Sequence[Feature],
    test: Rows,
    *,
    filled: BoolArray,
    resampling: Resampling,
) -> list[dict[str, Any]]:
    """One row per feature, in the model's order.

    test: out-of-time rows. filled: whether the training rows differ in the column. Each row holds feature,
    family, filled, in_trees (number of splits), in_line (slope or mark of being missing), share (of the
    mean absolute contributions), gain with interval and lower_bound (nats), candidate: whether it may go,
    because no gain above zero can be told from noise and its share is below SMALL_SHARE.
    """
    base, parts = model.contributions_of(test.X)
    log_odds = base + parts.sum(axis=1)
    p = sigmoid(log_odds)
    means = np.average(parts, axis=0, weights=test.weight)
    sizes = np.average(np.abs(parts - means), axis=0, weights=test.weight)
    shares = sizes / sizes.sum() if sizes.sum() > 0 else sizes
    splits, in_line = _splits(model), _in_line(model)
    rows = []
    for i, feature in enumerate(features):
        without = sigmoid(log_odds - parts[:, i] + means[i])
        gain = log_loss_difference(test.y, p, without, test.weight, resampling)
        bound = gain["lower_bound"]
        rows.append({
            "feature": feature.name,
            "family": feature.family,
            "filled": bool(filled[i]),
            "in_trees": int(splits[i]),
            "in_line": bool(in_line[i]),
            "share": float(shares[i]),
            "gain": gain["difference"],
            "interval": gain["interval"],
            "lower_bound": bound,
            "candidate": bool(filled[i] and (bound is None or bound <= 0) and shares[i] < SMALL_SHARE),
        })  # fmt: skip
    return rows


def _splits(model: WinModel) -> FloatArray:
    """How many splits of the trees read each column, from the trees' own text."""
    counts = np.zeros(len(model.feature_names))
    for line in re.findall(r"^split_feature=(.+)$", model.booster_text, re.MULTILINE):
        np.add.at(counts, np.array(line.split(), dtype=np.int64), 1)
    return counts


def _in_line(model: WinModel) -> BoolArray:
    line = model.linear
    if line is None:
        return np.zeros(len(model.feature_names), dtype=bool)
    found = np.maximum(np.abs(np.array(line.slope)), np.abs(np.array(line.missing))) > _NO_SLOPE
    return np.asarray(found, dtype=bool)
