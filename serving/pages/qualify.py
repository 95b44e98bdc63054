"""The page on which our side fills in a deal's sheet, shares it, and compares the answers of both sides."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from data.errors import DealcastError, UsageError
from serving.access.gate import Seen, allow
from serving.api.qualification import customer_address, sheet_id_of, sheets_answer
from serving.pages.render import page
from serving.pages.sheet_form import SheetForm
from serving.sheets.links import LINK_DAYS, MOST_LINK_DAYS, LinkLine, links_of, revoke_link, share_sheet
from serving.sheets.listing import last_vendor_name, sheet_of_deal
from serving.sheets.questions import QUESTION_TEXTS
from serving.sheets.sheets import (
    ConflictError,
    new_round,
    open_sheet,
    read_sheet,
    save_draft,
    submit,
    take_back,
)
from serving.sheets.typed import Answer
from serving.typed_text import LONGEST_NAME, LONGEST_NOTE

__all__ = ["router"]

router = APIRouter()
_OFFERED = 10
Acting = Annotated[Seen, allow("act")]
_Name = Annotated[str, Form(max_length=8 * LONGEST_NAME)]


@router.get("/qualify")
def sheets_page(request: Request, seen: Acting) -> Response:
    """The sheets of one's open deals, and deals to begin one with."""
    view = sheets_answer(request.app.state.store, seen)
    begun = {row.opportunity_id for row in view.sheets}
    deals, mask = seen.run.deals, seen.scope.mask(seen.run)
    offered = [rank for rank in mask.nonzero()[0].tolist() if deals.ids[rank] not in begun][:_OFFERED]
    called = {one.opportunity_id: deals.score(seen.rank_of(one.opportunity_id)) for one in view.sheets}
    return page(
        request, "qualify_list.html", seen,
        view=view, called=called, offered=[deals.score(rank) for rank in offered], n_deals=int(mask.sum()),
    )  # fmt: skip


@router.get("/qualify/{opportunity_id}")
def sheet_page(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """A deal's sheet; the form to begin one where there is none."""
    return _shown(request, seen, opportunity_id)


@router.post("/qualify/{opportunity_id}")
def name_sheet(
    request: Request, seen: Acting, opportunity_id: str, vendor_name: _Name = "", deal_name: _Name = ""
) -> Response:
    """Begin a sheet, or change the names that the customer reads."""
    seen.rank_of(opportunity_id)
    state = request.app.state
    try:
        open_sheet(
            state.store, opportunity_id, vendor_name=vendor_name, deal_name=deal_name,
            by=seen.actor.user_id, now=state.now(),
        )  # fmt: skip
    except UsageError as error:
        return _shown(request, seen, opportunity_id, problem=error, names=(vendor_name, deal_name))
    return _back(opportunity_id)


@router.post("/qualify/{opportunity_id}/answers")
def send_answers(
    request: Request, seen: Acting, opportunity_id: str, form: Annotated[SheetForm, Form()]
) -> Response:
    """Save or submit our side's answers; what was typed is shown again if it cannot be."""
    state = request.app.state
    sheet_id = sheet_id_of(state.store, seen, opportunity_id)
    try:
        if form.do == "save":
            save_draft(state.store, sheet_id, "vendor", form.answers(), version=form.version, now=state.now())
        else:
            submit(
                state.store, sheet_id, "vendor", form.answers(), version=form.version,
                by=seen.actor.user_id, now=state.now(),
            )  # fmt: skip
    except (UsageError, ConflictError) as error:
        return _shown(request, seen, opportunity_id, problem=error, typed=form.typed())
    return _back(opportunity_id)


@router.post("/qualify/{opportunity_id}/take-back")
def take_answers_back(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """Turn our answers into a draft again."""
    state = request.app.state
    sheet_id = sheet_id_of(state.store, seen, opportunity_id)
    try:
        take_back(state.store, sheet_id, "vendor", now=state.now())
    except ConflictError as error:
        return _shown(request, seen, opportunity_id, problem=error)
    return _back(opportunity_id)


@router.post("/qualify/{opportunity_id}/rounds")
def open_round(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """Open a new round."""
    store = request.app.state.store
    try:
        new_round(store, sheet_id_of(store, seen, opportunity_id))
    except ConflictError as error:
        return _shown(request, seen, opportunity_id, problem=error)
    return _back(opportunity_id)


@router.post("/qualify/{opportunity_id}/links")
def make_link(
    request: Request, seen: Acting, opportunity_id: str, recipient: _Name = "",
    days: Annotated[int, Form()] = LINK_DAYS,
) -> Response:  # fmt: skip
    """Make a link for the customer's side; its address is on this answer and nowhere else."""
    state = request.app.state
    try:
        token, line = share_sheet(
            state.store, sheet_id_of(state.store, seen, opportunity_id), recipient=recipient,
            by=seen.actor.user_id, now=state.now(), days=days,
        )  # fmt: skip
    except UsageError as error:
        return _shown(request, seen, opportunity_id, problem=error)
    return _shown(request, seen, opportunity_id, made=(customer_address(request, token), line))


@router.post("/qualify/{opportunity_id}/links/{link_id}/withdraw")
def withdraw_link(request: Request, seen: Acting, opportunity_id: str, link_id: str) -> Response:
    """From now on the link opens nothing."""
    state = request.app.state
    revoke_link(state.store, sheet_id_of(state.store, seen, opportunity_id), link_id, now=state.now())
    return _back(opportunity_id)


def _back(opportunity_id: str) -> RedirectResponse:
    return RedirectResponse(f"/qualify/{quote(opportunity_id, safe='')}", 303)


def _shown(
    request: Request,
    seen: Seen,
    opportunity_id: str,
    *,
    problem: DealcastError | None = None,
    typed: Mapping[str, Answer] | None = None,
    names: tuple[str, str] | None = None,
    made: tuple[str, LinkLine] | None = None,
) -> Response:
    """The page of a deal's sheet. typed, names: what was sent and not kept. made: a new link's address."""
    deal = seen.run.deals.score(seen.rank_of(opportunity_id))
    state = request.app.state
    sheet_id = sheet_of_deal(state.store, opportunity_id)
    if sheet_id is None:
        vendor_name, deal_name = names or (last_vendor_name(state.store, seen.actor.user_id), "")
        view = None
    else:
        view = read_sheet(state.store, sheet_id, "vendor")
        vendor_name, deal_name = names or (view.vendor_name, view.deal_name)
    return page(
        request, "qualify.html", seen, status=200 if problem is None else getattr(problem, "status", 422),
        deal=deal, view=view, links=links_of(state.store, view.sheet_id) if view else (),
        now=state.now(), texts=QUESTION_TEXTS, problem=problem,
        typed=typed or (view.draft if view else {}), vendor_name=vendor_name, deal_name=deal_name, made=made,
        longest={"name": LONGEST_NAME, "evidence": LONGEST_NOTE}, link_days=(LINK_DAYS, MOST_LINK_DAYS),
        is_reachable=state.settings.public_url is not None,
    )  # fmt: skip
