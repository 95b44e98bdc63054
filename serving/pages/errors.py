"""Errors as people see them: what happened, what to do, and a way back."""

from starlette.requests import Request
from starlette.responses import Response

from serving.pages.render import page
from serving.web.problems import Problem

__all__ = ["error_page"]

_TITLES = {
    401: "Sign in first",
    404: "Nothing here",
    413: "Too much at once",
    429: "Too many requests",
    503: "Not ready yet",
}


def error_page(request: Request, problem: Problem) -> Response:
    """A page for the problem; its words are the API's."""
    title = _TITLES.get(problem.status, "That did not work")
    return page(request, "error.html", None, status=problem.status, title=title, problem=problem)
