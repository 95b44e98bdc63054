"""Every page's route, in one router. Pages are no part of the API's schema."""

from fastapi import APIRouter

from serving.pages import (
    challenges,
    customer,
    deal,
    deals,
    evidence,
    forecast,
    home,
    models,
    qualify,
    renewals,
    saved_views,
    what_if,
)

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for subject in (
    home, deals, saved_views, deal, evidence, what_if, forecast, renewals, models, qualify, customer,
    challenges,
):  # fmt: skip
    router.include_router(subject.router)
