"""The page of the open deals: filters, views, sums, and a table that is sorted by links."""

from collections.abc import Mapping
from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.access.gate import Seen, allow
from serving.api.deal_filters import DealQuery, DealSort
from serving.api.deals import choices_view, deals_view
from serving.api.queries import query_of
from serving.pages.asked import address, given, pairs_of, sort_links
from serving.pages.render import page
from serving.saved_filters import SavedFilter, filters_of

__all__ = ["router"]

router = APIRouter()

_PATH = "/deals"
_COLUMNS = (
    ("name", "Deal", ""), ("-p_win", "Win", "num"), ("-change", "Change", "num"),
    ("-amount", "Amount", "num"), ("expected_close_on", "Expected close", ""), ("stage", "Stage", ""),
)  # fmt: skip
_VIEWS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("All", {}),
    ("Fell by 5 points or more", {"change_max": "-5", "sort": "change"}),
    ("Rose by 5 points or more", {"change_min": "5", "sort": "-change"}),
    ("Closing within 30 days", {"closing_within": "30", "sort": "expected_close_on"}),
    ("Even chance or better", {"p_min": "0.5"}),
)
_SHARES = (("0.1", "10 %"), ("0.25", "25 %"), ("0.5", "50 %"), ("0.75", "75 %"))
_WITHIN = (
    ("0", "already due"), ("30", "within 30 days"), ("90", "within 90 days"), ("180", "within 180 days"),
)  # fmt: skip


@router.get(_PATH)
def deals_page(request: Request, seen: Annotated[Seen, allow("deals")]) -> Response:
    """The open deals that the visitor may see."""
    asked = pairs_of(request)
    query = query_of(DealQuery, asked)
    kept = [(name, text) for name, text in asked if name != "cursor"]
    view = deals_view(seen, query)
    return page(
        request, "deals.html", seen,
        view=view, query=query, choices=choices_view(seen), shares=_SHARES, within=_WITHIN,
        headings=sort_links(_PATH, kept, query.sort, _COLUMNS, get_args(DealSort)),
        views=[(name, address(_PATH, [], **one), sorted(kept) == sorted(one.items()))
               for name, one in _VIEWS],
        next_link=address(_PATH, kept, cursor=view.next_cursor) if view.next_cursor else None,
        first_link=address(_PATH, kept) if query.cursor else None,
        filtered=given(kept), saved=_saved(request, seen), saved_query=urlencode(kept),
        may_save=seen.can("act"),
    )  # fmt: skip


def _saved(request: Request, seen: Seen) -> tuple[SavedFilter, ...]:
    return filters_of(request.app.state.store, seen.actor.user_id) if seen.can("act") else ()
