"""Contracts that wait for their renewal: list, sums, and one taken apart."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from data.errors import UsageError
from models.forecast.groups import UNKNOWN
from serving.access.gate import Seen, allow
from serving.access.hidden import seen_renewal_factors
from serving.api.cursors import Cursor, read_cursor
from serving.api.renewal_parts import (
    RenewalQuery,
    RenewalRow,
    RenewalSort,
    RenewalsPage,
    RenewalSum,
)
from serving.api.stamped import answer, known, stamp
from serving.live import HeldRun
from serving.renewals import (
    REASONS,
    RenewalScore,
    has_renewals,
    is_baseline,
    rank_renewals,
    renewal_versions,
)

__all__ = ["ranked_renewals", "renewal_row", "renewals_view", "router", "seen_renewal_reason"]

router = APIRouter(tags=["renewals"])

_KEYS: dict[str, Callable[[RenewalScore], float | None]] = {
    "p_renew": lambda one: one.p_renew,
    "days_left": lambda one: one.days_left,
    "committed_amount": lambda one: one.committed_amount,
    "change": lambda one: one.change,
}


def renewals_view(seen: Seen, query: RenewalQuery) -> RenewalsPage:
    """The page that the query asks for; empty for a run that published no renewals."""
    run, every = seen.run, ranked_renewals(seen.run)
    kept = _sorted([one for one in every if _fits(one, query)], query.sort)
    first = 0
    if query.cursor is not None:
        cursor = read_cursor(query.cursor, run_id=run.run_id, order=query.sort)
        first = _place_after(kept, every, cursor, query.sort)
    page = kept[first : first + query.limit]
    more = first + len(page) < len(kept)
    versions = renewal_versions(run)
    return RenewalsPage(
        **stamp(run),
        renewal_model_version=", ".join(versions) or None,
        renewal_is_baseline=is_baseline(versions),
        published=has_renewals(run),
        total=len(kept),
        expected_renewals=sum(one.p_renew for one in kept),
        by_currency=_sums(seen, kept),
        regions=_known_texts(one.region for one in every),
        segments=_known_texts(one.segment for one in every),
        contracts=tuple(renewal_row(seen, one) for one in page),
        next_cursor=Cursor(run.run_id, query.sort, page[-1].contract_id).text() if page and more else None,
    )


@router.get("/renewals", response_model=RenewalsPage)
def list_renewals(
    seen: Annotated[Seen, allow("renewals")], query: Annotated[RenewalQuery, Query()]
) -> Response:
    """Contracts that wait for their renewal, the least likely first."""
    return answer(renewals_view(seen, query))


def ranked_renewals(run: HeldRun) -> tuple[RenewalScore, ...]:
    """The contracts that waited for their renewal, the least likely first; none where none was published."""
    return run.memo("renewals", lambda: rank_renewals(run) if has_renewals(run) else ())


def _fits(one: RenewalScore, query: RenewalQuery) -> bool:
    for held, asked in (
        (one.region, query.region),
        (one.segment, query.segment),
        (one.billing, query.billing),
    ):
        if asked and (held or UNKNOWN) not in asked:
            return False
    if query.within_days is not None and (one.days_left is None or one.days_left > query.within_days):
        return False
    if query.p_max is not None and one.p_renew > query.p_max:
        return False
    asked_text = (query.q or "").strip().casefold()
    texts = (one.account, one.contract_id, one.account_id)
    return not asked_text or any(asked_text in text.casefold() for text in texts if text)


def _sorted(kept: list[RenewalScore], sort: RenewalSort) -> list[RenewalScore]:
    return sorted(kept, key=lambda one: _order(one, sort))


def _order(one: RenewalScore, sort: RenewalSort) -> tuple[bool, float, str]:
    value = known(_KEYS[sort.lstrip("-")](one))
    signed = 0.0 if value is None else -value if sort.startswith("-") else value
    return value is None, signed, one.contract_id


def _place_after(
    kept: list[RenewalScore], every: tuple[RenewalScore, ...], cursor: Cursor, sort: RenewalSort
) -> int:
    last = next((one for one in every if one.contract_id == cursor.last_id), None)
    if last is None:
        raise UsageError(
            "cursor: expected the `next_cursor` of a page of these contracts, found another. Begin again "
            "without `cursor`."
        )
    return sum(_order(one, sort) <= _order(last, sort) for one in kept)


def _sums(seen: Seen, kept: list[RenewalScore]) -> tuple[RenewalSum, ...]:
    codes = Counter(one.currency for one in kept)
    found = []
    for code, n in sorted(codes.items(), key=lambda held: (-held[1], held[0] or "")):
        rows = [renewal_row(seen, one) for one in kept if one.currency == code]
        found.append(
            RenewalSum(
                currency=code,
                contracts=n,
                contracts_without_amount=sum(row.committed_amount is None for row in rows),
                committed_amount=sum(row.committed_amount or 0.0 for row in rows),
                expected_amount=sum(row.expected_amount or 0.0 for row in rows),
            )
        )
    return tuple(found)


def renewal_row(seen: Seen, one: RenewalScore) -> RenewalRow:
    """The contract as lists show it."""
    amount, expected = known(one.committed_amount), known(one.expected_ratio)
    return RenewalRow(
        **{name: getattr(one, name) for name in _COPIED},
        committed_amount=amount,
        days_left=known(one.days_left),
        ends_on=None if one.ends_on is None else date.fromisoformat(one.ends_on),
        change_points=None if one.change is None else one.change * 100,
        ratio_if_renewed=known(one.ratio_if_renewed),
        expected_ratio=expected,
        ratio_low=known(one.ratio_low),
        ratio_high=known(one.ratio_high),
        expected_amount=None if amount is None or expected is None else amount * expected,
        top_reason=seen_renewal_reason(seen, one.contract_id, one.top_reason),
    )


_COPIED = (
    "contract_id", "account_id", "account", "region", "segment", "billing", "currency", "overdue", "p_renew",
)  # fmt: skip


def seen_renewal_reason(seen: Seen, contract_id: str, published: str | None) -> str | None:
    """The strongest reason about the contract that the viewer may read; `published`: the strongest of all."""
    if published is None or (seen.scope.single_deals and seen.scope.owners is None):
        return published
    rows = seen.run.rows(REASONS, contract_id, "contract_id")
    shown, _ = seen_renewal_factors(seen, {row["feature"]: row["log_odds"] for row in rows})
    return next((row["sentence"] for row in rows if row["feature"] in shown), None)


def _known_texts(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({text or UNKNOWN for text in texts}))
