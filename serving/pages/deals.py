"""The page of the open deals: filters, views, sums, and a table that is sorted by links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from data.errors import UsageError
from serving.access.gate import Seen, allow
from serving.api.deal_filters import DealQuery
from serving.api.deals import choices_view, deals_view
from serving.pages.render import page

__all__ = ["router"]

router = APIRouter()

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
_FILTERS = ("team", "owner", "region", "segment", "stage", "type")
_SHARES = (("0.1", "10 %"), ("0.25", "25 %"), ("0.5", "50 %"), ("0.75", "75 %"))
_WITHIN = (
    ("0", "already due"),
    ("30", "within 30 days"),
    ("90", "within 90 days"),
    ("180", "within 180 days"),
)


@dataclass(frozen=True)
class Heading:
    """A column's head. order: ascending or descending where the table is sorted by it, else empty."""

    title: str
    kind: str
    link: str
    order: str


@router.get("/deals")
def deals_page(request: Request, seen: Annotated[Seen, allow("deals")]) -> Response:
    """The open deals that the visitor may see."""
    asked = [(name, text) for name, text in request.query_params.multi_items() if text.strip()]
    query = _query(asked)
    kept = [(name, text) for name, text in asked if name != "cursor"]
    view = deals_view(seen, query)
    return page(
        request, "deals.html", seen,
        view=view, query=query, choices=choices_view(seen), filters=_FILTERS, shares=_SHARES, within=_WITHIN,
        headings=_headings(kept, query.sort),
        views=[(title, "/deals" + _suffix(list(one.items())), _same(kept, one)) for title, one in _VIEWS],
        next_link=_link(kept, cursor=view.next_cursor) if view.next_cursor else None,
        first_link=_link(kept) if query.cursor else None,
        filtered=any(name not in ("sort", "limit") for name, _ in kept),
        saved=[], saved_query=urlencode(kept),
    )  # fmt: skip


def _query(asked: Sequence[tuple[str, str]]) -> DealQuery:
    """The query that the address asks for; texts that may be given several times are gathered."""
    several = {"owner", "region", "segment", "stage", "type"}
    values: dict[str, Any] = {}
    for name, text in asked:
        values[name] = (*values.get(name, ()), text) if name in several else text
    try:
        return DealQuery.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "filters"
        raise UsageError(f"{where}: {first['msg']}. Take the filter out of the address.") from error


def _headings(kept: Sequence[tuple[str, str]], sort: str) -> list[Heading]:
    made = []
    for first, title, kind in _COLUMNS:
        name = first.lstrip("-")
        order = "" if sort.lstrip("-") != name else "descending" if sort.startswith("-") else "ascending"
        turned = name if order == "descending" else f"-{name}" if order == "ascending" else first
        made.append(Heading(title, kind, _link(kept, sort=turned), order))
    return made


def _link(kept: Sequence[tuple[str, str]], **changes: str) -> str:
    """The page's address with some of its parameters replaced."""
    return "/deals" + _suffix(
        [*((name, text) for name, text in kept if name not in changes), *changes.items()]
    )


def _suffix(pairs: Sequence[tuple[str, str]]) -> str:
    return f"?{urlencode(pairs)}" if pairs else ""


def _same(kept: Sequence[tuple[str, str]], view: Mapping[str, str]) -> bool:
    return sorted(kept) == sorted(view.items())
