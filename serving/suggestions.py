"""What would help each deal: the steps that the model holds to raise its chances, as a run published them.

An association that the model learnt from deals of the past, not a proof that the step brings it about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from features.feature import FAMILIES
from models.explain import Driver
from serving.deals import rows_of
from serving.published import Published

__all__ = [
    "ALIKE", "ASSOCIATION", "OTHER", "RANGES", "SCHEMAS", "SOURCES", "SUGGESTIONS", "Alike", "Suggestion",
    "alike_of", "no_suggestions", "suggestion_of", "suggestions",
]  # fmt: skip

SUGGESTIONS = "win_suggestions.parquet"
"""Steps and pairs of steps for each open deal, by rank. Pairs are told in the words of their steps."""
ALIKE = "win_alike.parquet"
"""Which past deals each open deal is compared with: one row per deal."""
RANGES = "win_ranges.parquet"
"""By group of past deals and feature, the values seen: `group_id`, then `models.steps_alike.Range`."""
SOURCES = "win_sources.parquet"
"""The canonical tables that each feature is computed from: a row for each pair."""

ASSOCIATION = (
    "What went together in past deals, as the model learnt it: an association, not proof that the step "
    "brings it about."
)
OTHER = "other"
"""The driver that sums what features of the customer, the seller and everybody add; no step moves them."""

_WORKED_OUT: Any = [
    ("opportunity_id", pa.string()),
    ("rank", pa.int64()),
    ("steps", pa.string()),
    ("title", pa.string()),
    ("sentence", pa.string()),
    ("feature", pa.string()),
    ("value_before", pa.float64()),
    ("value_after", pa.float64()),
    ("p_before", pa.float64()),
    ("p_after", pa.float64()),
    ("gain_log_odds", pa.float64()),
    ("gain_points", pa.float64()),
    ("similar_deals", pa.int64()),
    ("similar_won", pa.int64()),
    ("seen", pa.bool_()),
    ("low", pa.float64()),
    ("high", pa.float64()),
    ("drivers", pa.string()),
]
_COMPARED: Any = [
    ("opportunity_id", pa.string()),
    ("group_id", pa.string()),
    ("alike", pa.string()),
    ("alike_deals", pa.int64()),
    ("alike_won", pa.int64()),
]
_VALUES: Any = [
    ("group_id", pa.string()),
    ("feature", pa.string()),
    *((name, pa.float64()) for name in ("smallest", "low", "high", "largest")),
]
_MADE_OF: Any = [("feature", pa.string()), ("source", pa.string())]
SCHEMAS: dict[str, Any] = {
    SUGGESTIONS: pa.schema(_WORKED_OUT), ALIKE: pa.schema(_COMPARED), RANGES: pa.schema(_VALUES),
    SOURCES: pa.schema(_MADE_OF),
}  # fmt: skip


@dataclass(frozen=True)
class Alike:
    """The past deals that an open deal is compared with: their number, how many were won, what they share."""

    group_id: str
    words: str
    deals: int
    won: int


@dataclass(frozen=True)
class Suggestion:
    """A step, or a pair of steps, and what the model says after it.

    steps: ids. feature: what the step is to move first, with its value before and after (None where missing).
    p_before, p_after: probabilities; gain_log_odds = logit(p_after) - logit(p_before) = the sum of the
    drivers; gain_points: percentage points. similar_deals, similar_won: past deals alike that once stood
    there, and how many of them were won; low, high: how far the feature went in them (the middle 80 %).
    seen: whether there were any; label says so in words.
    """

    rank: int
    steps: tuple[str, ...]
    title: str
    sentence: str
    feature: str
    value_before: float | None
    value_after: float | None
    p_before: float
    p_after: float
    gain_log_odds: float
    gain_points: float
    similar_deals: int
    similar_won: int
    seen: bool
    low: float | None
    high: float | None
    drivers: tuple[Driver, ...]

    @property
    def label(self) -> str:
        """How far the past speaks for it."""
        if not self.seen:
            return "beyond what was seen"
        deals = "1 similar deal" if self.similar_deals == 1 else f"{self.similar_deals} similar deals"
        return f"seen in {deals}, {self.similar_won} won"


def suggestions(run: Published, opportunity_id: str, top: int | None = None) -> tuple[Suggestion, ...]:
    """What would help the deal, the largest gain first; none where nothing was found to (`no_suggestions`).

    top: at most so many.
    """
    if SUGGESTIONS not in run.manifest["files"]:
        return ()
    rows = rows_of(run.table(SUGGESTIONS), opportunity_id)
    alone = {row["steps"]: row for row in rows}
    return tuple(_suggestion(row, alone) for row in rows[:top])


def suggestion_of(run: Published, opportunity_id: str, steps: tuple[str, ...]) -> Suggestion | None:
    """The published suggestion that consists of exactly these steps, None if there is none."""
    wanted = sorted(steps)
    found = (one for one in suggestions(run, opportunity_id) if sorted(one.steps) == wanted)
    return next(found, None)


def no_suggestions(run: Published) -> str:
    """Why a deal has no suggestions, in words."""
    if run.is_baseline:
        return "The score is a base rate, not a model's, so nothing can be said about what would help."
    if SUGGESTIONS not in run.manifest["files"]:
        return "This run was published before suggestions were made. Publish again with `dealcast score`."
    return "The model holds that none of the steps that could be taken now would raise the chances."


def alike_of(run: Published, opportunity_id: str) -> Alike | None:
    """The past deals that the deal is compared with; None where no past deal is known."""
    if ALIKE not in run.manifest["files"]:
        return None
    rows = rows_of(run.table(ALIKE), opportunity_id)
    if not rows:
        return None
    row = rows[0]
    return Alike(row["group_id"], row["alike"], row["alike_deals"], row["alike_won"])


def _suggestion(row: Mapping[str, Any], alone: Mapping[str, Mapping[str, Any]]) -> Suggestion:
    """The suggestion of a row. alone: the rows of single steps, by id."""
    held: dict[str, float] = orjson.loads(row["drivers"])
    ranked = sorted(held.items(), key=lambda one: (-abs(one[1]), one[0]))
    drivers = tuple(Driver(family, _title(family), moved) for family, moved in ranked)
    steps = tuple(row["steps"].split("+"))
    told = [alone[step] for step in steps]
    first, *others = (one["title"] for one in told)
    said: dict[str, Any] = {
        "title": "; ".join([first, *(f"{title[:1].lower()}{title[1:]}" for title in others)]),
        "sentence": " ".join(one["sentence"] for one in told),
        "steps": steps,
        "drivers": drivers,
    }
    plain = {name: row[name] for name in Suggestion.__dataclass_fields__ if name not in said}
    return Suggestion(**plain, **said)


def _title(family: str) -> str:
    return FAMILIES[family].title if family in FAMILIES else "Customer, seller and everything else"
