"""Contracts that wait for their renewal: list, sums, and one taken apart."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from data.errors import UsageError
from models.explain import drivers
from models.forecast.groups import UNKNOWN
from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.api.cursors import Cursor, read_cursor
from serving.api.deal_parts import Contribution, DriverAnswer, ReasonAnswer
from serving.api.factors import words
from serving.api.renewal_parts import (
    RenewalQuery,
    RenewalRow,
    RenewalSort,
    RenewalsPage,
    RenewalSum,
    RenewalView,
    UseAnswer,
)
from serving.api.stamped import answer, known, stamp
from serving.consumption import UseRow, use_rows
from serving.feature_facts import RENEWAL_CATALOGUE, feature_facts
from serving.live import HeldRun
from serving.renewals import (
    CONTRIBUTIONS,
    FEATURES,
    REASONS,
    SCORES,
    RenewalScore,
    has_renewals,
    is_baseline,
    rank_renewals,
    renewal_versions,
)

__all__ = ["renewal_view", "renewals_view", "router"]

router = APIRouter(tags=["renewals"])

_KEYS: dict[str, Callable[[RenewalScore], float | None]] = {
    "p_renew": lambda one: one.p_renew,
    "days_left": lambda one: one.days_left,
    "committed_amount": lambda one: one.committed_amount,
    "change": lambda one: one.change,
}


def renewals_view(seen: Seen, query: RenewalQuery) -> RenewalsPage:
    """The page that the query asks for; empty for a run that published no renewals."""
    run, every = seen.run, _ranked(seen.run)
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
        by_currency=_sums(kept),
        regions=_known_texts(one.region for one in every),
        segments=_known_texts(one.segment for one in every),
        contracts=tuple(_row(one) for one in page),
        next_cursor=Cursor(run.run_id, query.sort, page[-1].contract_id).text() if page and more else None,
    )


def renewal_view(seen: Seen, contract_id: str) -> RenewalView:
    """Everything about the contract. Raises NotFound for one that did not wait for its renewal."""
    run = seen.run
    every = _ranked(run)
    score = next((one for one in every if one.contract_id == contract_id), None)
    if score is None:
        raise NotFound
    (held,) = run.rows(SCORES, contract_id, "contract_id")
    contributions = _contributions(run, contract_id)
    reasons = [
        ReasonAnswer(feature=row["feature"], log_odds=row["log_odds"], sentence=row["sentence"])
        for row in run.rows(REASONS, contract_id, "contract_id")
    ]
    summed = drivers(
        {one.feature: one.log_odds for one in contributions},
        {one.feature: one.family for one in contributions},
    )
    used = use_rows(run, "account_product", account_id=score.account_id) if score.account_id else ()
    return RenewalView(
        **stamp(run),
        renewal_model_version=held["model_version"],
        renewal_is_baseline=is_baseline((held["model_version"],)),
        contract=_row(score),
        rank=score.rank,
        of=len(every),
        log_odds=held["log_odds"],
        base_log_odds=held["base_log_odds"],
        evidence=held["evidence"],
        drivers=tuple(DriverAnswer(**vars(one)) for one in summed),
        speaks_for=tuple(one for one in reasons if one.log_odds > 0),
        speaks_against=tuple(one for one in reasons if one.log_odds < 0),
        contributions=contributions,
        use=tuple(_used(one) for one in used),
    )


@router.get("/renewals", response_model=RenewalsPage)
def list_renewals(
    seen: Annotated[Seen, allow("renewals")], query: Annotated[RenewalQuery, Query()]
) -> Response:
    """Contracts that wait for their renewal, the least likely first."""
    return answer(renewals_view(seen, query))


@router.get("/renewals/{contract_id}", response_model=RenewalView)
def get_renewal(seen: Annotated[Seen, allow("renewals")], contract_id: str) -> Response:
    """One contract, in full."""
    return answer(renewal_view(seen, contract_id))


def _ranked(run: HeldRun) -> tuple[RenewalScore, ...]:
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


def _sums(kept: list[RenewalScore]) -> tuple[RenewalSum, ...]:
    codes = Counter(one.currency for one in kept)
    found = []
    for code, n in sorted(codes.items(), key=lambda held: (-held[1], held[0] or "")):
        rows = [_row(one) for one in kept if one.currency == code]
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


def _row(one: RenewalScore) -> RenewalRow:
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
    )


_COPIED = (
    "contract_id", "account_id", "account", "region", "segment", "billing", "currency", "overdue", "p_renew",
    "top_reason",
)  # fmt: skip


def _contributions(run: HeldRun, contract_id: str) -> tuple[Contribution, ...]:
    (parts,) = run.rows(CONTRIBUTIONS, contract_id, "contract_id")
    (values,) = run.rows(FEATURES, contract_id, "contract_id")
    facts = feature_facts(run, RENEWAL_CATALOGUE)
    model = run.renewal_model()
    families = {} if model is None else model.families
    del parts["contract_id"]
    return tuple(
        Contribution(
            feature=name, title=words(name), log_odds=part, value=_shown(values[name]),
            family=facts[name].family if name in facts else families.get(name, "custom"),
            unit=facts[name].unit if name in facts else "",
        )
        for name, part in sorted(parts.items(), key=lambda held: (-abs(held[1]), held[0]))
    )  # fmt: skip


def _shown(value: Any) -> Any:
    return known(value) if isinstance(value, float) else value


def _used(row: UseRow) -> UseAnswer:
    return UseAnswer(**{name: getattr(row, name) for name in UseAnswer.model_fields})


def _known_texts(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({text or UNKNOWN for text in texts}))
