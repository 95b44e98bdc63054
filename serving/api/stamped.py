"""What every answer of the API says of itself: which run, as of when, by which model."""

from collections.abc import Mapping
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from serving.live import HeldRun

__all__ = ["Answered", "ErrorAnswer", "Given", "Stamped", "answer", "known", "stamp"]


class Answered(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Given(BaseModel):
    """A part of a request's body; a field that does not exist is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stamped(Answered):
    """An answer about a published run."""

    run_id: str = Field(description="The published run that every figure here comes from.")
    as_of: AwareDatetime = Field(description="The UTC instant that the figures stand at.")
    model_version: str = Field(description="The model that scored the deals of this run.")
    is_baseline: bool = Field(description="Whether deals have one plain rate instead of a model's score.")
    notices: tuple[str, ...] = Field(description="What to know beside the figures: that they are old, say.")


class ErrorPart(Answered):
    """What went wrong."""

    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="What is wrong, in words.")
    remedy: str | None = Field(description="What to do about it; null if nothing.")


class ErrorAnswer(Answered):
    """The answer to a request that cannot be answered."""

    error: ErrorPart


def stamp(run: HeldRun) -> dict[str, Any]:
    """The fields of `Stamped` for a run."""
    return {
        "run_id": run.run_id,
        "as_of": run.as_of,
        "model_version": run.model_version,
        "is_baseline": run.is_baseline,
        "notices": run.notices(),
    }


def answer(view: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The view as a JSON response, written once and not validated again."""
    return Response(
        view.model_dump_json(), status, media_type="application/json", headers=dict(headers or {})
    )


def known(value: Any) -> float | None:
    """A number, None where it is missing or NaN.

    >>> known(0.5), known(float("nan")), known(None)
    (0.5, None, None)
    """
    return None if value is None or value != value else float(value)
