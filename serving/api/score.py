"""Scoring what is sent: features that are ready, straight to the model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from data.errors import UsageError
from models.explain import drivers
from serving.access.gate import Seen, allow
from serving.api.deal_parts import DriverAnswer, Value
from serving.api.stamped import Answered, Given, Stamped, stamp
from serving.live import HeldRun
from serving.ready import ReadyRows

__all__ = ["MOST_DEALS", "NoModelError", "ReadyGiven", "ReadyScore", "ReadyView", "ready_answer", "router"]

router = APIRouter(tags=["score"])

MOST_DEALS = 1_000
"""Deals that one request may score."""
_FEW = 8
"""Rows that are scored at once; more of them would keep other requests waiting, and go to a thread."""


class NoModelError(UsageError):
    """The run has no model to ask. HTTP 409."""

    status = 409


class ReadyGiven(Given):
    """Rows of features as `win_features` has them."""

    features: list[dict[str, Value]] = Field(
        min_length=1, max_length=MOST_DEALS,
        description="A row per deal: features by name, in their units; what is left out or null is missing.",
    )  # fmt: skip


class ReadyScore(Answered):
    """A row's score; base_log_odds + Σ contributions = log_odds = logit(p_win), to 1e-6."""

    p_win: float = Field(description="Calibrated probability of being won, 0 to 1.")
    log_odds: float
    base_log_odds: float
    drivers: tuple[DriverAnswer, ...] = Field(description="By family, the largest first.")
    contributions: dict[str, float] = Field(description="Log-odds by feature.")


class ReadyView(Stamped):
    """Scores of the rows sent, in their order."""

    scores: tuple[ReadyScore, ...]


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
    response_model=ReadyView,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ReadyGiven.model_json_schema()}},
        }
    },
)
async def post_score(request: Request, seen: Annotated[Seen, allow("score")]) -> Response:
    """Rows of features scored by the model that serves, each with its contributions. Nothing is kept."""
    rows = _rows(await request.body())
    if len(rows) <= _FEW:
        return Response(ready_answer(seen.run, rows), media_type="application/json")
    body = await to_thread.run_sync(ready_answer, seen.run, rows)
    return Response(body, media_type="application/json")


def _ready(run: HeldRun) -> ReadyRows:
    model = run.model()
    if model is None:
        raise NoModelError(f"score: {run.model_problem}.")
    return ReadyRows(model)


def _rows(body: bytes) -> list[dict[str, Any]]:
    """The rows in a body, read without a model of their fields: what they hold is checked as it is scored."""
    given = read_json(body)
    if not isinstance(given, dict) or set(given) != {"features"}:
        raise UsageError('body: expected {"features": [{...}]}, found something else.')
    rows = given["features"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("features: expected a list of objects, a row of features by name each.")
    if not 1 <= len(rows) <= MOST_DEALS:
        raise UsageError(f"features: expected 1 to {MOST_DEALS:,} rows, found {len(rows):,}.")
    return rows


def read_json(body: bytes) -> Any:
    """What the body holds. Raises UsageError for what is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"body: expected JSON, found {error}.") from error
