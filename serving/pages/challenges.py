"""Challenging a factor of a deal, and the page of challenges with their ledger."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from data.errors import DealcastError, UsageError
from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.api.challenges import challenges_answer, track_answer
from serving.api.factors import factors_of, told_of, values_of
from serving.challenges.challenges import AlreadyChallengedError, raise_challenge, withdraw_challenge
from serving.pages.render import page
from serving.typed_text import LONGEST_NOTE

__all__ = ["router"]

router = APIRouter()
Acting = Annotated[Seen, allow("act")]
_Feature = Annotated[str, Query(max_length=200)]
_MOST_VALUE = 200


@router.get("/challenges")
def challenges_page(request: Request, seen: Acting) -> Response:
    """The challenges that the visitor sees, and how those that are settled fared by team."""
    return page(
        request, "challenges.html", seen,
        view=challenges_answer(request, seen), record=track_answer(request, seen),
    )  # fmt: skip


@router.get("/deals/{opportunity_id}/challenge")
def challenge_page(request: Request, seen: Acting, opportunity_id: str, feature: _Feature = "") -> Response:
    """The form to challenge a factor of a deal."""
    return _shown(request, seen, opportunity_id, feature)


@router.post("/deals/{opportunity_id}/challenge")
def send_challenge(
    request: Request,
    seen: Acting,
    opportunity_id: str,
    feature: Annotated[str, Form(max_length=200)] = "",
    note: Annotated[str, Form(max_length=8 * LONGEST_NOTE)] = "",
    corrected: Annotated[str, Form(max_length=_MOST_VALUE)] = "",
) -> Response:
    """Keep a challenge; what was typed is shown again if it cannot be."""
    state = request.app.state
    try:
        raise_challenge(
            state.store, seen, opportunity_id, feature=feature, note=note,
            corrected=corrected.strip() or None, now=state.now(),
        )  # fmt: skip
    except (UsageError, AlreadyChallengedError) as error:
        return _shown(request, seen, opportunity_id, feature, problem=error, typed=(note, corrected))
    return RedirectResponse(_address(opportunity_id, feature), 303)


@router.post("/challenges/{challenge_id}/withdraw")
def withdraw(request: Request, seen: Acting, challenge_id: str) -> Response:
    """Withdraw one's own challenge."""
    state = request.app.state
    held = withdraw_challenge(state.store, seen, challenge_id, now=state.now())
    if seen.run.rank_of(held.opportunity_id) is None:
        return RedirectResponse("/challenges", 303)
    return RedirectResponse(_address(held.opportunity_id, held.feature), 303)


def _address(opportunity_id: str, feature: str) -> str:
    return f"/deals/{quote(opportunity_id, safe='')}/challenge?feature={quote(feature, safe='')}"


def _shown(
    request: Request,
    seen: Seen,
    opportunity_id: str,
    feature: str,
    *,
    problem: DealcastError | None = None,
    typed: tuple[str, str] = ("", ""),
) -> Response:
    rank = seen.rank_of(opportunity_id)
    visible, told = factors_of(seen, rank).visible, told_of(seen.run)
    if feature and feature not in visible:
        raise NotFound
    ranked = sorted(visible, key=lambda name: (-abs(visible[name]), name))
    values, view = values_of(seen.run, rank), challenges_answer(request, seen, opportunity_id)
    own = {one.feature for one in view.challenges if one.is_own and one.state == "open"}
    return page(
        request, "challenge.html", seen, status=200 if problem is None else getattr(problem, "status", 422),
        deal=seen.run.deals.score(rank), feature=feature, told=told, value=values.get(feature),
        log_odds=visible.get(feature), ranked=ranked, has_model=seen.run.model() is not None,
        view=view, is_challenged=feature in own, problem=problem, note=typed[0], corrected=typed[1],
        longest=LONGEST_NOTE,
    )  # fmt: skip
