"""The page of the models: champion beside challenger, and what they rest on."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.api.model_parts import ModelAnswer, SubjectAnswer
from serving.api.models import models_view
from serving.pages.charting import Chart
from serving.pages.model_charts import (
    CHALLENGER,
    CHAMPION,
    lift_chart,
    lift_rows,
    reliability_chart,
    reliability_rows,
    worth_chart,
    worth_rows,
)
from serving.pages.render import page

__all__ = ["router"]

router = APIRouter()

_SUBJECTS = {"win": ("Deals won", "won"), "renewal": ("Contracts renewed", "renewed")}
_MODELS = {
    "win": "The model", "renewal": "The model", "base_rate": "Base rate", "logistic": "Logistic regression",
    "stage_probability": "The CRM’s stage probability", "naive_bayes": "Naive-Bayes lead score",
    "segment_rate": "Rate by segment", "horizon_rate": "Rate by days left",
}  # fmt: skip


@router.get("/models")
def models_page(request: Request, seen: Annotated[Seen, allow("models")]) -> Response:
    """The models that made the scores, and those that wait."""
    view = models_view(seen, request.app.state.settings)
    worth = worth_rows(view.worth.families) if view.worth else []
    return page(
        request, "models.html", seen,
        view=view, subjects=[_subject(one) for one in view.subjects], named=_MODELS,
        worth=worth_chart(worth) if worth else None,
    )  # fmt: skip


def _subject(held: SubjectAnswer) -> dict[str, Any]:
    """A subject with its models in their roles, and their charts."""
    title, happened = _SUBJECTS.get(held.subject, (held.subject, "so"))
    roles = ((CHAMPION, held.champion), (CHALLENGER, held.challenger))
    models = [(role, model) for role, model in roles if model is not None]
    return {
        "held": held, "title": title, "happened": happened, "models": models,
        "charts": _charts(models, held.subject, happened),
    }  # fmt: skip


def _charts(models: list[tuple[str, ModelAnswer]], subject: str, happened: str) -> list[Chart]:
    calibrated, lifted = reliability_rows(models), lift_rows(models)
    return [
        *([reliability_chart(calibrated, subject, happened)] if calibrated else []),
        *([lift_chart(lifted, subject, happened)] if lifted else []),
    ]
