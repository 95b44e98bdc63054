"""The page that a link opens for the customer's side: four questions, no account, no cookie, nothing else."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from data.errors import DealcastError, UsageError
from serving.access.gate import allow
from serving.pages.render import page
from serving.pages.sheet_form import SheetForm
from serving.sheets.links import visit
from serving.sheets.questions import QUESTION_TEXTS
from serving.sheets.sheets import ConflictError, read_sheet, save_draft, submit, take_back
from serving.sheets.typed import Answer
from serving.typed_text import LONGEST_NOTE

__all__ = ["router"]

router = APIRouter()
_UNLISTED = {"X-Robots-Tag": "noindex, nofollow, noarchive"}


@router.get("/customer/{token}", dependencies=[allow("public")])
def customer_page(request: Request, token: str) -> Response:
    """The customer's half of the sheet; any link that opens nothing is answered in the same words."""
    return _shown(request, token)


@router.post("/customer/{token}", dependencies=[allow("public")])
def send_customer_answers(request: Request, token: str, form: Annotated[SheetForm, Form()]) -> Response:
    """Save or submit the customer's answers; what was typed is shown again if it cannot be."""
    state = request.app.state
    came = visit(state.store, token, now=state.now())
    try:
        if form.do == "save":
            save_draft(
                state.store, came.sheet_id, "customer", form.answers(), version=form.version, now=state.now()
            )
        else:
            submit(
                state.store, came.sheet_id, "customer", form.answers(), version=form.version,
                by=came.link_id, now=state.now(),
            )  # fmt: skip
    except (UsageError, ConflictError) as error:
        return _shown(request, token, problem=error, typed=form.typed())
    return RedirectResponse(f"/customer/{token}", 303, headers=_UNLISTED)


@router.post("/customer/{token}/take-back", dependencies=[allow("public")])
def take_customer_answers_back(request: Request, token: str) -> Response:
    """Turn the customer's answers into a draft again, while our side has not submitted."""
    state = request.app.state
    came = visit(state.store, token, now=state.now())
    try:
        take_back(state.store, came.sheet_id, "customer", now=state.now())
    except ConflictError as error:
        return _shown(request, token, problem=error)
    return RedirectResponse(f"/customer/{token}", 303, headers=_UNLISTED)


def _shown(
    request: Request,
    token: str,
    *,
    problem: DealcastError | None = None,
    typed: Mapping[str, Answer] | None = None,
) -> Response:
    state = request.app.state
    came = visit(state.store, token, now=state.now())
    view = read_sheet(state.store, came.sheet_id, "customer")
    response = page(
        request, "customer.html", status=200 if problem is None else getattr(problem, "status", 422),
        view=view, came=came, path=f"/customer/{token}", texts=QUESTION_TEXTS, problem=problem,
        typed=typed or view.draft, longest={"evidence": LONGEST_NOTE},
    )  # fmt: skip
    response.headers.update(_UNLISTED)
    return response
