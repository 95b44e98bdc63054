"""A change of a score in words: a sentence for each term, and one line for the whole."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.feature import Feature
from models.change import KINDS, ChangeKind

__all__ = [
    "NEW_MODEL", "OTHER", "SMALL", "Term", "beside_before", "change_sentence", "headline", "shown",
    "signed_points",
]  # fmt: skip

SMALL = "small"
"""Stands for the features of a family whose own terms are too small to be told."""
OTHER = "other"
"""Stands for the features that a reader may not see."""
NEW_MODEL = "Another model now reads the same facts."
UNKNOWN = "not known"

_MOST_TOLD = 3
_REST: dict[ChangeKind, str] = {
    "model": "a new model",
    "corrected": "corrected records",
    "time": "time passing otherwise",
    "event": "other news",
}


@dataclass(frozen=True)
class Term:
    """One part of a change, in log-odds and in percentage points of probability.

    feature: null for a model's; `small` and `other` stand for several. value_before, value_after: as
    people write them, null where the term is of no single feature. sentence: null where there is nothing to
    tell.
    """

    kind: ChangeKind
    feature: str | None
    family: str | None
    log_odds: float
    points: float
    value_before: str | None = None
    value_after: str | None = None
    sentence: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether a value changed that can be named."""
        return self.sentence is not None and (self.kind == "model" or self.value_before != self.value_after)


def shown(feature: Feature | None, value: Any) -> str:
    """A feature's value as people write it, with its unit.

    feature: None for one that the catalogue does not hold.
    """
    if value is None:
        return UNKNOWN
    return str(value) if feature is None else feature.shown(value)


def change_sentence(
    kind: ChangeKind, name: str, feature: Feature | None, before: Any, after: Any, now: Any
) -> str:
    """What a seller reads about one term, without what was there before.

    before, after: the feature's values that the term lies between. now: its value in the later run; where
    that is another, `after` is only what the clock or the correction alone would have given.
    """
    said = feature.tell(after).rstrip(".") if feature else f"{name} is {shown(None, after)}"
    if shown(feature, before) == shown(feature, after):
        return f"{said}, as before; beside what changed it counts differently."
    if kind == "time" and shown(feature, after) == shown(feature, now):
        return f"{said} as time passed."
    if kind == "time":
        return f"By the clock alone: {_uncapped(said)}."
    if kind == "corrected":
        return f"By corrected records: {_uncapped(said)}."
    return f"{said}."


def beside_before(term: Term) -> str | None:
    """The term's sentence with the value before it, where that is a number or a word.

    >>> beside_before(Term("event", "stage", "momentum", 1.0, 9.0, "demo", "offer", "It is at stage offer."))
    'It is at stage offer (before: demo).'
    """
    if term.sentence is None or not term.is_told or term.value_before in (None, "yes", "no", UNKNOWN):
        return term.sentence
    before = "none" if term.value_before.startswith("0 ") else term.value_before
    return f"{term.sentence.rstrip('.')} (before: {before})."


def headline(terms: Sequence[Term], points: float) -> str:
    """The change in one line: the largest terms with their signed points, which add up to the whole.

    points: the whole change, in percentage points. A feature's terms are told once, as it now is. What is not
    told is summed by kind. Without terms only the whole is said.

    >>> silent = Term("time", "days", "momentum", -0.4, -8.2, "3 days", "9 days", "Silent for 9 days.")
    >>> headline([silent], -8.2)
    'down 8 points: silent for 9 days (−8)'
    """
    whole = round(points)
    if not terms:
        return _lead(whole)
    ranked = sorted(_by_feature(terms).items(), key=lambda held: (-abs(held[1][1]), held[0]))
    chosen = {name: told for name, told in ranked[:_MOST_TOLD] if round(told[1])}
    told = [(words, round(moved)) for words, moved in chosen.values()]
    told += _whole_rests(_rests(terms, chosen), whole - sum(moved for _, moved in told))
    parts = ", ".join(f"{words} ({signed_points(moved)})" for words, moved in told)
    return f"{_lead(whole)}: {parts}" if parts else _lead(whole)


def signed_points(points: int) -> str:
    """Whole points with their sign.

    >>> signed_points(-8), signed_points(5)
    ('−8', '+5')
    """
    return f"−{-points}" if points < 0 else f"+{points}"


def _by_feature(terms: Sequence[Term]) -> dict[str, tuple[str, float]]:
    """What can be told of each feature: its latest sentence, uncapped, and its points over all kinds."""
    found: dict[str, tuple[str, float]] = {}
    for term in sorted(terms, key=lambda term: KINDS.index(term.kind)):
        if term.feature is None or term.feature in (SMALL, OTHER):
            continue
        words, moved = found.get(term.feature, ("", 0.0))
        if term.is_told and term.sentence is not None:
            words = _uncapped(term.sentence).rstrip(".")
        found[term.feature] = (words, moved + term.points)
    return {name: (words, moved) for name, (words, moved) in found.items() if words}


def _rests(terms: Sequence[Term], chosen: Collection[str]) -> dict[ChangeKind, float]:
    """The points of all that is not told by name, by kind."""
    rest: dict[ChangeKind, float] = {}
    for term in terms:
        if term.feature not in chosen:
            rest[term.kind] = rest.get(term.kind, 0.0) + term.points
    return rest


def _whole_rests(rests: Mapping[ChangeKind, float], whole: int) -> list[tuple[str, int]]:
    """The rests in whole points that sum to `whole`: the largest takes what rounding leaves over."""
    rounded = {kind: round(moved) for kind, moved in rests.items()}
    if rounded:
        largest = max(rests, key=lambda kind: abs(rests[kind]))
        rounded[largest] += whole - sum(rounded.values())
        return [(_REST[kind], rounded[kind]) for kind in KINDS if rounded.get(kind)]
    return [("other", whole)] if whole else []


def _lead(whole: int) -> str:
    if not whole:
        return "about the same"
    size = "1 point" if abs(whole) == 1 else f"{abs(whole)} points"
    return f"{'up' if whole > 0 else 'down'} {size}"


def _uncapped(said: str) -> str:
    """A sentence as the part of another.

    >>> _uncapped("The deal is new"), _uncapped("A sponsor came"), _uncapped("CRM says so")
    ('the deal is new', 'a sponsor came', 'CRM says so')
    """
    return said if said[1:2].isupper() else said[:1].lower() + said[1:]
