"""The open deals: list, choices to filter by, and what they come to."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from data.errors import UsageError
from models.arrays import BoolArray
from models.forecast.groups import UNKNOWN
from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.access.policy import people_in
from serving.api.cursors import Cursor, read_cursor
from serving.api.deal_filters import DealQuery, ordered, wanted
from serving.api.deal_rows import DealRow, deal_row
from serving.api.stamped import Answered, Stamped, answer, stamp
from serving.live import HeldRun

__all__ = ["Choice", "CurrencySum", "DealChoices", "DealsPage", "choices_view", "deals_view", "router"]

router = APIRouter(tags=["deals"])


class CurrencySum(Answered):
    """What deals of one currency come to; amounts of several currencies are never added."""

    currency: str | None = Field(description="ISO 4217 code; null for deals without one.")
    deals: int
    deals_without_amount: int
    amount: float = Field(description="Sum of the amounts, in `currency`.")
    expected_amount: float = Field(description="Sum of amount × p_win, in `currency`.")


class ReportedSum(Answered):
    """What the deals come to in the reporting currency, at the rates known at as_of."""

    currency: str = Field(description="ISO 4217 code.")
    deals: int = Field(description="Deals with an amount and a rate.")
    deals_left_out: int = Field(description="Deals without an amount, or in a currency without a rate.")
    amount: float = Field(description="Sum of the amounts, in `currency`.")
    expected_amount: float = Field(description="Sum of amount × p_win, in `currency`.")


class DealsPage(Stamped):
    """A page of the open deals that the viewer may see, with the sums of all that the filters keep."""

    total: int = Field(description="Deals that the filters keep, on all pages.")
    expected_wins: float = Field(description="Sum of their p_win: how many of them are expected to be won.")
    by_currency: tuple[CurrencySum, ...] = Field(description="Their sums, the most frequent currency first.")
    reported: ReportedSum | None = Field(description="Null where the run published no rates.")
    deals: tuple[DealRow, ...]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class Choice(Answered):
    """A value that deals can be filtered by."""

    value: str = Field(description='As the filter takes it; "(unknown)" for deals without one.')
    title: str = Field(description="As people call it.")
    deals: int = Field(description="Open deals with it that the viewer sees.")


class DealChoices(Stamped):
    """What the viewer's deals can be filtered by."""

    owners: tuple[Choice, ...]
    teams: tuple[Choice, ...] = Field(description="Managers, with the deals of all who report to them.")
    regions: tuple[Choice, ...]
    segments: tuple[Choice, ...]
    stages: tuple[Choice, ...]
    types: tuple[Choice, ...]


def deals_view(seen: Seen, query: DealQuery) -> DealsPage:
    """The page that the query asks for. Raises UsageError for a cursor that belongs to another list."""
    run, kept = seen.run, wanted(seen, query)
    order, place = ordered(run, query.sort)
    ranks = order[kept[order]]
    first = 0
    if query.cursor is not None:
        last = _last_rank(seen, read_cursor(query.cursor, run_id=run.run_id, order=query.sort))
        first = int(np.searchsorted(place[ranks], place[last], side="right"))
    page = ranks[first : first + query.limit].tolist()
    more = first + len(page) < ranks.size
    sums = _sums(run, kept)
    return DealsPage(
        **stamp(run),
        total=int(ranks.size),
        expected_wins=float(run.deals.p_win[kept].sum()),
        by_currency=sums,
        reported=_reported(run, sums, kept),
        deals=tuple(deal_row(seen, rank) for rank in page),
        next_cursor=Cursor(run.run_id, query.sort, run.deals.ids[page[-1]]).text() if page and more else None,
    )


def choices_view(seen: Seen) -> DealChoices:
    """What the viewer's deals can be filtered by, with how many there are of each."""
    held = seen.run.memo(("deal choices", seen.scope.key), lambda: _choices(seen))
    return held.model_copy(update={"notices": seen.run.notices()})


@router.get("/deals", response_model=DealsPage)
def list_deals(seen: Annotated[Seen, allow("deals")], query: Annotated[DealQuery, Query()]) -> Response:
    """The open deals, filtered, sorted and page by page."""
    return answer(deals_view(seen, query))


@router.get("/deal-choices", response_model=DealChoices)
def list_choices(seen: Annotated[Seen, allow("deals")]) -> Response:
    """What deals can be filtered by."""
    return answer(choices_view(seen))


def _last_rank(seen: Seen, cursor: Cursor) -> int:
    try:
        return seen.rank_of(cursor.last_id)
    except NotFound as error:
        raise UsageError(
            "cursor: expected the `next_cursor` of a page of these deals, found another. Begin again without "
            "`cursor`."
        ) from error


def _sums(run: HeldRun, kept: BoolArray) -> tuple[CurrencySum, ...]:
    deals = run.deals
    held = Counter(deals.currency[kept].tolist())
    return tuple(
        _sum(run, kept & deals.among("currency", {code}), code)
        for code, _ in sorted(held.items(), key=lambda one: (-one[1], one[0] or ""))
    )


def _sum(run: HeldRun, kept: BoolArray, code: str | None) -> CurrencySum:
    amounts, chances = run.deals.amount[kept], run.deals.p_win[kept]
    there = ~np.isnan(amounts)
    return CurrencySum(
        currency=code,
        deals=int(amounts.size),
        deals_without_amount=int((~there).sum()),
        amount=float(amounts[there].sum()),
        expected_amount=float((amounts[there] * chances[there]).sum()),
    )


def _reported(run: HeldRun, sums: tuple[CurrencySum, ...], kept: BoolArray) -> ReportedSum | None:
    about = run.manifest["about"].get("forecast")
    if not about:
        return None
    rates = {held.currency: about["rates"].get((held.currency or "").strip().upper()) for held in sums}
    rated = [(held, rates[held.currency]) for held in sums if rates[held.currency] is not None]
    counted = sum(held.deals - held.deals_without_amount for held, _ in rated)
    return ReportedSum(
        currency=about["currency"],
        deals=counted,
        deals_left_out=int(kept.sum()) - counted,
        amount=sum(held.amount * rate for held, rate in rated),
        expected_amount=sum(held.expected_amount * rate for held, rate in rated),
    )


def _choices(seen: Seen) -> DealChoices:
    run, deals = seen.run, seen.run.deals
    mask = seen.scope.mask(run)
    owned = Counter(deals.owner_id[mask].tolist())
    names = dict(zip(deals.owner_id[mask].tolist(), deals.owner[mask].tolist(), strict=True))
    people = people_in(run)
    teams = [
        (manager, people.by_id[manager].name if manager in people.by_id else None)
        for manager in people.reports
        if seen.scope.owners is None or manager in seen.scope.owners
    ]

    def by(name: str) -> tuple[Choice, ...]:
        held = Counter(getattr(deals, name)[mask].tolist())
        return _by_title(
            Choice(value=one or UNKNOWN, title=one or UNKNOWN, deals=n) for one, n in held.items()
        )

    return DealChoices(
        **stamp(run),
        owners=_by_title(
            Choice(value=one or UNKNOWN, title=names[one] or one or UNKNOWN, deals=n)
            for one, n in owned.items()
        ),
        teams=_by_title(
            Choice(value=one, title=name or one, deals=sum(owned[member] for member in people.team(one)))
            for one, name in teams
        ),
        regions=by("region"),
        segments=by("segment"),
        stages=by("stage"),
        types=by("type"),
    )


def _by_title(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    held = [one for one in choices if one.deals]
    return tuple(sorted(held, key=lambda one: (one.title.casefold(), one.value)))
