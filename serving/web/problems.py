"""Errors as a client sees them: a status, a code for programs, a message and what to do next.

The one place that maps the error tree to HTTP. A message never holds a path of the server, a traceback or
what its reader may not know; the log has the rest.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from data.errors import (
    DataContractError,
    DealcastError,
    LeakageError,
    ModelContractError,
    PublishError,
    SourceError,
    UsageError,
    WarehouseBusyError,
)
from serving.live import NothingPublishedError

__all__ = ["Problem", "problem_of", "problem_of_status"]


@dataclass(frozen=True)
class Problem:
    """What went wrong. status: HTTP's. code: stable, for programs. remedy: what to do, None if nothing."""

    status: int
    code: str
    message: str
    remedy: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, dict[str, str | None]]:
        """The body of a JSON answer."""
        return {"error": {"code": self.code, "message": self.message, "remedy": self.remedy}}


_OURS: tuple[tuple[type[DealcastError], int, str, str | None], ...] = (
    (UsageError, 400, "wrong_request", None),
    (SourceError, 422, "unreadable_records", None),
    (DataContractError, 422, "broken_contract", None),
    (ModelContractError, 422, "unfit_for_the_model", None),
    (WarehouseBusyError, 503, "busy", "Try again in a moment."),
)
"""Errors whose own message is for whoever sent the request."""

_STATUS: dict[int, tuple[str, str]] = {
    400: ("wrong_request", "The request cannot be read."),
    401: ("not_signed_in", "Sign in first."),
    404: ("not_found", "There is nothing here, or nothing that you may see."),
    405: ("wrong_method", "This address does not answer to that method."),
    500: ("unexpected", "This should not have happened. The server's log has the details."),
}


def problem_of(error: DealcastError) -> Problem:
    """The problem that an error of ours is to a client.

    An error that carries `status` (and `remedy`, `code`, `headers`) decides for itself.
    """
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return Problem(
            status,
            getattr(error, "code", None) or _code_of(error),
            str(error),
            getattr(error, "remedy", None),
            getattr(error, "headers", {}),
        )
    if isinstance(error, NothingPublishedError):
        message, _, remedy = str(error).partition(". ")
        return Problem(503, "nothing_published", f"{message}.", remedy, {"Retry-After": "5"})
    if isinstance(error, PublishError):
        return Problem(
            409,
            "unreadable_run",
            "The published run does not hold what this needs: an earlier version made it, or it is damaged.",
            "Publish again: `dealcast run`.",
        )
    if isinstance(error, LeakageError):
        return problem_of_status(500)
    for kind, found, code, advice in _OURS:
        if isinstance(error, kind):
            return Problem(found, code, str(error), advice)
    return problem_of_status(500)


def problem_of_status(status: int, message: str | None = None) -> Problem:
    """The problem behind a bare HTTP status."""
    phrase = HTTPStatus(status).phrase
    code, said = _STATUS.get(status, (re.sub(r"\W+", "_", phrase.lower()), f"{phrase}."))
    return Problem(status, code, message or said)


def _code_of(error: DealcastError) -> str:
    """The class's name in snake case, without the last word Error.

    >>> from data.errors import UsageError
    >>> _code_of(UsageError(""))
    'usage'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()
