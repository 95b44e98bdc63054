"""The JSON API: one router and its typed models per subject, under /api/v1."""

from fastapi import APIRouter

from serving.api import (
    about,
    challenges,
    changes,
    deal,
    deals,
    evidence,
    exporting,
    filters,
    forecast,
    helping,
    models,
    qualification,
    renewal,
    renewals,
    scenario,
    score,
)
from serving.api.stamped import ErrorAnswer

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1",
    responses={
        "4XX": {"model": ErrorAnswer, "description": "The request cannot be answered as it is."},
        "5XX": {"model": ErrorAnswer, "description": "The server cannot answer now."},
    },
)
for _subject in (
    about, deals, deal, evidence, changes, helping, renewals, renewal, forecast, scenario, exporting, models,
    score, qualification, challenges, filters,
):  # fmt: skip
    router.include_router(_subject.router)
