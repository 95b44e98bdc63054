"""What people type into sheets and challenges: text from strangers, cleaned and bounded before it is kept."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import UsageError
from data.schema import QUESTIONS
from serving.sheets.questions import LEVELS, QUESTION_TEXTS

__all__ = ["LONGEST_EVIDENCE", "LONGEST_NAME", "Answer", "cleaned", "complete", "read_answer"]

LONGEST_EVIDENCE = 2000
"""Characters of an evidence text or a note."""
LONGEST_NAME = 120
"""Characters of a name."""

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


@dataclass(frozen=True)
class Answer:
    """An answer to one question: its level, 0 to 4, None while it is open, and what shows it."""

    level: int | None = None
    evidence: str = ""


def cleaned(text: str, what: str, *, longest: int, lines: bool = False, needed: bool = False) -> str:
    """The text without control, escape and direction marks, in composed form, blanks at its ends gone.

    lines: whether line ends stay; else they become spaces. Raises UsageError naming `what` if it is longer,
    or empty where it is needed.

    >>> cleaned(" Budget" + chr(0) + " is" + chr(0x202E) + " set ", "evidence", longest=20)
    'Budget is set'
    """
    if len(text) > 4 * longest:
        raise _too_long(what, longest, len(text))
    composed = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        sign
        for sign in (composed if lines else " ".join(composed.split()))
        if sign == "\n" or unicodedata.category(sign) not in _HIDDEN
    )
    kept = "\n".join(line.rstrip() for line in kept.split("\n")).strip()
    if len(kept) > longest:
        raise _too_long(what, longest, len(kept))
    if needed and not kept:
        raise UsageError(f"{what}: expected a text, found none. Type one.")
    return kept


def read_answer(question: str, level: int | None, evidence: str) -> Answer:
    """The answer as it is kept. Raises UsageError naming the question for another level or a long text."""
    title = QUESTION_TEXTS[question].title
    if level is not None and level not in LEVELS:
        raise UsageError(f"{title}: expected a level from {LEVELS[0]} to {LEVELS[-1]}, found {level}.")
    return Answer(level, cleaned(evidence, f"{title}: evidence", longest=LONGEST_EVIDENCE, lines=True))


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


def _too_long(what: str, longest: int, found: int) -> UsageError:
    return UsageError(f"{what}: expected at most {longest:,} characters, found {found:,}. Shorten the text.")
