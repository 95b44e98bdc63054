"""How good a deal's chance is for where it stands: a letter, and how the chance has moved.

A grade compares the odds of a deal with those of the deals open at its stage, whose mean probability is
what such deals come to where the model is calibrated:

    A  at least four times the odds          B  at least one and a half times
    C  about what deals at this stage have   D  at most two thirds of the odds     E  at most a quarter

Stages with few open deals lean on all of them: the base is the mean of the stage's deals and of twenty more
that have the mean of all. A baseline gives every deal one rate and grades none.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["GRADES", "Direction", "Grade", "Letter", "Trend", "grade_of", "stage_bases", "trend_of"]

Letter = Literal["A", "B", "C", "D", "E"]
Direction = Literal["up", "down", "steady"]

GRADES: Mapping[Letter, str] = {
    "A": "far above what deals at its stage have",
    "B": "above what deals at its stage have",
    "C": "about what deals at its stage have",
    "D": "below what deals at its stage have",
    "E": "far below what deals at its stage have",
}
"""Each letter in words."""

_FAR, _NEAR = math.log(4), math.log(1.5)
_LEANS_ON = 20
_STEADY_POINTS = 1.0


@dataclass(frozen=True)
class Grade:
    """letter, and what it says in words. base_p: the probability it is compared with, 0 to 1."""

    letter: Letter
    meaning: str
    base_p: float


@dataclass(frozen=True)
class Trend:
    """How a probability moved, in points of a hundred. points: since the run before, None without one.

    overall_points: since the first of `runs` runs that scored the deal. direction: of the former; under one
    point is steady.
    """

    direction: Direction
    points: float | None
    overall_points: float
    runs: int


def stage_bases(stages: Iterable[str | None], p_win: Iterable[float]) -> dict[str | None, float]:
    """The probability that deals of each stage are compared with, from all open deals.

    >>> round(stage_bases(["a", "b"], [0.2, 0.4])["a"], 3)
    0.295
    """
    held: dict[str | None, list[float]] = defaultdict(list)
    for stage, p in zip(stages, p_win, strict=True):
        held[stage].append(p)
    every = [p for values in held.values() for p in values]
    mean = math.fsum(every) / len(every) if every else 0.0
    return {
        stage: (math.fsum(values) + _LEANS_ON * mean) / (len(values) + _LEANS_ON)
        for stage, values in held.items()
    }


def grade_of(p_win: float, base_p: float) -> Grade | None:
    """The grade of a probability; None where one of the two is 0 or 1 and has no odds.

    >>> [grade_of(p, 0.3).letter for p in (0.65, 0.4, 0.3, 0.2, 0.08)]
    ['A', 'B', 'C', 'D', 'E']
    """
    if not (0 < p_win < 1 and 0 < base_p < 1):
        return None
    above = math.log(p_win / (1 - p_win)) - math.log(base_p / (1 - base_p))
    letter: Letter = "C"
    if abs(above) >= _NEAR:
        far = abs(above) >= _FAR
        letter = ("A" if far else "B") if above > 0 else ("E" if far else "D")
    return Grade(letter, GRADES[letter], base_p)


def trend_of(history: Sequence[float]) -> Trend | None:
    """How the probability moved over the runs that scored the deal, oldest first; None without any.

    >>> trend_of([0.30, 0.42, 0.36])
    Trend(direction='down', points=-6.0, overall_points=6.0, runs=3)
    """
    if not history:
        return None
    points = _points(history[-2], history[-1]) if len(history) > 1 else None
    moved = points or 0.0
    direction: Direction = "steady" if abs(moved) < _STEADY_POINTS else "up" if moved > 0 else "down"
    return Trend(direction, points, _points(history[0], history[-1]), len(history))


def _points(before: float, after: float) -> float:
    return round((after - before) * 100, 9)
