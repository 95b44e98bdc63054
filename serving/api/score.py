"""Scoring what is sent: raw records through the feature code, or ready features straight to the model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from data.errors import UsageError
from models.explain import drivers
from serving.access.gate import Seen, allow
from serving.api.score_parts import MOST_DEALS, ReadyGiven, ReadyView, RecordsGiven, RecordsView
from serving.api.score_records import records_view
from serving.api.stamped import answer, stamp
from serving.live import HeldRun
from serving.ready import ReadyRows

__all__ = ["NoModelError", "ready_answer", "router"]

router = APIRouter(tags=["score"])

_FEW = 8
"""Rows that are scored at once; more of them would keep other requests waiting, and go to a thread."""


class NoModelError(UsageError):
    """The run has no model to ask. HTTP 409."""

    status = 409


def ready_answer(run: HeldRun, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows' scores as JSON, shaped as `ReadyView`.

    Raises NoModelError for a run without a model, ModelContractError for features that it does not have.
    """
    held = run.memo("ready rows", lambda: _ready(run))
    scored = held.score(rows)
    names, families = held.model.feature_names, held.model.families
    found = []
    for p, log_odds, parts in zip(
        scored.p_win.tolist(), scored.log_odds.tolist(), scored.contributions.tolist(), strict=True
    ):
        moved = dict(zip(names, parts, strict=True))
        found.append({
            "p_win": p,
            "log_odds": log_odds,
            "base_log_odds": scored.base,
            "drivers": [vars(one) for one in drivers(moved, families)],
            "contributions": moved,
        })  # fmt: skip
    return orjson.dumps({**stamp(run), "scores": found}, option=orjson.OPT_UTC_Z)


@router.post(
    "/score",
    response_model=RecordsView | ReadyView,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [RecordsGiven.model_json_schema(), ReadyGiven.model_json_schema()]}
                }
            },
        }
    },
)
async def post_score(request: Request, seen: Annotated[Seen, allow("score")]) -> Response:
    """Deals scored by the model that serves: from raw `records`, or from ready `features`.

    Up to 1,000 deals. Nothing is kept.
    """
    given = _read(await request.body())
    if "features" not in given:
        view = await to_thread.run_sync(records_view, seen.run, _records(given))
        return answer(view)
    rows = _rows(given)
    if len(rows) <= _FEW:
        return Response(ready_answer(seen.run, rows), media_type="application/json")
    body = await to_thread.run_sync(ready_answer, seen.run, rows)
    return Response(body, media_type="application/json")


def _ready(run: HeldRun) -> ReadyRows:
    model = run.model()
    if model is None:
        raise NoModelError(f"score: {run.model_problem}.")
    return ReadyRows(model)


def _read(body: bytes) -> dict[str, Any]:
    """What the body holds; its hundreds of fields are checked as they are scored."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"body: expected JSON, found {error}.") from error
    if not isinstance(given, dict) or ("features" in given) == ("records" in given):
        raise UsageError("body: expected an object with `records` or `features`, one of the two.")
    return given


def _rows(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = given["features"]
    odd = sorted(set(given) - {"features"})
    if odd:
        raise UsageError(f"body: expected nothing beside `features`, found {odd[0]!r:.80}.")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("features: expected a list of objects, a row of features by name each.")
    if not 1 <= len(rows) <= MOST_DEALS:
        raise UsageError(f"features: expected 1 to {MOST_DEALS:,} rows, found {len(rows):,}.")
    return rows


def _records(given: Mapping[str, Any]) -> RecordsGiven:
    try:
        return RecordsGiven.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        ) from error
