"""Every page's route, in one router. Pages are no part of the API's schema."""

from fastapi import APIRouter

from serving.pages import deal, deals, home

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for subject in (home, deals, deal):
    router.include_router(subject.router)
