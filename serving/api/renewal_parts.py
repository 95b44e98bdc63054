"""What is asked and answered about renewals."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.api.deal_parts import Contribution, DriverAnswer, ReasonAnswer
from serving.api.stamped import Answered, Stamped

__all__ = [
    "RenewalQuery",
    "RenewalRow",
    "RenewalSort",
    "RenewalSum",
    "RenewalView",
    "RenewalsPage",
    "UseAnswer",
]

RenewalSort = Literal["p_renew", "-p_renew", "days_left", "-days_left", "-committed_amount", "-change"]
_Text = Annotated[str, Field(max_length=200)]
_Texts = Annotated[tuple[_Text, ...], Field(max_length=50)]


class RenewalQuery(BaseModel):
    """Filters that all hold at once; within one, any of its values. An unknown text is "(unknown)"."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    region: _Texts = Field(default=(), description="Regions of the account.")
    segment: _Texts = Field(default=(), description="Segments of the account.")
    billing: _Texts = Field(default=(), description="Among prepaid, commit, postpay.")
    within_days: float | None = Field(
        default=None,
        ge=0,
        le=3660,
        description="Term ends within so many days of as_of, overdue ones included.",
    )
    p_max: float | None = Field(
        default=None, ge=0, le=1, description="Largest probability of renewal, 0 to 1."
    )
    q: str | None = Field(
        default=None, max_length=100, description="Text in the account's name or an id, in any case."
    )
    sort: RenewalSort = Field(
        default="p_renew", description="- for descending. Unknown values come last; ties by id."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Contracts on a page.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")


class RenewalRow(Answered):
    """A contract that waits for its renewal."""

    contract_id: str
    account_id: str | None
    account: str | None
    region: str | None
    segment: str | None
    billing: str | None = Field(description="prepaid, commit or postpay.")
    currency: str | None = Field(description="ISO 4217 code.")
    committed_amount: float | None = Field(description="Of the term that ends, in `currency`.")
    ends_on: date | None
    days_left: float | None = Field(
        description="From as_of to the end of the term; negative once it is over."
    )
    overdue: bool = Field(description="The term is over, and no outcome is known.")
    p_renew: float = Field(ge=0, le=1, description="Probability of being renewed, 0 to 1.")
    change_points: float | None = Field(description="Since the run before, in points of a hundred.")
    ratio_if_renewed: float | None = Field(description="Mean of renewed ÷ committed amount if it renews.")
    expected_ratio: float | None = Field(description="The same with churn as 0.")
    ratio_low: float | None = Field(description="Lower end of the 80 % interval of renewed ÷ committed.")
    ratio_high: float | None = Field(description="Upper end of that interval.")
    expected_amount: float | None = Field(description="committed_amount × expected_ratio, in `currency`.")
    top_reason: str | None = Field(description="The sentence on the feature that moves the score most.")


class RenewalSum(Answered):
    """What contracts of one currency come to."""

    currency: str | None = Field(description="ISO 4217 code; null for contracts without one.")
    contracts: int
    contracts_without_amount: int
    committed_amount: float = Field(description="In `currency`.")
    expected_amount: float = Field(description="Sum of committed_amount × expected_ratio, in `currency`.")


class RenewalsPage(Stamped):
    """A page of the contracts that wait for their renewal."""

    renewal_model_version: str | None = Field(
        description="The model of these probabilities; null without any."
    )
    renewal_is_baseline: bool = Field(
        description="Whether some have a plain rate instead of a model's score."
    )
    published: bool = Field(
        description="False where the run published no renewals: there was nothing to learn."
    )
    total: int = Field(description="Contracts that the filters keep, on all pages.")
    expected_renewals: float = Field(description="Sum of their p_renew.")
    by_currency: tuple[RenewalSum, ...] = Field(description="The most frequent currency first.")
    regions: tuple[str, ...] = Field(description="Regions of all contracts, to filter by.")
    segments: tuple[str, ...] = Field(description="Segments of all contracts, to filter by.")
    contracts: tuple[RenewalRow, ...]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class UseAnswer(Answered):
    """Expected use of one product in one period."""

    product: str | None
    period_start: date
    mean: float = Field(description="In `currency`, as the figures beside it.")
    low80: float = Field(description="Lower end of the 80 % interval.")
    high80: float = Field(description="Upper end of the 80 % interval.")
    drawdown: float = Field(description="The part that draws on commitments.")
    overage: float = Field(description="The part beyond them.")
    postpay: float = Field(description="The part paid after use.")
    uncontracted: float = Field(description="The part under no contract.")
    after_term: float = Field(description="The part that needs a renewal that is not decided yet.")
    currency: str | None


class RenewalView(Stamped):
    """A contract: base_log_odds + Σ contributions + other_log_odds = log_odds = logit(p_renew), to 1e-6."""

    renewal_model_version: str
    renewal_is_baseline: bool
    contract: RenewalRow
    rank: int = Field(description="From 1 for the least likely to renew.")
    of: int
    log_odds: float = Field(description="Log-odds of p_renew.")
    base_log_odds: float
    evidence: str | None = Field(description="How past contracts with a like probability ended, or why none.")
    drivers: tuple[DriverAnswer, ...] = Field(
        description="The largest first; they add up as contributions do."
    )
    speaks_for: tuple[ReasonAnswer, ...]
    speaks_against: tuple[ReasonAnswer, ...]
    contributions: tuple[Contribution, ...] = Field(description="Every feature seen, the largest first.")
    other_log_odds: float = Field(description="The sum of what the viewer may not see; 0 if that is nothing.")
    n_other: int = Field(description="How many features that sum holds.")
    use: tuple[UseAnswer, ...] = Field(description="Expected use of the account, by product and period.")
