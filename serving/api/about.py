"""About the server: its health, who asks and what they may do, the runs, the features."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from data.errors import PublishError
from serving.access.gate import Seen, allow
from serving.api.stamped import Answered, Stamped, answer, stamp
from serving.feature_facts import CATALOGUE, RENEWAL_CATALOGUE, RecordsOf, feature_facts
from serving.live import HeldRun, NothingPublishedError
from serving.published import glance, published_runs

__all__ = [
    "FeaturesView", "Health", "Me", "RunsView", "features_view", "health_view", "me_view", "router",
    "runs_view",
]  # fmt: skip

router = APIRouter(tags=["about"])

_MOST_RUNS = 100


class Health(Answered):
    """Whether the server answers, and from what. Nothing here tells of deals."""

    status: str = Field(
        description="ok; stale: the newest run cannot be read, an older one is served; empty."
    )
    run_id: str | None
    as_of: AwareDatetime | None
    age_hours: float | None = Field(description="Hours from as_of to now.")


class Me(Stamped):
    """Who is asking."""

    user_id: str
    name: str
    person_id: str | None = Field(description="Their id in the CRM; null if the CRM does not know them.")
    roles: tuple[str, ...]
    via: str = Field(description="link, sign-in or bearer.")
    actions: tuple[str, ...] = Field(description="What they may do.")
    deals: int | None = Field(description="Open deals that they see; null if they see no single deal.")


class RunAnswer(Answered):
    """A published run."""

    run_id: str
    as_of: AwareDatetime
    model_version: str
    is_baseline: bool
    is_served: bool


class RunsView(Stamped):
    """The runs that are still published, newest first."""

    runs: tuple[RunAnswer, ...]


class FeatureAnswer(Answered):
    """What a feature is."""

    feature: str
    family: str
    family_title: str
    kind: str = Field(description="count, number, flag or category.")
    unit: str
    description: str
    expected: str = Field(description="higher is better, lower is better, or depends.")
    of: RecordsOf = Field(description="Whose records it is computed from.")
    actionable: bool = Field(description="A seller can move it.")


class FeaturesView(Stamped):
    """The features of deals, and of contracts, as the run published them."""

    features: tuple[FeatureAnswer, ...]
    renewal_features: tuple[FeatureAnswer, ...]


def health_view(request: Request) -> Health:
    """Whether the server answers, and from what."""
    live, now = request.app.state.live, request.app.state.now
    try:
        run: HeldRun = live.run()
    except NothingPublishedError:
        return Health(status="empty", run_id=None, as_of=None, age_hours=None)
    stale = live.state().problem is not None
    age = (now() - run.as_of).total_seconds() / 3600
    return Health(
        status="stale" if stale else "ok", run_id=run.run_id, as_of=run.as_of, age_hours=round(age, 2)
    )


def me_view(seen: Seen) -> Me:
    """Who is asking, and what they may do."""
    actor = seen.actor
    deals = int(seen.narrowed("deals").scope.mask(seen.run).sum()) if seen.can("deals") else None
    return Me(
        **stamp(seen.run),
        user_id=actor.user_id,
        name=actor.name,
        person_id=actor.person_id,
        roles=tuple(sorted(actor.roles)),
        via=actor.via,
        actions=seen.actions,
        deals=deals,
    )


def runs_view(seen: Seen) -> RunsView:
    """The runs that are still published, the newest hundred; one that cannot be read is left out."""
    workspace, found = seen.run.folder.parent.parent, []
    for run_id in published_runs(workspace)[:_MOST_RUNS]:
        try:
            held = seen.run if run_id == seen.run.run_id else glance(workspace, run_id)
        except PublishError:
            continue
        found.append(
            RunAnswer(
                run_id=held.run_id,
                as_of=held.as_of,
                model_version=held.model_version,
                is_baseline=held.is_baseline,
                is_served=run_id == seen.run.run_id,
            )
        )
    return RunsView(**stamp(seen.run), runs=tuple(found))


def features_view(seen: Seen) -> FeaturesView:
    """What each published feature is; empty for a run that published no catalogue."""
    return FeaturesView(
        **stamp(seen.run),
        features=_features(seen.run, CATALOGUE),
        renewal_features=_features(seen.run, RENEWAL_CATALOGUE),
    )


@router.get("/health", response_model=Health, dependencies=[allow("public")])
def get_health(request: Request) -> Response:
    """Whether the server answers, from which run, and how old that is. For everybody."""
    return answer(health_view(request))


@router.get("/me", response_model=Me)
def get_me(seen: Annotated[Seen, allow("me")]) -> Response:
    """Who is asking, and what they may do."""
    return answer(me_view(seen))


@router.get("/runs", response_model=RunsView)
def get_runs(seen: Annotated[Seen, allow("me")]) -> Response:
    """The runs that are still published."""
    return answer(runs_view(seen))


@router.get("/features", response_model=FeaturesView)
def get_features(seen: Annotated[Seen, allow("me")]) -> Response:
    """What each feature is: unit, meaning, whose records it reads, whether a seller can move it."""
    return answer(features_view(seen))


def _features(run: HeldRun, file: str) -> tuple[FeatureAnswer, ...]:
    return tuple(
        FeatureAnswer(
            feature=one.feature, family=one.family, family_title=one.title, kind=one.kind, unit=one.unit,
            description=one.description, expected=one.expected, of=one.of, actionable=one.actionable,
        )
        for one in feature_facts(run, file).values()
    )  # fmt: skip
