"""The four questions of a sheet, what they ask of each side, and what each level of an answer means."""

from collections.abc import Mapping
from dataclasses import dataclass

from data.schema import QUESTIONS, SIDES

__all__ = ["AGREED_WITHIN", "LEVELS", "QUESTION_TEXTS", "QuestionText", "agreement"]

LEVELS = range(5)
"""From 0, unknown, to 4, proven: the levels of `qualification.answer`."""

AGREED_WITHIN = 1
"""Levels that two answers may lie apart and still agree, as in the features."""


@dataclass(frozen=True)
class QuestionText:
    """A question in words. asks: by side. levels: the meaning of 0 to 4, as either side would say it."""

    name: str
    title: str
    asks: Mapping[str, str]
    levels: tuple[str, str, str, str, str]

    def options(self) -> tuple[tuple[int, str], ...]:
        """The levels to choose from, each with its meaning."""
        return tuple(
            (level, f"{level}: {meaning}") for level, meaning in zip(LEVELS, self.levels, strict=True)
        )


def _text(name: str, title: str, vendor: str, customer: str, *levels: str) -> QuestionText:
    zero, one, two, three, four = levels
    return QuestionText(name, title, {"vendor": vendor, "customer": customer}, (zero, one, two, three, four))


_TEXTS = (
    _text(
        "means", "Means",
        "Can the customer pay for this and put people on it?",
        "Can you pay for this and put people on it?",
        "Not known",
        "Wished for; no budget and no people named",
        "A budget is being sought; who would do the work is named",
        "A budget is set aside; the people have time for it",
        "Money and people are approved in writing",
    ),
    _text(
        "decision_process", "Decision process",
        "Do we know how the customer decides, who takes part, and in which order?",
        "Is it settled how you decide, who takes part, and in which order?",
        "Not known",
        "Some of the people are known",
        "The people are known; steps or dates are open",
        "People, steps and dates are known; one of them is unconfirmed",
        "People, steps and dates are confirmed by those who decide",
    ),
    _text(
        "why", "Why",
        "Do we know what the customer must achieve, and what it costs them not to?",
        "What must you achieve, and what does it cost you not to?",
        "Not known",
        "Interest, without a problem to solve",
        "A problem is named; what it costs is not",
        "The problem and its cost are put in figures",
        "The figures are accepted by those who decide, and the aim is among their priorities",
    ),
    _text(
        "when", "When",
        "Do we know by when the customer needs this, and what happens if it comes later?",
        "By when do you need this, and what happens if it comes later?",
        "Not known",
        "Some day",
        "A quarter is named; nothing depends on it",
        "A date is named, and something depends on it",
        "The date is in a plan that both sides keep to",
    ),
)  # fmt: skip

QUESTION_TEXTS: dict[str, QuestionText] = {text.name: text for text in _TEXTS}
"""By name, in the order in which they are asked."""

if set(QUESTION_TEXTS) != set(QUESTIONS) or any(set(text.asks) != set(SIDES) for text in _TEXTS):
    raise AssertionError("the sheet's questions and sides differ from those of the data contract")


def agreement(vendor: int, customer: int) -> str:
    """How two answers to one question stand to each other, in words.

    >>> agreement(3, 3), agreement(3, 2), agreement(4, 1), agreement(0, 0)
    ('agreed', 'agreed within a level', 'the vendor is 3 levels more confident', 'unknown to both')
    """
    gap = vendor - customer
    if not vendor and not customer:
        return "unknown to both"
    if not gap:
        return "agreed"
    if abs(gap) <= AGREED_WITHIN:
        return "agreed within a level"
    return f"the {'vendor' if gap > 0 else 'customer'} is {abs(gap)} levels more confident"
