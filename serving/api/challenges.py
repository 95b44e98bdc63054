"""Challenges to a deal's factors: raise, withdraw, list; and how challengers fared, by team."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.access.policy import people_in
from serving.api.factors import told_of
from serving.api.stamped import Answered, Given, Stamped, answer, stamp
from serving.challenges.challenges import (
    Challenge,
    challenges_seen,
    raise_challenge,
    withdraw_challenge,
)
from serving.challenges.ledger import FEWEST_SETTLED, TeamRecord, track_record
from serving.typed_text import LONGEST_NOTE

__all__ = [
    "ChallengeAnswer", "ChallengesAnswer", "TrackAnswer", "challenge_answer", "challenges_answer", "router",
    "track_answer",
]  # fmt: skip

router = APIRouter(tags=["challenges"])

Acting = Annotated[Seen, allow("act")]
Value = bool | int | float | str | None


class ChallengeAnswer(Answered):
    """A factor of a deal that somebody challenges, and both numbers."""

    challenge_id: str
    opportunity_id: str
    deal: str = Field(description="The deal's name when it was raised.")
    feature: str
    title: str = Field(description="The feature in words.")
    kind: Literal["set_aside", "corrected"] = Field(
        description="set_aside: the factor's contribution taken out; corrected: scored with value_corrected."
    )
    value_model: Value = Field(description="As the model had it, in the feature's unit; null if missing.")
    value_corrected: Value = Field(description="As the challenger has it; null where it was set aside.")
    unit: str = Field(description="Of both values.")
    note: str = Field(description="Why it is wrong.")
    by: str = Field(description="Who raised it.")
    is_own: bool = Field(description="Whether the viewer did.")
    scored_in_run: str = Field(description="The run that was challenged.")
    scored_as_of: AwareDatetime
    scored_by_model: str
    p_model: float = Field(description="The probability as published then, 0 to 1.")
    p_challenged: float = Field(description="The probability as challenged, 0 to 1.")
    raised_at: AwareDatetime
    withdrawn_at: AwareDatetime | None
    state: Literal["open", "withdrawn", "settled"]
    won: bool | None = Field(description="How the deal ended; null while that is not known.")


class ChallengesAnswer(Stamped):
    """Challenges on deals that the viewer sees; those that are over, of the viewer alone. Newest first."""

    challenges: tuple[ChallengeAnswer, ...]


class ChallengeRaised(Stamped):
    """A challenge, as kept."""

    challenge: ChallengeAnswer


class TeamAnswer(Answered):
    """How the challenges of a team fared, or of several that are too small to be told apart."""

    title: str = Field(description="The team's manager; of several, how many.")
    n_teams: int
    open: int
    withdrawn: int = Field(description="Before the deal closed.")
    late: int = Field(description="Raised after the deal had closed; they count for nothing else.")
    settled: int
    log_loss_model: float | None = Field(
        description="Mean over the settled ones, in nats, smaller is better; null for too few."
    )
    log_loss_challenged: float | None = Field(description="The same of the challengers' numbers.")
    n_challenger_better: int | None = Field(
        description="Settled ones with the challenger's number the better."
    )


class TrackAnswer(Stamped):
    """Who was right, by team and never by person; the viewer's own teams, or all."""

    fewest_settled: int = Field(description="Settled challenges that figures rest on at least.")
    teams: tuple[TeamAnswer, ...]


class ChallengeGiven(Given):
    """A challenge to a factor."""

    feature: str = Field(max_length=200)
    note: str = Field(min_length=1, max_length=LONGEST_NOTE, description="Why it is wrong.")
    corrected: bool | int | float | str | None = Field(
        None, description="The right value, in the feature's unit; null to set the factor aside."
    )


@router.get("/challenges", response_model=ChallengesAnswer)
def list_challenges(request: Request, seen: Acting) -> Response:
    """The challenges that the viewer sees."""
    return answer(challenges_answer(request, seen))


@router.get("/challenges/track-record", response_model=TrackAnswer)
def get_track_record(request: Request, seen: Acting) -> Response:
    """How challenges fared once their deals had ended."""
    return answer(track_answer(request, seen))


@router.get("/deals/{opportunity_id}/challenges", response_model=ChallengesAnswer)
def list_deal_challenges(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """The challenges to one deal."""
    return answer(challenges_answer(request, seen, opportunity_id))


@router.post("/deals/{opportunity_id}/challenges", response_model=ChallengeRaised, status_code=201)
def post_challenge(request: Request, seen: Acting, opportunity_id: str, given: ChallengeGiven) -> Response:
    """Dispute a factor, or correct its value; both numbers come back."""
    state = request.app.state
    made = raise_challenge(
        state.store, seen, opportunity_id, feature=given.feature, note=given.note,
        corrected=given.corrected, now=state.now(),
    )  # fmt: skip
    return answer(ChallengeRaised(**stamp(seen.run), challenge=challenge_answer(seen, made)), status=201)


@router.delete("/challenges/{challenge_id}", response_model=ChallengeRaised)
def delete_challenge(request: Request, seen: Acting, challenge_id: str) -> Response:
    """Withdraw one's own challenge; the ledger keeps it as withdrawn."""
    state = request.app.state
    held = withdraw_challenge(state.store, seen, challenge_id, now=state.now())
    return answer(ChallengeRaised(**stamp(seen.run), challenge=challenge_answer(seen, held)))


def challenges_answer(request: Request, seen: Seen, opportunity_id: str | None = None) -> ChallengesAnswer:
    """The challenges that the viewer sees, of one deal if it is named."""
    found = challenges_seen(request.app.state.store, seen, opportunity_id)
    return ChallengesAnswer(**stamp(seen.run), challenges=tuple(challenge_answer(seen, one) for one in found))


def track_answer(request: Request, seen: Seen) -> TrackAnswer:
    """The ledger: all of it for whoever sees every deal, else the rows with the viewer's own teams."""
    held = track_record(request.app.state.store, seen.run).teams
    if seen.scope.owners is not None:
        own = {seen.actor.manager_id, *seen.scope.owners}
        held = tuple(one for one in held if own & set(one.teams))
    return TrackAnswer(
        **stamp(seen.run), fewest_settled=FEWEST_SETTLED, teams=tuple(_team(seen, one) for one in held)
    )


def challenge_answer(seen: Seen, held: Challenge) -> ChallengeAnswer:
    """A challenge as the viewer sees it."""
    told = told_of(seen.run).get(held.feature)
    return ChallengeAnswer(
        challenge_id=held.challenge_id,
        opportunity_id=held.opportunity_id,
        deal=held.deal,
        feature=held.feature,
        title=told.title if told else held.feature,
        kind=held.kind,
        value_model=held.value_model,
        value_corrected=held.value_corrected,
        unit=told.unit if told else "",
        note=held.note,
        by=held.user_name,
        is_own=held.user_id == seen.actor.user_id,
        scored_in_run=held.run_id,
        scored_as_of=held.as_of,
        scored_by_model=held.model_version,
        p_model=held.p_model,
        p_challenged=held.p_challenged,
        raised_at=held.raised_at,
        withdrawn_at=held.withdrawn_at,
        state="open" if held.is_open else "withdrawn" if held.won is None else "settled",
        won=held.won,
    )


def _team(seen: Seen, held: TeamRecord) -> TeamAnswer:
    names = {one: person.name for one, person in people_in(seen.run).by_id.items()}
    (first, *others) = held.teams
    title = f"{len(held.teams)} teams together" if others else names.get(first or "") or first or "No team"
    return TeamAnswer(
        title=title,
        n_teams=len(held.teams),
        **{name: value for name, value in vars(held).items() if name != "teams"},
    )
