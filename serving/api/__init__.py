"""The JSON API: one router and its typed models per subject, under /api/v1."""

from fastapi import APIRouter

from serving.api import (
    challenges,
    changes,
    deal,
    deals,
    forecast,
    qualification,
    renewal,
    renewals,
    scenario,
)

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")
for _subject in (deals, deal, changes, renewals, renewal, forecast, scenario, qualification, challenges):
    router.include_router(_subject.router)
