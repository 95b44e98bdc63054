"""Turning errors into answers: problem JSON for programs, a page for people."""

import html
import logging
from collections.abc import Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.errors import DealcastError
from serving.text import printable
from serving.web.problems import Problem, problem_of, problem_of_status

__all__ = ["Catch", "ErrorPage", "install_errors", "respond"]

_LOG = logging.getLogger("dealcast.serve")
_SHOWN_PROBLEMS = 5

ErrorPage = Callable[[Request, Problem], Response]
"""Draws a problem for people."""


def install_errors(app: FastAPI, page: ErrorPage | None = None) -> None:
    """Answer every error of the app's routes with a problem. page: how people see it; by default plainly."""
    app.state.error_page = page or plain_page
    app.add_exception_handler(DealcastError, _on_ours)
    app.add_exception_handler(HTTPException, _on_status)
    app.add_exception_handler(RequestValidationError, _on_invalid)


def respond(request: Request, problem: Problem) -> Response:
    """The problem as JSON, or as a page for a browser that asks for one outside the API."""
    if _wants_page(request):
        page: ErrorPage = getattr(request.app.state, "error_page", plain_page)
        response = page(request, problem)
        response.headers.update(problem.headers)
        return response
    return Response(
        orjson.dumps(problem.as_dict()), problem.status, dict(problem.headers), "application/json"
    )


def plain_page(request: Request, problem: Problem) -> Response:
    """A page without style, for when there is no other."""
    told = [f"<h1>{html.escape(problem.message)}</h1>"]
    if problem.remedy:
        told.append(f"<p>{html.escape(problem.remedy)}</p>")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{problem.status}</title>'
    return HTMLResponse(head + "".join(told) + "</html>", problem.status)


class Catch:
    """Answers with a problem what no handler foresaw; its traceback goes to the log alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and stay between its failure and the client."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            fields = {"request_id": scope.get("state", {}).get("request_id")}
            _LOG.exception("unexpected error", extra={"fields": fields})
            if started:
                raise
            await respond(Request(scope), problem_of_status(500))(scope, receive, send)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, DealcastError)  # noqa: S101 - the handler is registered for these alone
    problem = problem_of(error)
    if problem.status >= 500:
        fields = {"request_id": getattr(request.state, "request_id", None), "problem": str(error)}
        _LOG.warning("request failed", extra={"fields": fields})
    sign_in = getattr(error, "sign_in", None)
    if problem.status == 401 and sign_in and request.method == "GET" and _wants_page(request):
        return RedirectResponse(sign_in, 303)
    return respond(request, problem)


async def _on_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for these alone
    held = problem_of_status(error.status_code)
    said = error.detail if error.status_code in (400, 409, 410, 413, 415, 422) else None
    return respond(
        request,
        Problem(held.status, held.code, str(said) if said else held.message, None, dict(error.headers or {})),
    )


async def _on_invalid(request: Request, error: Exception) -> Response:
    """A body or parameter that does not fit its type: at most five of what is wrong, and the total."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler is registered for these alone
    found: list[Any] = list(error.errors())
    told = [f"{_place(one['loc'])}: {one['msg']}" for one in found[:_SHOWN_PROBLEMS]]
    more = f" {len(found)} problems in all." if len(found) > _SHOWN_PROBLEMS else ""
    message = printable("; ".join(told), longest=1000) + "." + more
    remedy = "GET /openapi.json describes what is expected."
    return respond(request, Problem(422, "invalid", message, remedy))


def _place(parts: tuple[str | int, ...]) -> str:
    """Where in a request something stands.

    >>> _place(("body", "records", 2, "amount"))
    'body.records.2.amount'
    """
    return ".".join(str(part) for part in parts)


def _wants_page(request: Request) -> bool:
    if request.url.path.startswith(("/api/", "/openapi.json")):
        return False
    return "text/html" in request.headers.get("accept", "")
