"""The page of one deal: how likely, why, what changed, who is missing, what would help."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.api.challenges import ChallengeAnswer, challenges_answer
from serving.api.changes import deal_change_view, history_view
from serving.api.deal import deal_view
from serving.api.deal_parts import DealView
from serving.api.helping import suggestions_view
from serving.pages import words
from serving.pages.charting import Chart
from serving.pages.deal_charts import timing_chart, timing_rows, waterfall_chart, waterfall_rows
from serving.pages.deal_words import EXPECTED, asked_of, heat_of, phases_of, roles_by_part
from serving.pages.history_charts import change_chart, history_chart
from serving.pages.render import page

__all__ = ["router"]

router = APIRouter()
_MISSING_SHOWN, _STEPS_SHOWN = 3, 4
_WORTH_NAMING = 0.3
"""Share of won deals alike from which a missing role is named first thing."""


@router.get("/deals/{opportunity_id}")
def deal_page(request: Request, seen: Annotated[Seen, allow("deals")], opportunity_id: str) -> Response:
    """One open deal that the visitor may see."""
    view = deal_view(seen, opportunity_id)
    change = deal_change_view(seen, opportunity_id)
    return page(
        request, "deal.html", seen,
        view=view, deal=view.deal,
        waterfall=_waterfall(view), timing=_timing(view),
        change=change, change_drawn=change_chart(change),
        history=history_chart(history_view(seen, opportunity_id)),
        suggested=suggestions_view(seen, opportunity_id, _STEPS_SHOWN),
        may_act=seen.can("act"), challenged=_challenged(request, seen, opportunity_id),
        missing=[one for one in view.roles if one.missing and (one.expected_share or 0) >= _WORTH_NAMING]
        [:_MISSING_SHOWN],
        parts=roles_by_part(view.roles), heat=heat_of, expected=EXPECTED,
        phases=phases_of(view.spiral), ways_out=[one for one in view.spiral.steps if one.kind == "way_out"],
        asked=asked_of(view.qualification),
        largest=max((abs(one.log_odds) for one in (*view.speaks_for, *view.speaks_against)), default=0.0),
    )  # fmt: skip


def _challenged(request: Request, seen: Seen, opportunity_id: str) -> list[ChallengeAnswer]:
    """The open challenges to the deal's factors, for who may challenge."""
    if not seen.can("act"):
        return []
    held = challenges_answer(request, seen.narrowed("act"), opportunity_id)
    return [one for one in held.challenges if one.state == "open"]


def _waterfall(view: DealView) -> Chart | None:
    if not any(one.log_odds for one in view.drivers):
        return None
    rows = waterfall_rows(
        "Before anything is known",
        view.base_log_odds,
        [(one.title, one.log_odds) for one in view.drivers],
        "This deal",
    )
    first = view.drivers[0]
    way = "lifts" if first.log_odds > 0 else "lowers"
    title = f"“{first.title}” {way} it most: {words.log_odds(first.log_odds)} in log-odds"
    note = "From left to right each driver moves the probability; +0.7 doubles the odds, −0.7 halves them."
    return waterfall_chart(rows, title=title, note=note)


def _timing(view: DealView) -> Chart | None:
    if view.curve is None:
        return None
    points = view.curve.points
    rows = timing_rows(view.as_of, [one.days for one in points], [one.p_won_by for one in points])
    closes: Any = view.curve.expected_close_on
    return timing_chart(rows, p_win=view.deal.p_win, expected_close_on=closes.isoformat() if closes else None)
