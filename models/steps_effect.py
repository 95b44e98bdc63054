"""Steps taken in thought: each deal as it would be recorded after them, rescored by the model."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.steps_deal import Reached, Step
from features.steps_variants import Variant, VariantFeatures
from models.arrays import FloatArray
from models.calibration import sigmoid
from models.columns import numbers
from models.steps_alike import Threshold
from models.win_model import WinModel

__all__ = ["WORTH_TELLING", "OpenDeals", "Trial", "Tried", "best_pairs", "driver_moves"]

WORTH_TELLING = 0.005
"""Half a point of probability; what gains less is not told."""

_BEST = 3
"""Pairs are made of the best so many steps."""


@dataclass(frozen=True)
class OpenDeals:
    """The deals open at as_of: their frame as the model reads it, and row for row alike ids and log-odds."""

    frame: pa.Table
    ids: Sequence[str]
    log_odds: FloatArray


@dataclass(frozen=True)
class Tried:
    """A deal, by its place, after one or two steps.

    encoded: (k,), its features as the model sees them. headline: the first feature that the steps are to
    move, before (None where it was missing) and after. thresholds: how far all that they are to move stands.
    """

    place: int
    steps: tuple[Step, ...]
    log_odds: float
    gain: float
    encoded: FloatArray
    headline: tuple[float | None, float]
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True)
class Trial:
    """What takes the steps: the open deals, the code that measures them, the model that scores them."""

    deals: OpenDeals
    measured: VariantFeatures
    model: WinModel

    def singles(self, steps: Mapping[int, Sequence[Step]]) -> dict[int, list[Tried]]:
        """By deal (its place) the steps that help it, the largest gain first."""
        return self._helping([(place, (one,)) for place, held in steps.items() for one in held])

    def pairs(self, singles: Mapping[int, Sequence[Tried]]) -> dict[int, list[Tried]]:
        """By deal the pairs of its three best steps that help it more than the best step alone."""
        asked = [
            (place, (*held[first].steps, *held[second].steps))
            for place, held in singles.items()
            for first, second in best_pairs([one.gain for one in held], [one.steps[0].of for one in held])
        ]
        found = self._helping(asked)
        return {
            place: [one for one in held if one.gain >= singles[place][0].gain + WORTH_TELLING]
            for place, held in found.items()
        }

    def _helping(self, asked: list[tuple[int, tuple[Step, ...]]]) -> dict[int, list[Tried]]:
        """Those after which the probability is higher by more than a trifle, and the headline has moved."""
        if not asked:
            return {}
        deals = self.deals
        moved = self.measured.frame([Variant(deals.ids[place], steps) for place, steps in asked])
        places = np.array([place for place, _ in asked])
        before = deals.frame.take(pa.array(places))
        after = _replaced(before, moved)
        encoded = self.model.encoder.transform(after)
        log_odds = self.model.log_odds_of(encoded)
        gains = sigmoid(log_odds) - sigmoid(deals.log_odds[places])
        then, now = _Columns(before), _Columns(after)
        found: dict[int, list[Tried]] = {}
        for row in np.flatnonzero(gains >= WORTH_TELLING).tolist():
            place, steps = asked[row]
            told = _reached(steps, then, now, row)
            if told is not None:
                one = Tried(place, steps, float(log_odds[row]), float(gains[row]), encoded[row].copy(), *told)
                found.setdefault(place, []).append(one)
        for held in found.values():
            held.sort(key=lambda one: (-one.gain, [step.id for step in one.steps]))
        return found


def best_pairs(gains: Sequence[float], of: Sequence[Collection[str]]) -> list[tuple[int, int]]:
    """Pairs of the three best steps that are on different things, by their places.

    gains: of each step. of: what each step is on.

    >>> best_pairs([0.1, 0.4, 0.2, 0.3], [{"a"}, {"b"}, {"b"}, {"c"}])
    [(1, 3), (3, 2)]
    """
    ranked = sorted(range(len(gains)), key=lambda place: (-gains[place], place))[:_BEST]
    return [
        (first, second)
        for nth, first in enumerate(ranked)
        for second in ranked[nth + 1 :]
        if not set(of[first]) & set(of[second])
    ]


def driver_moves(
    model: WinModel, deals: OpenDeals, tried: Sequence[Tried], *, own: Collection[str], other: str
) -> list[dict[str, float]]:
    """For each by how much each family's contributions move, in log-odds; together they are the gain.

    own: features of the deal itself. other: under which name the moves of the others' contributions are
    summed, by which the trees share out what the deal's own features do.
    """
    places, row = np.unique([one.place for one in tried], return_inverse=True)
    before = model.contributions(deals.frame.take(pa.array(places)))[1][row]
    moved = model.contributions_of(np.vstack([one.encoded for one in tried]))[1] - before
    families = [model.families[name] if name in own else other for name in model.feature_names]
    names = sorted(set(families))
    sums = np.column_stack([moved[:, [one == name for one in families]].sum(axis=1) for name in names])
    return [{name: value for name, value in zip(names, row, strict=True) if value} for row in sums.tolist()]


def _replaced(frame: pa.Table, moved: pa.Table) -> pa.Table:
    """The frame with the columns that moved."""
    for name in moved.column_names:
        frame = frame.set_column(frame.schema.get_field_index(name), name, moved[name])
    return frame


class _Columns:
    """A frame's columns as numbers, each read once."""

    def __init__(self, frame: pa.Table) -> None:
        self._frame = frame
        self._read: dict[str, FloatArray] = {}

    def value(self, feature: str, row: int) -> float | None:
        """The value in a row, None where it is missing."""
        if feature not in self._read:
            kind: Any = self._frame.schema.field(feature).type
            kind = "flag" if pa.types.is_boolean(kind) else "number"
            self._read[feature] = numbers(self._frame, feature, kind)
        value = float(self._read[feature][row])
        return None if np.isnan(value) else value


def _reached(
    steps: Iterable[Step], before: _Columns, after: _Columns, row: int
) -> tuple[tuple[float | None, float], tuple[Threshold, ...]] | None:
    """The headline before and after, and what the steps reach; None where a step leaves its own unmoved."""
    headline, thresholds = None, list[Threshold]()
    for step in steps:
        for nth, one in enumerate(step.about):
            then, now = before.value(one.feature, row), after.value(one.feature, row)
            if now is None or (nth == 0 and not _has_moved(one, then, now)):
                return None
            headline = headline or (then, now)
            thresholds.append(Threshold(one.feature, one.up, now if one.level is None else one.level))
    return None if headline is None else (headline, tuple(dict.fromkeys(thresholds)))


def _has_moved(reached: Reached, then: float | None, now: float) -> bool:
    return then is None or (now > then if reached.up else now < then)
