"""A deal as a list shows it: the facts, the chance, its grade, and what stands out."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from pydantic import Field

from serving.access.gate import Seen
from serving.access.hidden import seen_top_reason
from serving.api.factors import visible_features
from serving.api.stamped import Answered, known
from serving.grade import Letter, grade_of, stage_bases
from serving.live import HeldRun
from serving.warnings import Severity, features_read, warnings_of

__all__ = ["DealRow", "GradeAnswer", "WarningAnswer", "deal_row", "grade_answer", "values_at", "warnings_on"]

_TEXTS = (
    "name", "account_id", "account", "region", "segment", "stage", "type", "owner_id", "owner", "currency",
)  # fmt: skip


class GradeAnswer(Answered):
    """How good the chance is for the deal's stage."""

    letter: Letter = Field(description="A (four times the odds of deals at its stage) to E (a quarter).")
    meaning: str = Field(description="The letter in words.")
    base_p: float = Field(
        description="What it is compared with: the mean probability of the open deals at its stage, 0 to 1; "
        "a stage with few deals leans on all."
    )


class WarningAnswer(Answered):
    """What a seller should look at."""

    code: str = Field(description="The warning's name for programs.")
    severity: Severity
    title: str
    sentence: str
    feature: str = Field(description="The published feature that it rests on.")
    value: float | bool = Field(description="The feature's value, in the feature's unit.")


class DealRow(Answered):
    """An open deal. Texts are as the CRM holds them; what is unknown is null."""

    opportunity_id: str
    name: str | None
    account_id: str | None
    account: str | None
    region: str | None
    segment: str | None
    stage: str | None = Field(description="At as_of.")
    type: str | None = Field(description="new, expansion or renewal.")
    owner_id: str | None = Field(description="The owner at as_of.")
    owner: str | None
    amount: float | None = Field(description="At as_of, in `currency`.")
    currency: str | None = Field(description="ISO 4217 code.")
    expected_close_on: date | None = Field(description="As the CRM had it at as_of.")
    p_win: float = Field(ge=0, le=1, description="Calibrated probability of being won, 0 to 1.")
    previous_p_win: float | None = Field(
        description="The probability in the run before, 0 to 1; null if it was not scored then."
    )
    change_points: float | None = Field(
        description="p_win less previous_p_win, in points of a hundred; null if it was not scored then."
    )
    grade: GradeAnswer | None = Field(description="Null for a baseline, which tells no deals apart.")
    top_reason: str | None = Field(description="The sentence on the feature that moves the score most.")
    warnings: tuple[WarningAnswer, ...] = Field(description="The gravest first.")


def deal_row(seen: Seen, rank: int) -> DealRow:
    """The deal at that place of the ranking; the caller has made sure that it is seen."""
    deals = seen.run.deals
    change = known(deals.change[rank])
    return DealRow(
        opportunity_id=deals.ids[rank],
        **{name: getattr(deals, name)[rank] for name in _TEXTS},
        amount=known(deals.amount[rank]),
        expected_close_on=deals.expected_close_on[rank].item(),
        p_win=float(deals.p_win[rank]),
        previous_p_win=known(deals.previous_p_win[rank]),
        change_points=None if change is None else change * 100,
        grade=grade_answer(seen.run, rank),
        top_reason=seen_top_reason(seen, rank),
        warnings=warnings_on(seen, rank),
    )


def grade_answer(run: HeldRun, rank: int) -> GradeAnswer | None:
    """The grade of the deal at that place of the ranking; none for a baseline."""
    if run.is_baseline:
        return None
    deals = run.deals
    bases = run.memo("stage bases", lambda: stage_bases(deals.stage, deals.p_win.tolist()))
    held = grade_of(float(deals.p_win[rank]), bases[deals.stage[rank]])
    return None if held is None else GradeAnswer(**vars(held))


def warnings_on(seen: Seen, rank: int) -> tuple[WarningAnswer, ...]:
    """The warnings on the deal that the viewer may see, the gravest first."""
    values = values_at(seen.run, rank, features_read())
    shown = visible_features(seen, rank, values)
    held = warnings_of({name: value for name, value in values.items() if name in shown})
    return tuple(WarningAnswer(**vars(one)) for one in held)


def values_at(run: HeldRun, rank: int, names: Iterable[str]) -> dict[str, Any]:
    """A few of the deal's published features; those that the run lacks are left out."""
    place, table = int(run.deals.published[rank]), run.table("win_features.parquet")
    there = run.memo("feature columns", lambda: frozenset(table.column_names))
    return {name: table[name][place].as_py() for name in names if name in there}
