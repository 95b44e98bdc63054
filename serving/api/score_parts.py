"""What is sent to be scored, and what is answered."""

from typing import Any

from pydantic import AwareDatetime, Field

from serving.api.deal_parts import (
    DriverAnswer,
    EvidenceAnswer,
    MomentAnswer,
    PromiseAnswer,
    QualificationAnswer,
    ReasonAnswer,
    RoleAnswer,
    SpiralAnswer,
    Value,
)
from serving.api.stamped import Answered, Given, Stamped

__all__ = [
    "MOST_DEALS", "ReadyGiven", "ReadyScore", "ReadyView", "RecordsGiven", "RecordsView", "Rejected",
    "ScoredCurvePoint", "ScoredDealAnswer",
]  # fmt: skip

MOST_DEALS = 1_000
"""Deals that one request may score."""


class ReadyGiven(Given):
    """Rows of features as `win_features` has them."""

    features: list[dict[str, Value]] = Field(
        min_length=1, max_length=MOST_DEALS,
        description="A row per deal: features by name, in their units; what is left out or null is missing.",
    )  # fmt: skip


class RecordsGiven(Given):
    """Raw records of deals, as the CRM has them: rows by canonical table."""

    records: dict[str, list[dict[str, Any]]] = Field(
        description="One row of `opportunities` per deal to score; other tables hold rows of these deals. "
        "Columns as in the data contract; times as ISO 8601 with a zone."
    )
    as_of: AwareDatetime | None = Field(
        default=None, description="When to score them: the run's as_of, or up to a year later."
    )
    beside: bool = Field(
        default=True,
        description="Roles, promises, spiral, answers and moments too; without them it is faster.",
    )


class ReadyScore(Answered):
    """A row's score; base_log_odds + Σ contributions = log_odds = logit(p_win), to 1e-6."""

    p_win: float = Field(description="Calibrated probability of being won, 0 to 1.")
    log_odds: float
    base_log_odds: float
    drivers: tuple[DriverAnswer, ...] = Field(description="By family, the largest first.")
    contributions: dict[str, float] = Field(description="Log-odds by feature.")


class ReadyView(Stamped):
    """Scores of the rows sent, in their order."""

    scores: tuple[ReadyScore, ...]


class ScoredCurvePoint(Answered):
    """A point of the curve."""

    days: int = Field(description="Days after scored_as_of.")
    p_won_by: float = Field(description="Probability of being won by then, 0 to 1.")


class ScoredDealAnswer(ReadyScore):
    """A deal's score, with what a published deal has."""

    opportunity_id: str
    features: dict[str, Value] = Field(description="The values as the model sees them, in their units.")
    speaks_for: tuple[ReasonAnswer, ...]
    speaks_against: tuple[ReasonAnswer, ...]
    evidence: EvidenceAnswer
    curve: tuple[ScoredCurvePoint, ...] = Field(description="Empty where the model holds no timing.")
    roles: tuple[RoleAnswer, ...]
    promises: tuple[PromiseAnswer, ...]
    spiral: SpiralAnswer
    qualification: tuple[QualificationAnswer, ...]
    moments: tuple[MomentAnswer, ...]


class Rejected(Answered):
    """A row that breaks the data contract, and was left out as a whole."""

    table: str
    row: int = Field(description="Its place in the table as sent, from 1.")
    key: str | None
    column: str
    found: str | None
    expected: str
    reason: str


class RecordsView(Stamped):
    """Scores of the deals sent, by opportunity_id, and what was left out."""

    scored_as_of: AwareDatetime = Field(description="The UTC instant that the deals were scored at.")
    context_as_of: AwareDatetime = Field(
        description="The one that measures of accounts, sellers and everybody stand at."
    )
    deals: tuple[ScoredDealAnswer, ...]
    rejected: tuple[Rejected, ...]
    remarks: tuple[str, ...] = Field(description="What to know beside the figures.")
