"""The page of the records behind one factor of a deal."""

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.api.deal import deal_view
from serving.api.evidence import evidence_view
from serving.feature_facts import feature_facts
from serving.pages.render import page

__all__ = ["router"]

router = APIRouter()


@router.get("/deals/{opportunity_id}/evidence/{feature}")
def evidence_page(
    request: Request, seen: Annotated[Seen, allow("deals")], opportunity_id: str, feature: str
) -> Response:
    """What a factor measures, what it adds to the score, and the rows that its value rests on."""
    held = evidence_view(seen, opportunity_id, feature)
    view = deal_view(seen, opportunity_id)
    factor = next((one for one in view.contributions if one.feature == feature), None)
    return page(
        request, "evidence.html", seen,
        view=held, deal=view.deal, factor=factor, fact=feature_facts(seen.run).get(feature),
        may_act=seen.can("act"),
    )  # fmt: skip
