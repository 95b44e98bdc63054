"""An answer as it is typed and kept: a level of five, and what shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import UsageError
from data.schema import QUESTIONS
from serving.sheets.questions import LEVELS, QUESTION_TEXTS
from serving.typed_text import LONGEST_NOTE, cleaned

__all__ = ["Answer", "complete", "read_answer"]


@dataclass(frozen=True)
class Answer:
    """An answer to one question: its level, 0 to 4, None while it is open, and what shows it."""

    level: int | None = None
    evidence: str = ""


def read_answer(question: str, level: int | None, evidence: str) -> Answer:
    """The answer as it is kept. Raises UsageError naming the question for another level or a long text."""
    title = QUESTION_TEXTS[question].title
    if level is not None and level not in LEVELS:
        raise UsageError(f"{title}: expected a level from {LEVELS[0]} to {LEVELS[-1]}, found {level}.")
    return Answer(level, cleaned(evidence, f"{title}: evidence", longest=LONGEST_NOTE, lines=True))


def complete(answers: Mapping[str, Answer]) -> None:
    """Raise UsageError naming the questions that have no level yet."""
    open_ones = [
        QUESTION_TEXTS[name].title for name in QUESTIONS if answers.get(name, Answer()).level is None
    ]
    if open_ones:
        raise UsageError(
            f"{', '.join(open_ones)}: expected a level from {LEVELS[0]} to {LEVELS[-1]}, found none. "
            "Choose one for each question; 0 says that it is not known."
        )
