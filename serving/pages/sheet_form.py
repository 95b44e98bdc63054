"""The form of a sheet's four answers, as both sides send it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from data.schema import QUESTIONS
from serving.sheets.questions import LEVELS
from serving.sheets.typed import Answer, read_answer
from serving.typed_text import LONGEST_NOTE

__all__ = ["SheetForm"]

_LONGEST = 8 * LONGEST_NOTE


class SheetForm(BaseModel):
    """Answers as typed: a level and an evidence text per question, and whether to save or submit them.

    version: of the draft that the page showed.
    """

    do: Literal["save", "submit"] = "save"
    version: int = 0
    level_means: str = Field("", max_length=2)
    level_decision_process: str = Field("", max_length=2)
    level_why: str = Field("", max_length=2)
    level_when: str = Field("", max_length=2)
    evidence_means: str = Field("", max_length=_LONGEST)
    evidence_decision_process: str = Field("", max_length=_LONGEST)
    evidence_why: str = Field("", max_length=_LONGEST)
    evidence_when: str = Field("", max_length=_LONGEST)

    def answers(self) -> dict[str, Answer]:
        """The answers as they are kept. Raises UsageError naming the question for one that cannot be."""
        return {name: read_answer(name, one.level, one.evidence) for name, one in self.typed().items()}

    def typed(self) -> Mapping[str, Answer]:
        """The answers as they were sent, to be shown again beside what is wrong with them."""
        known = {str(level): level for level in LEVELS}
        return {
            name: Answer(known.get(getattr(self, f"level_{name}")), getattr(self, f"evidence_{name}"))
            for name in QUESTIONS
        }
