"""Errors as people see them: what happened, what to do, and a way back."""

from starlette.requests import Request
from starlette.responses import Response

from serving.access.access import SIGN_IN
from serving.pages.render import page
from serving.web.problems import Problem

__all__ = ["error_page"]

_TITLES = {
    400: "That cannot be read",
    401: "Sign in first",
    404: "Nothing here",
    413: "Too much at once",
    429: "Too many requests",
    503: "Not ready yet",
}
_SIGNED_OUT = "/signed-out"


def error_page(request: Request, problem: Problem) -> Response:
    """A page for the problem; its words are the API's."""
    is_out = request.url.path == _SIGNED_OUT
    title = "You are signed out" if is_out else _TITLES.get(problem.status, "That did not work")
    people_sign_in = request.app.state.access.issuer is not None if "app" in request.scope else False
    return page(
        request, "error.html", None, status=problem.status,
        title=title, problem=problem, is_out=is_out, sign_in=SIGN_IN if people_sign_in else None,
    )  # fmt: skip
