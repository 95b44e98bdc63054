"""Keeping and forgetting views of the deals, by the forms on their page."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from serving.access.gate import Seen, allow
from serving.api.filters import checked_query
from serving.saved_filters import drop_filter, keep_filter

__all__ = ["router"]

router = APIRouter()
Acting = Annotated[Seen, allow("act")]


@router.post("/views")
def save_view(
    request: Request,
    seen: Acting,
    name: Annotated[str, Form(max_length=500)] = "",
    query: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Keep the view that the page shows, and show it."""
    state, checked = request.app.state, checked_query(query)
    keep_filter(state.store, seen.actor.user_id, name=name, query=checked, now=state.now())
    return RedirectResponse(f"/deals?{checked}" if checked else "/deals", 303)


@router.post("/views/{filter_id}/forget")
def forget_view(request: Request, seen: Acting, filter_id: str) -> Response:
    """Forget a view."""
    drop_filter(request.app.state.store, seen.actor.user_id, filter_id)
    return RedirectResponse("/deals", 303)
