"""The parts of an answer about mutual-qualification sheets."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from serving.access.gate import Seen
from serving.api.stamped import Answered, Stamped, stamp
from serving.sheets.links import LinkLine
from serving.sheets.typed import Answer
from serving.sheets.views import Round, SheetView

__all__ = [
    "Level", "LinkAnswer", "QuestionAnswer", "QuestionsAnswer", "RoundAnswer", "SharedLink", "SheetAnswer",
    "SheetRow", "SheetsAnswer", "sheet_answer",
]  # fmt: skip

Level = Annotated[int, Field(ge=0, le=4)]


class QuestionAnswer(Answered):
    """A question of the sheet, in words."""

    question: str = Field(description="means, decision_process, why or when.")
    title: str
    asks_vendor: str = Field(description="As our side reads it.")
    asks_customer: str = Field(description="As the customer reads it.")
    levels: tuple[str, ...] = Field(description="The meaning of level 0, 1, 2, 3 and 4.")


class QuestionsAnswer(Answered):
    """The four questions that both sides answer."""

    questions: tuple[QuestionAnswer, ...]


class SheetRow(Answered):
    """How far a deal's sheet has come."""

    opportunity_id: str
    deal_name: str = Field(description="As the customer reads it.")
    round: int
    vendor_in: bool = Field(description="Whether our side has submitted the round.")
    customer_in: bool = Field(description="Whether the customer's side has.")
    touched_at: AwareDatetime = Field(description="Of the last submission, or of the sheet.")


class SheetsAnswer(Stamped):
    """The sheets of the open deals that the viewer sees, the one touched last first."""

    sheets: tuple[SheetRow, ...]


class TypedAnswer(Answered):
    """An answer to a question."""

    question: str = Field(description="means, decision_process, why or when.")
    level: Level | None = Field(description="0 unknown to 4 proven; null while it is open.")
    evidence: str = Field(description="What shows it, as typed.")


class SideAnswers(Answered):
    """A side's half of a round."""

    side: str = Field(description="vendor or customer.")
    submitted_at: AwareDatetime | None = Field(description="Null until it is submitted.")
    answers: tuple[TypedAnswer, ...] = Field(description="Of the other side: empty until both are in.")


class ComparedAnswer(Answered):
    """Both answers to a question, side by side."""

    question: str = Field(description="means, decision_process, why or when.")
    vendor_level: Level
    customer_level: Level
    gap_levels: int = Field(description="Our level less the customer's.")
    agreed: bool = Field(description="Whether that is one level at most.")
    says: str


class RoundAnswer(Answered):
    """A round of the sheet."""

    number: int
    known_at: AwareDatetime | None = Field(description="When the second side submitted; null before.")
    sides: tuple[SideAnswers, ...]
    comparison: tuple[ComparedAnswer, ...] = Field(description="Empty until both sides are in.")


class LinkAnswer(Answered):
    """A link that was given to the customer's side. Its address is shown when it is made, and never again."""

    link_id: str
    recipient: str = Field(description="Whom it was made for, as our side typed it.")
    created_at: AwareDatetime
    expires_at: AwareDatetime
    revoked_at: AwareDatetime | None


class SheetAnswer(Stamped):
    """A deal's sheet as our side sees it."""

    opportunity_id: str
    vendor_name: str = Field(description="Our name, as the customer reads it.")
    deal_name: str = Field(description="The project's name, as the customer reads it.")
    state: Literal["open", "waiting", "complete"] = Field(
        description="open: our side has yet to submit; waiting: for the customer's; complete: both are in."
    )
    draft: tuple[TypedAnswer, ...] = Field(description="What our side typed, not submitted.")
    draft_version: int = Field(description="To be given back with what is saved or submitted next.")
    saved_at: AwareDatetime | None = Field(description="Of the draft.")
    rounds: tuple[RoundAnswer, ...] = Field(description="The last is the present one.")
    links: tuple[LinkAnswer, ...] = Field(description="The newest first.")


class SharedLink(Stamped):
    """A new link, with its address."""

    address: str = Field(description="To be sent to the customer's side; shown this once.")
    link: LinkAnswer


def sheet_answer(seen: Seen, view: SheetView, links: tuple[LinkLine, ...]) -> SheetAnswer:
    """Our side's view of a sheet."""
    return SheetAnswer(
        **stamp(seen.run),
        opportunity_id=view.opportunity_id,
        vendor_name=view.vendor_name,
        deal_name=view.deal_name,
        state="open" if view.is_open else "waiting" if view.waits else "complete",
        draft=_typed(view.draft),
        draft_version=view.draft_version,
        saved_at=view.saved_at,
        rounds=tuple(_round(one) for one in view.rounds),
        links=tuple(LinkAnswer(**vars(line)) for line in links),
    )


def _round(held: Round) -> RoundAnswer:
    return RoundAnswer(
        number=held.number,
        known_at=held.known_at,
        sides=tuple(
            SideAnswers(side=half.side, submitted_at=half.submitted_at, answers=_typed(half.answers))
            for half in held.halves
        ),
        comparison=tuple(
            ComparedAnswer(
                question=one.question, vendor_level=one.vendor.level or 0,
                customer_level=one.customer.level or 0, gap_levels=one.gap, agreed=one.agreed, says=one.says,
            )
            for one in held.comparison
        ),
    )  # fmt: skip


def _typed(answers: Mapping[str, Answer]) -> tuple[TypedAnswer, ...]:
    return tuple(
        TypedAnswer(question=name, level=one.level, evidence=one.evidence) for name, one in answers.items()
    )
