"""The gate that every route passes: it names an action, and gets the run, the actor and what they see."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Depends, Request

from serving.access.actor import Actor, actor_of
from serving.access.errors import NotFound, NotSignedIn
from serving.access.policy import Scope, allowed_actions, check_action, decide, people_in
from serving.live import HeldRun

if TYPE_CHECKING:
    from serving.access.access import Access

__all__ = ["Gate", "Seen", "allow"]


@dataclass(frozen=True)
class Seen:
    """One request's view: a run, who asks, and what the route's action shows them of it."""

    run: HeldRun
    actor: Actor
    scope: Scope

    def can(self, action: str) -> bool:
        """Whether the actor may do another action too: for links and menus."""
        return decide(self.actor, action, self.run) is not None

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action that the actor may do."""
        return allowed_actions(self.actor, self.run)

    def narrowed(self, action: str) -> "Seen":
        """The same request seen by another action. Raises NotFound if the actor may not do it."""
        scope = decide(self.actor, action, self.run)
        if scope is None:
            raise NotFound
        return Seen(self.run, self.actor, scope)

    def rank_of(self, opportunity_id: str) -> int:
        """The deal's place in `run.deals`. Raises NotFound for a deal that is not there or not seen."""
        rank = self.run.rank_of(opportunity_id)
        if rank is None or not self.scope.sees(self.run.deals.owner_id[rank]):
            raise NotFound
        return rank


@dataclass(frozen=True)
class Gate:
    """The dependency of a route: whoever may not do its action gets 401 (nobody) or 404 (not theirs)."""

    action: str

    def __post_init__(self) -> None:
        check_action(self.action)

    async def __call__(self, request: Request) -> Seen | None:
        """What the request's actor sees; None for a public route."""
        if self.action == "public":
            return None
        access: Access = request.app.state.access
        identity = await access.identify(request)
        run: HeldRun = request.app.state.live.run()
        actor = actor_of(identity, people_in(run))
        if not actor.is_active:
            raise NotSignedIn("This account is no longer active in the CRM, so it sees nothing here.")
        request.state.actor = actor
        scope = run.memo(("scope", actor, self.action), lambda: decide(actor, self.action, run))
        if scope is None:
            raise NotFound
        return Seen(run, actor, scope)


def allow(action: str) -> Any:
    """The mark of a route: `seen: Annotated[Seen, allow("deals")]`, or `dependencies=[allow("public")]`.

    Raises ValueError for an action that does not exist.
    """
    return Depends(Gate(action))
