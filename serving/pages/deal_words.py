"""How a deal page groups and names what stands beside the score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.api.deal_parts import QualificationAnswer, RoleAnswer, SpiralAnswer, SpiralStep

__all__ = ["EXPECTED", "HEAT", "Asked", "Phase", "asked_of", "heat_of", "phases_of", "roles_by_part"]

_PARTS: Mapping[str, tuple[str, ...]] = {
    "Decide": ("economic_buyer", "decision_maker", "executive_sponsor"),
    "Drive": ("champion", "mobilizer"),
    "Use and advise": ("user", "influencer", "technical_evaluator"),
    "Check": ("finance", "procurement", "legal"),
    "Can stop it": ("blocker",),
}
_PHASES = (
    "A promise after silence", "The promise slips", "New faces", "A competitor with the same claim",
    "Numbers or references asked for", "Only juniors come", "The next promise",
)  # fmt: skip
_QUESTIONS: Mapping[str, str] = {
    "means": "Means: who pays, out of what?",
    "decision_process": "Decision process: who decides, how?",
    "why": "Why: which problem, worth how much?",
    "when": "When: by which date, because of what?",
}
EXPECTED = 0.5
"""Share of won deals alike from which a role that nobody met is marked as missing."""
HEAT = ("none", "little", "some", "much", "most")
"""How much contact there was with a role: none, up to 2 touchpoints, up to 5, up to 10, more."""
_UP_TO = (0, 2, 5, 10)


@dataclass(frozen=True)
class Phase:
    """A phase of the promise spiral. step: its evidence where the deal reached it."""

    number: int
    title: str
    step: SpiralStep | None


@dataclass(frozen=True)
class Asked:
    """One of the four questions, with what each side answered."""

    title: str
    sides: Sequence[QualificationAnswer]

    @property
    def agrees(self) -> bool | None:
        """Whether the sides are one level apart at most; None unless both answered."""
        return next((one.agrees for one in self.sides), None)


def roles_by_part(roles: Sequence[RoleAnswer]) -> list[tuple[str, list[RoleAnswer]]]:
    """The roles by the part they play in a decision; roles of no part are left out, as are empty parts."""
    held = {one.role: one for one in roles}
    parts = [(title, [held[name] for name in names if name in held]) for title, names in _PARTS.items()]
    return [(title, found) for title, found in parts if found]


def heat_of(touches: int | None) -> str:
    """How much contact that is, as one of HEAT.

    >>> heat_of(None), heat_of(1), heat_of(5), heat_of(40)
    ('none', 'little', 'some', 'most')
    """
    return HEAT[sum((touches or 0) > most for most in _UP_TO)]


def phases_of(spiral: SpiralAnswer) -> list[Phase]:
    """The seven phases, reached or not."""
    reached = {step.phase: step for step in spiral.steps if step.kind == "phase"}
    return [Phase(number, title, reached.get(number)) for number, title in enumerate(_PHASES, start=1)]


def asked_of(answers: Sequence[QualificationAnswer]) -> list[Asked]:
    """The four questions with both sides' answers, the vendor's first."""
    return [
        Asked(title, [one for one in answers if one.question == question])
        for question, title in _QUESTIONS.items()
        if any(one.question == question for one in answers)
    ]
