"""The policy: one function decides what of a run an actor sees. Whatever it does not grant is denied."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.arrays import BoolArray
from serving.access.actor import Actor
from serving.live import HeldRun
from serving.people import People, people_of

__all__ = ["ACTIONS", "MIN_CELL", "Scope", "allowed_actions", "check_action", "decide", "people_in"]

ACTIONS = (
    "public", "me", "deals", "act", "renewals", "forecast", "scenario", "models", "score", "export",
)  # fmt: skip
"""Every action that a route may name."""

MIN_CELL = 5
"""Deals that a figure must rest on before finance sees it."""


@dataclass(frozen=True)
class Scope:
    """What of a run one action reaches.

    owners: ids of the people whose deals are seen; None: everybody's, and deals without an owner. min_cell:
    deals that a figure must rest on; above 1, no single deal is seen.
    """

    action: str
    owners: frozenset[str] | None
    min_cell: int = 1

    @property
    def single_deals(self) -> bool:
        """Whether single deals are seen, not aggregates alone."""
        return self.min_cell <= 1

    @cached_property
    def key(self) -> str:
        """What stands for the scope in a cache's key: equal for equal scopes only."""
        return f"{self.action}/{self._reach}"

    @cached_property
    def _reach(self) -> str:
        """The same for whatever shows the same deals, by any action."""
        if self.owners is None:
            return f"all/{self.min_cell}"
        listed = "\n".join(f"{len(one)} {one}" for one in sorted(self.owners))
        return f"{hashlib.sha256(listed.encode()).hexdigest()}/{self.min_cell}"

    def sees(self, owner_id: str | None) -> bool:
        """Whether a deal of that owner is seen."""
        return self.single_deals and (self.owners is None or owner_id in self.owners)

    def mask(self, run: HeldRun) -> BoolArray:
        """Which of `run.deals` are seen, in their order; shape (n,)."""
        seen: BoolArray = run.memo(
            f"mask/{self._reach}",
            lambda: np.fromiter(map(self.sees, run.deals.owner_id), np.bool_, len(run.deals)),
        )
        return seen


_OWN = ("deals", "act")
_AGGREGATES = ("renewals", "forecast", "scenario", "export")
_GRANTS: Mapping[str, Mapping[str, Callable[[Actor, People], tuple[frozenset[str] | None, int]]]] = {
    "rep": dict.fromkeys(_OWN, lambda actor, people: (_own(actor), 1)),
    "manager": dict.fromkeys(_OWN, lambda actor, people: (_team(actor, people), 1)),
    "finance": dict.fromkeys(_AGGREGATES, lambda actor, people: (None, MIN_CELL)),
    "ops": dict.fromkeys(ACTIONS[2:], lambda actor, people: (None, 1)),
}


def decide(actor: Actor | None, action: str, run: HeldRun) -> Scope | None:
    """What the actor reaches by the action in this run; None where it is denied.

    Several roles: the union of what each gives. Somebody whom the CRM deactivated reaches nothing; one whom
    it does not know has no deals. Raises ValueError for an action that does not exist.
    """
    check_action(action)
    if action == "public":
        return Scope(action, frozenset())
    if actor is None or not actor.is_active:
        return None
    people = people_in(run)
    if action == "me":
        return Scope(action, _own(actor))
    grants = [_GRANTS[role][action](actor, people) for role in sorted(actor.roles) if action in _GRANTS[role]]
    everybody = [min_cell for owners, min_cell in grants if owners is None]
    if everybody:
        return Scope(action, None, min(everybody))
    owned = frozenset().union(*(owners for owners, _ in grants if owners is not None))
    return Scope(action, owned) if owned else None


def allowed_actions(actor: Actor, run: HeldRun) -> tuple[str, ...]:
    """The actions that the actor may do, for menus."""
    return tuple(action for action in ACTIONS if decide(actor, action, run) is not None)


def check_action(action: str) -> None:
    """Raise ValueError unless the action exists."""
    if action not in ACTIONS:
        raise ValueError(f"action {action!r}: expected one of {', '.join(ACTIONS)}")


def people_in(run: HeldRun) -> People:
    """The people of the run, read once."""
    people: People = run.memo("people", lambda: people_of(run))
    return people


def _own(actor: Actor) -> frozenset[str]:
    return frozenset() if actor.person_id is None else frozenset({actor.person_id})


def _team(actor: Actor, people: People) -> frozenset[str]:
    return frozenset() if actor.person_id is None else people.team(actor.person_id)
