"""Steps that a seller could take on a deal next: offered where the deal lacks what the step brings.

A step is what would be recorded if it were taken (`features.steps_rows`), so the features' own code says
what it would do. Which of them help is the model's to say.
"""

from collections.abc import Iterator

from features.steps_deal import Standing, Step
from features.steps_people import (
    backing,
    missing_roles,
    next_meeting,
    second_person,
    talk_again,
    untouched,
    visit,
)
from features.steps_words import answers, demo, partnership, reference

__all__ = ["feasible_steps"]


def feasible_steps(deal: Standing) -> tuple[Step, ...]:
    """The steps that the deal lacks and a seller can take, in a fixed order."""
    backed = tuple(backing(deal))
    roles = _apart_from(backed, missing_roles(deal))
    people = _apart_from((*backed, *roles), untouched(deal))
    further = () if roles or people else second_person(deal)
    return (
        *roles, *people, *further, *backed, *answers(deal), *reference(deal), *partnership(deal),
        *next_meeting(deal), *talk_again(deal), *demo(deal), *visit(deal),
    )  # fmt: skip


def _apart_from(taken: tuple[Step, ...], steps: Iterator[Step]) -> tuple[Step, ...]:
    """The steps on something else than those taken before."""
    held = {one for step in taken for one in step.of}
    return tuple(step for step in steps if not step.of & held)
