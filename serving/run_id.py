"""Run ids: sortable by start time, safe as folder names, refused when they are anything else."""

import re
import secrets
from datetime import UTC, datetime

from data.errors import PublishError

__all__ = ["check_run_id", "is_run_id", "new_run_id", "run_started_at"]

_FORM = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{6}")
_STAMP = "%Y%m%dT%H%M%SZ"


def new_run_id(now: datetime, suffix: str | None = None) -> str:
    """The id of a run that starts at `now`: its UTC time and six hex digits, random unless given.

    >>> new_run_id(datetime(2026, 1, 5, 6, 30, tzinfo=UTC), "0a1b2c")
    '20260105T063000Z-0a1b2c'
    """
    return f"{now.astimezone(UTC).strftime(_STAMP)}-{suffix or secrets.token_hex(3)}"


def is_run_id(text: str) -> bool:
    """Whether the text has the form of a run id, so that it cannot lead out of its folder.

    >>> is_run_id("20260105T063000Z-0a1b2c"), is_run_id("../etc")
    (True, False)
    """
    return _FORM.fullmatch(text) is not None


def check_run_id(text: str, place: str) -> None:
    """Raise PublishError, naming the place where the id was found, unless it has the form of one."""
    if not is_run_id(text):
        raise PublishError(
            f"{place}: expected a run id like 20260105T063000Z-0a1b2c, found {text[:80]!r}. "
            "Publish again with `dealcast score`."
        )


def run_started_at(run_id: str) -> datetime:
    """The UTC time at which the run of that id started."""
    check_run_id(run_id, "run id")
    return datetime.strptime(run_id.partition("-")[0], _STAMP).replace(tzinfo=UTC)
