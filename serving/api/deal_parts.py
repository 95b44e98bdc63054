"""The parts of an answer about one deal: the score taken apart, and what stands beside it."""

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, Field

from serving.api.deal_rows import DealRow
from serving.api.stamped import Answered, Stamped
from serving.grade import Direction

__all__ = [
    "Contribution", "Curve", "CurvePoint", "DealView", "DriverAnswer", "EvidenceAnswer", "MomentAnswer",
    "PromiseAnswer", "QualificationAnswer", "ReasonAnswer", "RoleAnswer", "SpiralAnswer", "SpiralStep",
    "TrendAnswer",
]  # fmt: skip

Value = bool | int | float | str | None
"""A feature's value; bool before int, so that a flag stays one."""


class DriverAnswer(Answered):
    """What a family of features adds to the log-odds."""

    family: str = Field(description='The family; "other" for what the viewer may not see, summed.')
    title: str = Field(description="Its name in sellers' words.")
    log_odds: float


class Contribution(Answered):
    """What one feature adds to the log-odds."""

    feature: str
    title: str
    family: str
    unit: str = Field(description="The unit of `value`.")
    value: Value = Field(description="As the model sees it; null if missing.")
    log_odds: float


class ReasonAnswer(Answered):
    """A feature that moves the score, and the sentence that tells it."""

    feature: str
    log_odds: float
    sentence: str


class EvidenceAnswer(Answered):
    """How past deals with a like probability ended."""

    note: str | None = Field(description="In a sentence; of a baseline, why there is no model.")
    past_deals: int | None = Field(description="Past deals scored in the same tenth; null if not known.")
    scored_from: float | None = Field(description="Lower end of that tenth, 0 to 1.")
    scored_to: float | None = Field(description="Upper end of that tenth, 0 to 1.")
    won_share: float | None = Field(description="Share of them that was won, 0 to 1; null for none.")
    won_low: float | None = Field(description="Lower end of its 95 % interval, 0 to 1.")
    won_high: float | None = Field(description="Upper end of its 95 % interval, 0 to 1.")


class TrendAnswer(Answered):
    """How the probability moved."""

    direction: Direction = Field(description="Since the run before; under one point is steady.")
    points: float | None = Field(
        description="Since the run before, in points of a hundred; null without one."
    )
    overall_points: float = Field(description="Since the first of these runs, in points of a hundred.")
    runs: int = Field(description="Runs looked at that scored the deal.")


class CurvePoint(Answered):
    """A point of the curve."""

    days: int = Field(description="Days after as_of.")
    on: date
    p_won_by: float = Field(description="Probability of being won by then, 0 to 1.")


class Curve(Answered):
    """When the deal will be won: linear between the points, never falling, below p_win."""

    points: tuple[CurvePoint, ...]
    expected_close_on: date | None = Field(description="As the CRM had it at as_of.")
    p_won_by_expected_close: float | None = Field(description="Null without such a date; 0 once it is past.")


class RoleAnswer(Answered):
    """A buying role on this deal, compared with won deals alike."""

    role: str
    engaged: bool = Field(description="Whether somebody of the role took part in an activity.")
    touches: int | None = Field(description="Touchpoints with the role.")
    missing: bool = Field(description="Not engaged, though won deals alike had engaged it.")
    expected_share: float | None = Field(description="Share of won deals alike that had engaged it by then.")
    expected_low: float | None = Field(description="Lower end of its interval, 0 to 1.")
    expected_high: float | None = Field(description="Upper end of its interval, 0 to 1.")
    n_alike: int | None = Field(description="Won deals alike.")
    alike: str | None = Field(description="What makes them alike, in words.")
    typical_day: float | None = Field(description="Days after creation at which won deals first met it.")
    p_next_meeting: float | None = Field(description="Probability that it comes to the next meeting, 0 to 1.")
    owner_completeness: float | None = Field(
        description="Share of the people met by the deal's owner whose role is on record, 0 to 1."
    )
    sentence: str | None


class PromiseAnswer(Answered):
    """A promised feature, and what became of it."""

    feature: str | None = Field(description="Null where nobody said which.")
    state: Literal["open", "delivered", "withdrawn", "superseded"]
    promised_at: AwareDatetime | None
    first_due_at: AwareDatetime | None
    due_at: AwareDatetime | None
    times_rescheduled: int
    n_slips: int = Field(description="Times it was rescheduled to later or to no date.")
    days_moved: int | None = Field(description="Days by which slips moved it out.")
    delivered_at: AwareDatetime | None
    withdrawn_at: AwareDatetime | None
    days_overdue: float | None = Field(description="Days past its date: of an open one, or when delivered.")
    days_outstanding: float | None = Field(description="Days from the promise to its end, or to as_of.")
    derived: bool = Field(description="Read from notes.")
    evidence: str | None = Field(description="Ids of the rows behind it.")


class SpiralStep(Answered):
    """A phase of the promise spiral, or an honest way out, with its first evidence."""

    kind: Literal["phase", "way_out"]
    phase: int | None = Field(description="1 to 7; null for a way out.")
    name: str
    reached_at: AwareDatetime | None
    source: str | None = Field(description="The table of the evidence.")
    row_id: str | None
    what: str | None


class SpiralAnswer(Answered):
    """Where the deal stands in the spiral of promises."""

    phase: int = Field(description="The furthest phase, 1 to 7; 0 where there is none.")
    steps: tuple[SpiralStep, ...]


class QualificationAnswer(Answered):
    """One side's answer to one of the four questions."""

    question: str = Field(description="means, decision_process, why or when.")
    side: str = Field(description="vendor or customer.")
    answer: int | None = Field(description="0 unknown to 4 proven; null if never answered.")
    evidence: str | None
    answered_at: AwareDatetime | None
    staleness_days: float | None = Field(description="Days from then to as_of.")
    gap: int | None = Field(description="Levels between the sides' answers; null unless both answered.")
    agrees: bool | None = Field(description="Whether that is one level at most.")


class MomentAnswer(Answered):
    """A moment of the purchase, or a signal."""

    happened_at: AwareDatetime | None
    visible_at: AwareDatetime | None = Field(description="Since when it may be seen.")
    kind: str
    step: int | None = Field(description="1 to 12; null for a signal.")
    derived: bool = Field(description="Read from a note.")
    evidence: str | None
    source: str | None
    row_id: str | None
    contact_id: str | None


class DealView(Stamped):
    """A deal: base_log_odds + Σ contributions + other_log_odds = log_odds = logit(p_win), to 1e-6."""

    deal: DealRow
    rank: int = Field(description="Among the open deals that the viewer sees, from 1 for the likeliest.")
    of: int = Field(description="How many those are.")
    log_odds: float = Field(description="Log-odds of p_win.")
    base_log_odds: float = Field(description="Log-odds before anything is known of the deal.")
    evidence: EvidenceAnswer
    trend: TrendAnswer | None = Field(description="Over this run and the one before; the history has all.")
    drivers: tuple[DriverAnswer, ...] = Field(
        description="The largest first; they add up as contributions do."
    )
    speaks_for: tuple[ReasonAnswer, ...] = Field(description="The strongest reasons for, as sentences.")
    speaks_against: tuple[ReasonAnswer, ...] = Field(description="The strongest reasons against.")
    contributions: tuple[Contribution, ...] = Field(
        description="Every feature that is seen, the largest first."
    )
    other_log_odds: float = Field(description="The sum of what the viewer may not see; 0 if that is nothing.")
    n_other: int = Field(description="How many features that sum holds.")
    curve: Curve | None = Field(description="Null in a run published without curves.")
    roles: tuple[RoleAnswer, ...] = Field(description="The likeliest missing first, then the engaged ones.")
    promises: tuple[PromiseAnswer, ...]
    spiral: SpiralAnswer
    qualification: tuple[QualificationAnswer, ...]
    moments: tuple[MomentAnswer, ...] = Field(description="In the order in which they happened.")
