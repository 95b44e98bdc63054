"""Every page's route, in one router. Pages are no part of the API's schema."""

from fastapi import APIRouter

from serving.pages import (
    challenges,
    customer,
    deal,
    deals,
    forecast,
    home,
    models,
    qualify,
    renewals,
    what_if,
)

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for subject in (home, deals, deal, what_if, forecast, renewals, models, qualify, customer, challenges):
    router.include_router(subject.router)
