"""The ways in and out: the one-time link, sign-in, sign-out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from serving.access.access import LONGEST_WAY_BACK, SIGN_IN, Access
from serving.access.errors import NotFound, NotSignedIn
from serving.access.gate import allow
from serving.access.issuer import CALLBACK, Issuer

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_SIGN_IN_SECONDS = 600


@router.get("/enter", dependencies=[allow("public")])
def enter(request: Request, token: Annotated[str, Query(max_length=200)]) -> Response:
    """The link that `dealcast serve` prints: opens a session once, then leads to the first page."""
    access = _access(request)
    response = RedirectResponse("/", status_code=303)
    access.keep(response, request, access.enter(token))
    return response


@router.get(SIGN_IN, dependencies=[allow("public")])
async def sign_in(
    request: Request, then: Annotated[str, Query(max_length=LONGEST_WAY_BACK)] = "/"
) -> Response:
    """Lead to the issuer; what is needed to check its answer waits in a cookie."""
    access, issuer = _access(request), _issuer(request)
    address, kept = await issuer.begin(access.base_url(request), _own_path(then))
    response = RedirectResponse(address, status_code=303)
    response.set_cookie(
        _begun_cookie(request), kept, max_age=_SIGN_IN_SECONDS, path="/", secure=access.is_secure,
        httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.get(CALLBACK, dependencies=[allow("public")])
async def signed_in(request: Request) -> Response:
    """Where the issuer sends people back to: opens a session, then leads on."""
    access, issuer = _access(request), _issuer(request)
    name = _begun_cookie(request)
    identity, then = await issuer.finish(request.query_params, request.cookies.get(name))
    # a session of before, perhaps planted by somebody else, does not live on beside the new one
    await run_in_threadpool(access.end, request)
    response = RedirectResponse(then, status_code=303)
    access.keep(response, request, await run_in_threadpool(access.sessions.open, identity))
    response.delete_cookie(name, path="/", secure=access.is_secure, httponly=True, samesite="lax")
    return response


@router.post("/sign-out", dependencies=[allow("public")])
def sign_out(request: Request) -> Response:
    """End the session here."""
    response = RedirectResponse("/signed-out", status_code=303)
    _access(request).forget(response, request)
    return response


@router.get("/signed-out", dependencies=[allow("public")])
def signed_out(request: Request) -> Response:
    """Say that the session has ended, and how to begin another; a page of its own, for the first one would
    sign visitors in again at once."""
    if _access(request).issuer is None:
        raise NotSignedIn("You are signed out.")
    raise NotSignedIn(
        f"You are signed out here. `{SIGN_IN}` signs you in again; `/sign-out/everywhere` leads to where "
        "you can sign out of the sign-in service as well."
    )


@router.get("/sign-out/everywhere", dependencies=[allow("public")])
async def sign_out_everywhere(request: Request) -> Response:
    """Lead to the issuer's own page for signing out."""
    address = await _issuer(request).end_address(_access(request).base_url(request))
    if address is None:
        raise NotFound
    return RedirectResponse(address, status_code=303)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _issuer(request: Request) -> Issuer:
    """The issuer. Raises NotFound where people do not sign in."""
    issuer = _access(request).issuer
    if issuer is None:
        raise NotFound
    return issuer


def _begun_cookie(request: Request) -> str:
    return f"{_access(request).cookie_name(request)}-sign-in"


def _own_path(path: str) -> str:
    """The path if it is one of this server, else the first page's.

    >>> _own_path("/deals?owner=U1"), _own_path("//evil.example"), _own_path("/\\\\evil.example")
    ('/deals?owner=U1', '/', '/')
    """
    plain = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if plain else "/"
