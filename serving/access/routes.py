"""The ways in and out: the one-time link, sign-in, sign-out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from serving.access.access import Access
from serving.access.gate import allow

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/enter", dependencies=[allow("public")])
def enter(request: Request, token: Annotated[str, Query(max_length=200)]) -> Response:
    """The link that `dealcast serve` prints: opens a session once, then leads to the first page."""
    access: Access = request.app.state.access
    response = RedirectResponse("/", status_code=303)
    access.keep(response, request, access.enter(token))
    return response


@router.post("/sign-out", dependencies=[allow("public")])
def sign_out(request: Request) -> Response:
    """End the session."""
    access: Access = request.app.state.access
    response = RedirectResponse("/", status_code=303)
    access.forget(response, request)
    return response
