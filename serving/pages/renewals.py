"""The pages of contracts that wait for their renewal: the list, and one taken apart."""

from typing import Annotated, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.api.queries import query_of
from serving.api.renewal import renewal_view
from serving.api.renewal_parts import RenewalQuery, RenewalSort, RenewalView
from serving.api.renewals import renewals_view
from serving.pages import words
from serving.pages.asked import address, given, pairs_of, sort_links
from serving.pages.charting import Chart
from serving.pages.deal_charts import waterfall_chart, waterfall_rows
from serving.pages.render import page
from serving.pages.use_charts import use_chart

__all__ = ["router"]

router = APIRouter()

_PATH = "/renewals"
_COLUMNS = (
    ("account", "Customer", ""), ("p_renew", "Renews", "num"), ("-change", "Change", "num"),
    ("days_left", "Term ends", ""), ("-committed_amount", "Committed", "num"),
    ("expected", "Expected of it", "num"),
)  # fmt: skip
_WITHIN = (
    ("0", "already over"), ("30", "within 30 days"), ("90", "within 90 days"), ("180", "within 180 days"),
)  # fmt: skip
_CHANCES = (("0.25", "at most 25 %"), ("0.5", "at most 50 %"), ("0.75", "at most 75 %"))
_BILLINGS = (("prepaid", "Prepaid"), ("commit", "Commitment"), ("postpay", "Post-pay"))


@router.get(_PATH)
def renewals_page(request: Request, seen: Annotated[Seen, allow("renewals")]) -> Response:
    """The contracts that wait for their renewal, the least likely first."""
    asked = pairs_of(request)
    query = query_of(RenewalQuery, asked)
    kept = [(name, text) for name, text in asked if name != "cursor"]
    view = renewals_view(seen, query)
    return page(
        request, "renewals.html", seen,
        view=view, query=query, within=_WITHIN, chances=_CHANCES, billings=_BILLINGS,
        headings=sort_links(_PATH, kept, query.sort, _COLUMNS, get_args(RenewalSort)),
        next_link=address(_PATH, kept, cursor=view.next_cursor) if view.next_cursor else None,
        first_link=address(_PATH, kept) if query.cursor else None,
        filtered=given(kept),
    )  # fmt: skip


@router.get("/renewals/{contract_id}")
def renewal_page(request: Request, seen: Annotated[Seen, allow("renewals")], contract_id: str) -> Response:
    """One contract that waits for its renewal."""
    view = renewal_view(seen, contract_id)
    return page(
        request, "renewal.html", seen,
        view=view, contract=view.contract, waterfall=_waterfall(view),
        use=use_chart(view.use) if view.use else None,
        largest=max((abs(one.log_odds) for one in (*view.speaks_for, *view.speaks_against)), default=0.0),
    )  # fmt: skip


def _waterfall(view: RenewalView) -> Chart | None:
    if not any(one.log_odds for one in view.drivers):
        return None
    terms = [(one.title, one.log_odds) for one in view.drivers]
    rows = waterfall_rows("Before anything is known", view.base_log_odds, terms, "This contract")
    first = view.drivers[0]
    title = f"“{first.title}” weighs most: {words.log_odds(first.log_odds)} in log-odds"
    note = "From left to right each driver moves the probability of renewal."
    return waterfall_chart(rows, title=title, note=note)
