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

    frame: one row, as the model would read it. headline: the first feature that the steps are to move, before
    (None where it was missing) and after. thresholds: how far each of these features then stands.
    """

    place: int
    steps: tuple[Step, ...]
    log_odds: float
    gain: float
    frame: pa.Table
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
        log_odds = self.model.log_odds(after)
        gains = sigmoid(log_odds) - sigmoid(deals.log_odds[places])
        found: dict[int, list[Tried]] = {}
        for row in np.flatnonzero(gains >= WORTH_TELLING).tolist():
            place, steps = asked[row]
            told = _tested(steps, before.slice(row, 1), after.slice(row, 1))
            if told is not None:
                one = Tried(place, steps, float(log_odds[row]), float(gains[row]), after.slice(row, 1), *told)
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
    model: WinModel, before: pa.Table, after: pa.Table, *, own: Collection[str], other: str
) -> list[dict[str, float]]:
    """For each row by how much each family's contributions move, in log-odds; a row's sum is its gain.

    own: features of the deal itself. other: under which name the moves of the others' contributions are
    summed, by which the trees share out what the deal's own features do.
    """
    families = [model.families[name] if name in own else other for name in model.feature_names]
    moved = model.contributions(after)[1] - model.contributions(before)[1]
    names = sorted(set(families))
    sums = np.column_stack([moved[:, [one == name for one in families]].sum(axis=1) for name in names])
    return [{name: value for name, value in zip(names, row, strict=True) if value} for row in sums.tolist()]


def _replaced(frame: pa.Table, moved: pa.Table) -> pa.Table:
    """The frame with the columns that moved."""
    for name in moved.column_names:
        frame = frame.set_column(frame.schema.get_field_index(name), name, moved[name])
    return frame


def _tested(
    steps: Iterable[Step], before: pa.Table, after: pa.Table
) -> tuple[tuple[float | None, float], tuple[Threshold, ...]] | None:
    """The headline before and after, and what the steps reach; None where a step leaves its own unmoved."""
    headline, thresholds = None, list[Threshold]()
    for step in steps:
        for nth, reached in enumerate(step.about):
            then, now = _value(before, reached.feature), _value(after, reached.feature)
            if now is None or (nth == 0 and not _has_moved(reached, then, now)):
                return None
            headline = headline or (then, now)
            thresholds.append(
                Threshold(reached.feature, reached.up, now if reached.level is None else reached.level)
            )
    return None if headline is None else (headline, tuple(dict.fromkeys(thresholds)))


def _has_moved(reached: Reached, then: float | None, now: float) -> bool:
    return then is None or (now > then if reached.up else now < then)


def _value(frame: pa.Table, feature: str) -> float | None:
    kind: Any = frame.schema.field(feature).type
    value = float(numbers(frame, feature, "flag" if pa.types.is_boolean(kind) else "number")[0])
    return None if np.isnan(value) else value
