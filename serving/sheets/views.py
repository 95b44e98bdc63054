"""What a side sees of a sheet: rounds, halves, and how the answers of both compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from data.schema import QUESTIONS
from serving.sheets.questions import AGREED_WITHIN, agreement
from serving.sheets.typed import Answer

__all__ = ["Comparison", "Half", "Round", "SheetLine", "SheetView"]


@dataclass(frozen=True)
class SheetLine:
    """A sheet in a list. vendor_in, customer_in: whether that side has submitted the round."""

    opportunity_id: str
    deal_name: str
    round: int
    vendor_in: bool
    customer_in: bool
    touched_at: datetime


@dataclass(frozen=True)
class Half:
    """A side of a round. submitted_at: None while open. answers: empty where the viewer may not see them."""

    side: str
    submitted_at: datetime | None
    answers: Mapping[str, Answer]


@dataclass(frozen=True)
class Comparison:
    """Both answers to a question. gap: vendor's level less the customer's. says: how they stand, in words."""

    question: str
    vendor: Answer
    customer: Answer
    gap: int
    agreed: bool
    says: str


@dataclass(frozen=True)
class Round:
    """A round of a sheet, our side's half first."""

    number: int
    halves: tuple[Half, ...]

    def half(self, side: str) -> Half:
        """The half of that side."""
        return next(one for one in self.halves if one.side == side)

    @property
    def known_at(self) -> datetime | None:
        """When the second side submitted: from then on everybody, the models included, knows; None before."""
        times = [half.submitted_at for half in self.halves if half.submitted_at is not None]
        return max(times) if len(times) == len(self.halves) else None

    @property
    def comparison(self) -> tuple[Comparison, ...]:
        """Question by question; empty until both sides are in."""
        if self.known_at is None:
            return ()
        vendor, customer = (self.half(side).answers for side in ("vendor", "customer"))
        return tuple(_compared(question, vendor[question], customer[question]) for question in QUESTIONS)

    @property
    def n_agreed(self) -> int:
        """Questions on which the sides agree."""
        return sum(one.agreed for one in self.comparison)


@dataclass(frozen=True)
class SheetView:
    """A sheet as one side sees it. draft: what it has typed for the open round, every question present."""

    sheet_id: str
    opportunity_id: str
    vendor_name: str
    deal_name: str
    side: str
    rounds: tuple[Round, ...]
    draft: Mapping[str, Answer]
    draft_version: int
    saved_at: datetime | None

    @property
    def round(self) -> Round:
        """The one that is open, or was completed last."""
        return self.rounds[-1]

    @property
    def is_open(self) -> bool:
        """Whether the viewer's side has yet to submit."""
        return self.round.half(self.side).submitted_at is None

    @property
    def waits(self) -> bool:
        """Whether the viewer's side has submitted and the other has not."""
        return not self.is_open and self.round.known_at is None


def _compared(question: str, vendor: Answer, customer: Answer) -> Comparison:
    ours, theirs = vendor.level or 0, customer.level or 0
    gap = ours - theirs
    return Comparison(question, vendor, customer, gap, abs(gap) <= AGREED_WITHIN, agreement(ours, theirs))
