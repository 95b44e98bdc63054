"""One contract that waits for its renewal: its chance taken apart, and what its account will use."""

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from models.explain import drivers
from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.access.hidden import OTHER, OTHER_TITLE, seen_renewal_factors
from serving.api.deal_parts import Contribution, DriverAnswer, ReasonAnswer
from serving.api.factors import words
from serving.api.renewal_parts import RenewalView, UseAnswer
from serving.api.renewals import ranked_renewals, renewal_row
from serving.api.stamped import answer, known, stamp
from serving.consumption import UseRow, use_rows
from serving.feature_facts import RENEWAL_CATALOGUE, feature_facts
from serving.live import HeldRun
from serving.renewals import CONTRIBUTIONS, FEATURES, REASONS, SCORES, is_baseline

__all__ = ["renewal_view", "router"]

router = APIRouter(tags=["renewals"])


def renewal_view(seen: Seen, contract_id: str) -> RenewalView:
    """Everything about the contract. Raises NotFound for one that did not wait for its renewal."""
    run, every = seen.run, ranked_renewals(seen.run)
    score = next((one for one in every if one.contract_id == contract_id), None)
    if score is None:
        raise NotFound
    held = _row(run, SCORES, contract_id)
    parts = _row(run, CONTRIBUTIONS, contract_id)
    visible, other = seen_renewal_factors(seen, parts)
    contributions = _contributions(run, contract_id, visible)
    reasons = [
        ReasonAnswer(feature=row["feature"], log_odds=row["log_odds"], sentence=row["sentence"])
        for row in run.rows(REASONS, contract_id, "contract_id")
        if row["feature"] in visible
    ]
    used = use_rows(run, "account_product", account_id=score.account_id) if score.account_id else ()
    n_other = len(parts) - len(visible)
    return RenewalView(
        **stamp(run),
        renewal_model_version=held["model_version"],
        renewal_is_baseline=is_baseline((held["model_version"],)),
        contract=renewal_row(seen, score),
        rank=score.rank,
        of=len(every),
        log_odds=held["log_odds"],
        base_log_odds=held["base_log_odds"],
        evidence=held["evidence"],
        drivers=_drivers(contributions, other if n_other else None),
        speaks_for=tuple(one for one in reasons if one.log_odds > 0),
        speaks_against=tuple(one for one in reasons if one.log_odds < 0),
        contributions=contributions,
        other_log_odds=other,
        n_other=n_other,
        use=tuple(_used(one) for one in used),
    )


@router.get("/renewals/{contract_id}", response_model=RenewalView)
def get_renewal(seen: Annotated[Seen, allow("renewals")], contract_id: str) -> Response:
    """One contract, in full."""
    return answer(renewal_view(seen, contract_id))


def _row(run: HeldRun, name: str, contract_id: str) -> dict[str, Any]:
    (row,) = run.rows(name, contract_id, "contract_id")
    del row["contract_id"]
    return row


def _contributions(run: HeldRun, contract_id: str, visible: dict[str, float]) -> tuple[Contribution, ...]:
    values = _row(run, FEATURES, contract_id)
    facts = run.memo("renewal features told", lambda: feature_facts(run, RENEWAL_CATALOGUE))
    model = run.renewal_model()
    families = {} if model is None else model.families
    return tuple(
        Contribution(
            feature=name, title=words(name), log_odds=part, value=_shown(values[name]),
            family=facts[name].family if name in facts else families.get(name, "custom"),
            unit=facts[name].unit if name in facts else "",
        )
        for name, part in sorted(visible.items(), key=lambda held: (-abs(held[1]), held[0]))
    )  # fmt: skip


def _drivers(contributions: tuple[Contribution, ...], other: float | None) -> tuple[DriverAnswer, ...]:
    summed = drivers(
        {one.feature: one.log_odds for one in contributions},
        {one.feature: one.family for one in contributions},
    )
    found = [DriverAnswer(family=one.family, title=one.title, log_odds=one.log_odds) for one in summed]
    if other is not None:
        found.append(DriverAnswer(family=OTHER, title=OTHER_TITLE, log_odds=other))
    return tuple(found)


def _shown(value: Any) -> Any:
    return known(value) if isinstance(value, float) else value


def _used(row: UseRow) -> UseAnswer:
    return UseAnswer(**{name: getattr(row, name) for name in UseAnswer.model_fields})
