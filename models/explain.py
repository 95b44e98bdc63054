"""Why a deal has its score: drivers, reasons and sentences, from contributions in log-odds.

Pure functions of plain values; neither LightGBM nor a data frame is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.feature import FAMILIES, RENEWAL_FAMILIES, Feature

__all__ = ["Driver", "Reason", "drivers", "reasons"]

_SMALLEST = 0.005
"""Log-odds; less moves a probability by about a tenth of a point, and is no reason."""


@dataclass(frozen=True)
class Driver:
    """What a family of features adds to a deal's log-odds; `title` is its name in sellers' words."""

    family: str
    title: str
    log_odds: float


@dataclass(frozen=True)
class Reason:
    """A feature that moves a deal's log-odds, and the sentence that tells it."""

    feature: str
    family: str
    log_odds: float
    sentence: str


def drivers(contributions: Mapping[str, float], families: Mapping[str, str]) -> tuple[Driver, ...]:
    """Contributions summed by family, largest first in size; together they sum to the same.

    contributions: log-odds by feature. families: each feature's family.

    >>> [(d.title, d.log_odds) for d in drivers({"a": 0.5, "b": -0.25}, {"a": "momentum", "b": "momentum"})]
    [('Momentum', 0.25)]
    """
    sums: dict[str, float] = {}
    for name, value in contributions.items():
        sums[families[name]] = sums.get(families[name], 0.0) + float(value)
    ranked = sorted(sums.items(), key=lambda held: (-abs(held[1]), held[0]))
    return tuple(Driver(name, _title(name), value) for name, value in ranked)


def reasons(
    contributions: Mapping[str, float],
    values: Mapping[str, Any],
    features: Mapping[str, Feature],
    typical: Mapping[str, Any],
    *,
    top: int = 5,
    compared_with: str = "won deals at this stage",
) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """The features that raise a deal's chances most, and those that lower them most.

    values: the deal's values as the model sees them, None where missing. typical: what won deals at
    its stage look like (compared_with, in words). Both by feature; a feature that is not in the catalogue is
    told by its name.
    """
    ranked = sorted(contributions.items(), key=lambda held: (-abs(held[1]), held[0]))
    told = [
        Reason(
            name,
            _family(features.get(name)),
            float(value),
            _sentence(name, values, features, typical, compared_with),
        )
        for name, value in ranked
        if abs(value) >= _SMALLEST
    ]
    up = [reason for reason in told if reason.log_odds > 0]
    down = [reason for reason in told if reason.log_odds < 0]
    return tuple(up[:top]), tuple(down[:top])


def _sentence(
    name: str,
    values: Mapping[str, Any],
    features: Mapping[str, Feature],
    typical: Mapping[str, Any],
    compared_with: str,
) -> str:
    if name in features:
        return features[name].tell(values.get(name), typical.get(name), compared_with=compared_with)
    value = values.get(name)
    return f"{name}: {'not known' if value is None else value}."


def _family(feature: Feature | None) -> str:
    return feature.family if feature else "custom"


def _title(family: str) -> str:
    known = FAMILIES.get(family) or RENEWAL_FAMILIES.get(family)
    return known.title if known else family
