"""A deal's score as published and as it would be, taken apart by what was changed and what it moves."""

from dataclasses import dataclass
from datetime import datetime

from models.steps_alike import Range
from serving.suggestions import ASSOCIATION

__all__ = ["Change", "DriverMove", "FeatureMove", "WhatIf"]

Value = int | float | bool | str | None


@dataclass(frozen=True)
class Change:
    """A feature changed: its value before and after, in the feature's own unit.

    range: the values that past deals alike had; None where none is known. beyond: whether the new value lies
    outside of it, so that the model has not seen its like.
    """

    feature: str
    before: Value
    after: Value
    range: Range | None
    beyond: bool


@dataclass(frozen=True)
class FeatureMove:
    """A feature's contribution before and after, in log-odds."""

    feature: str
    family: str
    before: float
    after: float

    @property
    def moved(self) -> float:
        """By how much the contribution moved."""
        return self.after - self.before


@dataclass(frozen=True)
class DriverMove:
    """A family's contribution before and after, in log-odds; `title` is its name in sellers' words."""

    family: str
    title: str
    before: float
    after: float

    @property
    def moved(self) -> float:
        """By how much the contribution moved."""
        return self.after - self.before


@dataclass(frozen=True)
class WhatIf:
    """A deal's score as published and as it would be.

    log_odds_after - log_odds_before = the sum of the features' moves = the sum of the drivers'; base_log_odds
    + the sum of `before` (or of `after`) = log_odds_before (log_odds_after). recomputed: features that the
    model works out from changed ones. unmoved: features computed from the same records as a changed one,
    which stand as they were. compared_with: the past deals alike, in words.
    """

    opportunity_id: str
    as_of: datetime
    model_version: str
    base_log_odds: float
    p_before: float
    p_after: float
    log_odds_before: float
    log_odds_after: float
    changes: tuple[Change, ...]
    features: tuple[FeatureMove, ...]
    drivers: tuple[DriverMove, ...]
    recomputed: tuple[str, ...]
    unmoved: tuple[str, ...]
    compared_with: str | None
    note: str = ASSOCIATION
