"""The direction in which each feature moves the model, beside the one that a seller would expect.

A feature's contributions (log-odds) are set against its values by rank correlation, over the rows that
have a value. What contradicts the expectation is reported, never hidden: it may be chance, a belief that
does not hold in this data, or a shadow: of two features that tell nearly the same the model may raise one
too far and take it back with the other. So the outcomes are set against the values too: a contradiction
that the outcomes do not share is a shadow.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa

from features.feature import Feature
from models.arrays import BoolArray, FloatArray, deal_codes
from models.metrics import Resampling
from models.win_model import WinModel

__all__ = [
    "DIRECTIONS_FILE",
    "FLAT_BELOW",
    "MIXED_BELOW",
    "Direction",
    "Verdict",
    "directions_document",
    "held_directions",
    "learnt_directions",
    "write_directions",
]

DIRECTIONS_FILE = "directions.json"

Verdict = Literal["agrees", "contradicts", "mixed", "flat", "absent"]

FLAT_BELOW = 0.005
"""Log-odds. A feature whose contributions spread less than so much moves no probability that anyone sees."""

MIXED_BELOW = 0.5
"""A rank correlation closer to zero than this, or one whose interval holds zero, is no direction."""

_MOST_ROWS = 10_000
_SIGNS = {"higher is better": 1, "lower is better": -1, "depends": 0}
_ORDER: tuple[Verdict, ...] = ("contradicts", "mixed", "agrees", "flat", "absent")


@dataclass(frozen=True)
class Direction:
    """How a feature with an expected direction moves the model.

    correlation: rank correlation of contribution and value, -1 to 1, with its 95 % `interval` over draws
    of deals; None where there is nothing to correlate. outcome_correlation, outcome_interval: the same of
    outcome and value, the model aside. spread: the contributions' standard deviation, in log-odds. rows:
    those that have a value. verdict: "agrees" or "contradicts" the expectation, "mixed" (no clear
    direction), "flat" (moves nothing), "absent" (one value in all rows). in_outcomes: "agrees" or
    "contradicts" if the outcomes' interval lies on one side of zero, else "unclear".
    """

    feature: str
    family: str
    expected: str
    certain: bool
    verdict: Verdict
    correlation: float | None
    interval: tuple[float, float] | None
    spread: float
    in_outcomes: Literal["agrees", "contradicts", "unclear"]
    outcome_correlation: float | None
    outcome_interval: tuple[float, float] | None
    rows: int


def held_directions(features: Sequence[Feature]) -> tuple[int, ...]:
    """Per feature 1 or -1 where its expected direction is beyond doubt, 0 for all others."""
    return tuple(
        _SIGNS[feature.expected] if feature.certain and feature.kind != "category" else 0
        for feature in features
    )


def learnt_directions(
    model: WinModel,
    frame: pa.Table,
    features: Sequence[Feature],
    *,
    y: FloatArray,
    weight: FloatArray,
    seed: int = 0,
) -> tuple[Direction, ...]:
    """The direction of each feature that has an expected one, contradictions first.

    frame: rows to explain, best those that the model was fitted on; of more than 10,000 every second,
    third, … is read. y: 1 won, 0 lost, and weight, one per row. Features that the model does not hold
    are left out.
    """
    thinned = slice(None, None, -(-frame.num_rows // _MOST_ROWS) or 1)
    frame, y, weight = frame.take(np.arange(frame.num_rows)[thinned]), y[thinned], weight[thinned]
    X = model.encoder.transform(frame)
    _, parts = model.contributions_of(X)
    resampling = Resampling.over(deal_codes(frame), seed=seed)
    place = {name: i for i, name in enumerate(model.feature_names)}
    found = [
        _direction(feature, X[:, place[feature.name]], parts[:, place[feature.name]], y, weight, resampling)
        for feature in features
        if feature.name in place and _SIGNS[feature.expected]
    ]
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.verdict), -one.spread, one.feature)))


def directions_document(directions: Sequence[Direction], *, model_version: str) -> dict[str, Any]:
    """What directions.json holds: counts by verdict, thresholds, and each direction."""
    counts = {verdict: sum(one.verdict == verdict for one in directions) for verdict in _ORDER}
    return {
        "schema_version": 1,
        "model_version": model_version,
        "counts": counts,
        "flat_below_log_odds": FLAT_BELOW,
        "mixed_below_correlation": MIXED_BELOW,
        "features": [asdict(one) for one in directions],
    }


def write_directions(document: dict[str, Any], run_dir: Path) -> Path:
    """Write directions.json into a run's folder; its path."""
    path = run_dir / DIRECTIONS_FILE
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def _direction(
    feature: Feature,
    values: FloatArray,
    parts: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    resampling: Resampling,
) -> Direction:
    has_value = ~np.isnan(values)
    sign, spread = _SIGNS[feature.expected], _spread(parts, weight)
    model, outcomes = _NOTHING, _NOTHING
    varies = bool(has_value.any()) and np.ptp(values[has_value]) > 0
    if varies:
        ranks = _centred_ranks(values, has_value)
        given = weight * has_value
        # contributions that differ by rounding alone are ties
        learnt = _centred_ranks(np.round(parts, 9), has_value)
        model = _correlation(ranks, learnt, given, resampling)
        outcomes = _correlation(ranks, y, given, resampling)
    return Direction(
        feature=feature.name,
        family=feature.family,
        expected=feature.expected,
        certain=feature.certain,
        verdict=_verdict(sign, model, spread) if varies else "absent",
        correlation=model[0],
        interval=model[1],
        spread=spread,
        in_outcomes=_side(sign, outcomes) or "unclear",
        outcome_correlation=outcomes[0],
        outcome_interval=outcomes[1],
        rows=int(has_value.sum()),
    )


_Correlation = tuple[float | None, tuple[float, float] | None]
_NOTHING: _Correlation = (None, None)


def _verdict(sign: int, found: _Correlation, spread: float) -> Verdict:
    correlation = found[0]
    if spread < FLAT_BELOW or correlation is None:
        return "flat"
    return (_side(sign, found) if abs(correlation) >= MIXED_BELOW else None) or "mixed"


def _side(sign: int, found: _Correlation) -> Literal["agrees", "contradicts"] | None:
    """On which side of the expectation an interval lies; None if it holds zero."""
    correlation, interval = found
    if correlation is None or interval is None or interval[0] <= 0 <= interval[1]:
        return None
    return "agrees" if sign * correlation > 0 else "contradicts"


def _correlation(a: FloatArray, b: FloatArray, weight: FloatArray, resampling: Resampling) -> _Correlation:
    """Weighted correlation, and its 95 % interval over draws of deals; ranks given stay in every draw."""
    mean_a, mean_b, aa, bb, ab = (
        np.r_[np.average(part, weights=weight), resampling.means(part, weight)]
        for part in (a, b, a * a, b * b, a * b)
    )
    spread = np.sqrt(np.maximum(aa - mean_a**2, 0) * np.maximum(bb - mean_b**2, 0))
    found = np.divide(ab - mean_a * mean_b, spread, out=np.full_like(ab, np.nan), where=spread > 1e-12)
    if np.isnan(found[0]):
        return _NOTHING
    draws = found[1:][np.isfinite(found[1:])]
    if draws.size * 2 < found.size - 1 or resampling.counts.shape[1] < 2:
        return float(found[0]), None
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(found[0]), (float(low), float(high))


def _centred_ranks(values: FloatArray, among: BoolArray) -> FloatArray:
    """Ranks from -0.5 to 0.5 among those rows, ties sharing theirs; 0 elsewhere."""
    _, level, count = np.unique(values[among], return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    ranks = np.zeros(values.size)
    ranks[among] = middle[level] / among.sum() - 0.5
    return ranks


def _spread(parts: FloatArray, weight: FloatArray) -> float:
    if not parts.size or weight.sum() <= 0:
        return 0.0
    mean = np.average(parts, weights=weight)
    return float(np.sqrt(np.average((parts - mean) ** 2, weights=weight)))
