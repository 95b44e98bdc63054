"""Saved views of the deals: named queries of one's own."""

from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from data.errors import UsageError
from serving.access.gate import Seen, allow
from serving.api.deal_filters import DealQuery
from serving.api.queries import query_of
from serving.api.stamped import Answered, Given, answer
from serving.saved_filters import LONGEST_FILTER_NAME, drop_filter, filters_of, keep_filter

__all__ = ["FilterAnswer", "checked_query", "router"]

router = APIRouter(tags=["deals"])

Acting = Annotated[Seen, allow("act")]
_LONGEST_QUERY = 2000
_MOST_FIELDS = 100


class FilterAnswer(Answered):
    """A view of the deals."""

    filter_id: str
    name: str
    query: str = Field(description="For the address of the list of deals, after its question mark.")
    saved_at: AwareDatetime


class FiltersAnswer(Answered):
    """The viewer's own views, by name."""

    filters: tuple[FilterAnswer, ...]


class FilterGiven(Given):
    """A view to keep; one of the same name gives way."""

    name: str = Field(min_length=1, max_length=LONGEST_FILTER_NAME)
    query: str = Field(max_length=_LONGEST_QUERY, description="Filters and order as in the list of deals.")


@router.get("/filters", response_model=FiltersAnswer)
def list_filters(request: Request, seen: Acting) -> Response:
    """One's own views."""
    held = filters_of(request.app.state.store, seen.actor.user_id)
    return answer(FiltersAnswer(filters=tuple(FilterAnswer(**vars(one)) for one in held)))


@router.post("/filters", response_model=FilterAnswer, status_code=201)
def post_filter(request: Request, seen: Acting, given: FilterGiven) -> Response:
    """Keep a view."""
    state = request.app.state
    kept = keep_filter(
        state.store, seen.actor.user_id, name=given.name, query=checked_query(given.query), now=state.now()
    )
    return answer(FilterAnswer(**vars(kept)), status=201)


@router.delete("/filters/{filter_id}", status_code=204)
def delete_filter(request: Request, seen: Acting, filter_id: str) -> Response:
    """Forget a view."""
    drop_filter(request.app.state.store, seen.actor.user_id, filter_id)
    return Response(status_code=204)


def checked_query(query: str) -> str:
    """The query written anew, without what names a page of the list.

    Raises UsageError for a name that is no filter of deals, or a value that does not fit.

    >>> checked_query("?region=north&region=south&cursor=abc&sort=-amount")
    'region=north&region=south&sort=-amount'
    """
    try:
        pairs = parse_qsl(query.removeprefix("?"), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise UsageError(f"query: expected filters of the list of deals, found {error}.") from error
    kept = [(name, text) for name, text in pairs if name != "cursor"]
    try:
        query_of(DealQuery, kept)
    except UsageError as error:
        raise UsageError(f"query: {error}") from error
    return urlencode(kept)
