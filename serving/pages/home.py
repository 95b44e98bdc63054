"""The way in: where a visitor lands, the choice of colours, and the library that draws charts."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from data.errors import UsageError
from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.pages.bundle import bundle_name, chart_bundle
from serving.pages.render import STATIC, THEME_COOKIE, THEMES, page

__all__ = ["router"]

router = APIRouter()
_YEAR_SECONDS = 365 * 86_400
_STATIC_TYPES = {
    "app.css": "text/css",
    "app.js": "text/javascript",
    "charts.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_LANDINGS = (("deals", "/deals"), ("forecast", "/forecast"), ("renewals", "/renewals"), ("models", "/models"))


@router.get("/")
def home(request: Request, seen: Annotated[Seen, allow("me")]) -> Response:
    """To the first page that the visitor may see; a word of explanation for whoever may see none."""
    for action, path in _LANDINGS:
        if action in seen.actions:
            return RedirectResponse(path, 303)
    return page(request, "nothing.html", seen)


@router.post("/theme", dependencies=[allow("public")])
def choose_theme(
    request: Request, theme: Annotated[str, Form()], back: Annotated[str, Form(max_length=2048)] = "/"
) -> Response:
    """Keep the choice of light or dark in a cookie, and go back."""
    if theme not in THEMES:
        raise UsageError(f"theme: expected one of {', '.join(THEMES)}, found {theme[:20]!r}.")
    response = RedirectResponse(_own_path(back), 303)
    response.set_cookie(
        THEME_COOKIE, theme, max_age=_YEAR_SECONDS, httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@router.get("/static/{name}", dependencies=[allow("public")])
def static_file(name: str) -> Response:
    """The style sheet, a script or the icon; names that are not on the list do not exist."""
    if name not in _STATIC_TYPES:
        raise NotFound
    return FileResponse(STATIC / name, media_type=_STATIC_TYPES[name])


@router.get("/assets/{name}")
def chart_library(request: Request, name: str, seen: Annotated[Seen, allow("me")]) -> Response:
    """The library that draws charts, under the name that pages give it."""
    if name != bundle_name():
        raise NotFound
    path: Path | None = chart_bundle(request.app.state.live.workspace)
    if path is None:
        return Response(status_code=503, headers={"Retry-After": "60"})
    return FileResponse(
        path,
        media_type="text/javascript",
        headers={"Content-Encoding": "gzip", "Cache-Control": f"private, max-age={_YEAR_SECONDS}, immutable"},
    )


def _own_path(back: str) -> str:
    """The path if it leads to this server, else the start.

    >>> _own_path("/deals?q=a"), _own_path("//elsewhere.example"), _own_path("https://elsewhere.example/x")
    ('/deals?q=a', '/', '/')
    """
    parts = urlsplit(back)
    own = not parts.scheme and not parts.netloc and back.startswith("/") and back[1:2] not in ("/", "\\")
    return back if own and back.isprintable() else "/"
