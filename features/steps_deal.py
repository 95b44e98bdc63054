"""A step that a seller could take on a deal, and where the deal stands for somebody who plans it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from features.steps_rows import BEFORE, Rows
from features.steps_state import People, Person

__all__ = ["LATELY_DAYS", "Reached", "Standing", "Step", "anybody", "id_part", "words"]

LATELY_DAYS = 90
"""What was seen within so many days need not be done anew."""

_DEPARTMENTS = ("procurement", "legal", "finance")
_SEVERAL = ("champion", "mobilizer", "executive_sponsor", "technical_evaluator", "user", "influencer")


@dataclass(frozen=True)
class Reached:
    """How far a feature stands in a deal that has taken a step: at `level` or beyond, up or down.

    level: None for the value that the step itself gives.
    """

    feature: str
    up: bool = True
    level: float | None = None


@dataclass(frozen=True)
class Step:
    """Something a seller can do next on one deal.

    title, sentence: in sellers' words, naming the person, role, question or feature meant. about: what the
    step is to move, the headline first. of: what it is a step on; two that share any of it are no pair. rows:
    what would be recorded.
    """

    id: str
    title: str
    sentence: str
    about: tuple[Reached, ...]
    of: frozenset[str]
    rows: Rows = field(repr=False)


@dataclass(frozen=True)
class Standing:
    """A deal at as_of, for somebody who plans its next step.

    values: its features by name. roles, promises, answers, moments: its rows in `win_roles`, the promise
    ledger, the qualification state and the timeline. levels: by role the seniority most often recorded.
    """

    as_of: datetime
    people: People
    values: Mapping[str, Any]
    roles: Sequence[Mapping[str, Any]] = ()
    promises: Sequence[Mapping[str, Any]] = ()
    answers: Sequence[Mapping[str, Any]] = ()
    moments: Sequence[Mapping[str, Any]] = ()
    levels: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        """When a step would be recorded."""
        return self.as_of - BEFORE

    @property
    def together(self) -> str:
        """With whom one would meet somebody else, in words; empty if nobody is in touch."""
        return f" together with {self.contact.called}" if self.contact else ""

    @property
    def contact(self) -> Person | None:
        """The person met most lately and most often, None if nobody was."""
        return self.people[0] if self.people and self.people[0].touches else None

    def with_contact(self, *others: str) -> tuple[str, ...]:
        """These contacts and the one who is in touch."""
        return (*others, *([self.contact.contact_id] if self.contact else []))

    def days_since(self, kind: str) -> float | None:
        """Days since the latest moment of a kind, None if there was none."""
        happened = [row["happened_at"] for row in self.moments if row["kind"] == kind]
        return (self.as_of - max(happened)).total_seconds() / 86_400 if happened else None


def words(role: str) -> str:
    """A role as people say it."""
    return role.replace("_", " ")


def anybody(role: str) -> str:
    """Somebody who holds a role, nobody in particular.

    >>> anybody("legal"), anybody("user"), anybody("economic_buyer")
    ('somebody from legal', 'a user', 'the economic buyer')
    """
    if role in _DEPARTMENTS:
        return f"somebody from {words(role)}"
    if role in _SEVERAL:
        return f"{'an' if role[0] in 'aeio' else 'a'} {words(role)}"
    return f"the {words(role)}"


def id_part(text: str) -> str:
    """Text as a part of an id, which holds neither `+` nor `:` beside those that divide it."""
    return quote(text, safe="")
