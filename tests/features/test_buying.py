"""Steps, motives, answers and their order, on hand-made histories."""

from collections.abc import Sequence
from typing import Any

import pytest

from features.catalogue import catalogue
from features.snapshots import Calendar
from tests.features.worlds import Rows, bare, day, frame_of

FEATURES = tuple(
    feature
    for feature in catalogue()
    if feature.family in ("journey", "qualification") or feature.name == "fomo_evidence"
)


def at_day(n: int, **tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The features of one deal created on day 0, as of day n."""
    rows: Rows = bare() | {name: list(table) for name, table in tables.items()}
    return frame_of(rows, Calendar(day(n), (n + 1) * 86_400), FEATURES).to_pylist()[-1]


def moment(kind: str, at: float, known: float | None = None) -> dict[str, Any]:
    return {
        "moment_id": f"{kind}{at}", "opportunity_id": "o1", "kind": kind, "occurred_at": day(at),
        "known_at": day(at if known is None else known),
    }  # fmt: skip


def note(kind: str, at: float, superseded: float | None = None) -> dict[str, Any]:
    """A moment read from an activity's text."""
    return {
        "activity_id": f"v{at}", "opportunity_id": "o1", "kind": kind, "evidence": "as they said",
        "occurred_at": day(at), "known_at": day(at),
        "superseded_at": None if superseded is None else day(superseded),
    }  # fmt: skip


def answer(side: str, question: str, level: int, at: float) -> dict[str, Any]:
    return {"opportunity_id": "o1", "question": question, "side": side, "answer": level, "known_at": day(at)}


def stage(name: str, at: float) -> dict[str, Any]:
    return {"opportunity_id": "o1", "field": "stage", "new_value": name, "changed_at": day(at)}


def test_steps_count_once_and_going_back_is_seen() -> None:
    row = at_day(
        30,
        moments=[
            moment("scoping", 3), moment("short_list", 8), moment("scoping", 12), moment("fomo", 13),
            moment("sign_off", 20, known=30),
        ],
    )  # fmt: skip
    assert row["steps_reached"] == 2
    assert row["furthest_step"] == 7
    assert row["step_regressions"] == 1
    assert row["days_since_step"] == 18
    assert row["fomo_evidence"] == 1


def test_pace_and_skipped_steps_follow_the_steps_that_went_beyond_all_others() -> None:
    moments = [
        moment("scoping", 3),
        moment("short_list", 8),
        moment("long_list", 15),
        moment("short_list", 20),
    ]
    row = at_day(95, moments=moments)
    assert row["steps_skipped"] == 4  # 1, 3, 4 and 6 of 7
    assert row["days_to_furthest_step"] == 8
    assert row["advances_90d"] == 1
    assert row["step_regressions"] == 1
    nothing = at_day(95)
    assert (nothing["steps_skipped"], nothing["days_to_furthest_step"]) == (0, None)


@pytest.mark.slow
def test_a_step_recorded_after_its_note_is_neither_a_second_first_nor_a_step_back() -> None:
    notes = [note("scoping", 3, superseded=12), note("short_list", 8)]
    recorded = [moment("scoping", 2, known=12)]
    before, after = (
        at_day(12, moments=recorded, text_moments=notes),
        at_day(13, moments=recorded, text_moments=notes),
    )
    for row in (before, after):
        assert row["steps_reached"] == 2
        assert row["furthest_step"] == 7
        assert row["step_regressions"] == 0
    again = at_day(20, moments=[*recorded, moment("scoping", 14)], text_moments=notes)
    assert again["step_regressions"] == 1
    late = at_day(13, moments=recorded, text_moments=[note("short_list", 8)])
    assert late["step_regressions"] == 1


@pytest.mark.slow
def test_a_note_counts_until_a_recorded_row_stands_for_it_and_never_if_that_came_first() -> None:
    notes = [note("objection", 3, superseded=10), note("objection", 5, superseded=4)]
    rows = {"moments": [moment("objection", 2, known=10)], "text_moments": notes}
    assert [at_day(n, **rows)["objections"] for n in (3, 6, 10, 11)] == [0, 1, 1, 1]
    assert at_day(11, text_moments=[note("advisor_involved", 3)])["advisor_mentions"] == 1


def test_only_each_sides_latest_answer_counts() -> None:
    row = at_day(
        30,
        qualification=[
            answer("vendor", "means", 1, 2), answer("vendor", "means", 4, 5), answer("vendor", "why", 0, 6),
            answer("customer", "means", 3, 7), answer("customer", "means", 0, 30),
        ],
    )  # fmt: skip
    assert row["questions_answered_vendor"] == 2
    assert row["questions_answered_customer"] == 1
    assert (row["means_level_vendor"], row["why_level_vendor"], row["when_level_vendor"]) == (4, 0, None)
    assert row["means_level_customer"] == 3
    assert (row["answer_age_vendor"], row["answer_age_customer"]) == (24, 23)


def test_sides_agree_within_one_level_and_their_gap_follows_the_latest_answers() -> None:
    answers = [
        answer("vendor", "means", 4, 2), answer("customer", "means", 3, 3),
        answer("customer", "why", 0, 4), answer("vendor", "why", 4, 5), answer("vendor", "when", 0, 5),
    ]  # fmt: skip
    before = at_day(10, qualification=answers)
    assert before["questions_agreed"] == 1
    assert (before["means_gap"], before["why_gap"], before["when_gap"]) == (1, 4, None)
    after = at_day(20, qualification=[*answers, answer("customer", "why", 3, 12)])
    assert after["questions_agreed"] == 2
    assert after["why_gap"] == 1


@pytest.mark.slow
def test_asking_before_proposing_counts_as_days_ahead_and_after_it_as_days_behind() -> None:
    answers = [answer("vendor", "why", 2, 10), answer("customer", "why", 2, 4)]
    assert at_day(30, qualification=answers)["days_answer_to_proposal"] is None
    asked = at_day(30, qualification=answers, moments=[moment("negotiation", 20), moment("cost_benefit", 9)])
    assert asked["days_answer_to_proposal"] == 5
    stages = [stage("Discovery", 1), stage("Proposal/Price Quote", 2), stage("Negotiation", 6)]
    behind = at_day(
        30, qualification=answers, opportunity_changes=stages, moments=[moment("negotiation", 20)]
    )
    assert behind["days_answer_to_proposal"] == -2
    early = at_day(30, opportunity_changes=stages, moments=[moment("negotiation", 20)])
    assert early["days_answer_to_proposal"] is None


def test_a_proposal_logged_late_is_invisible_until_it_was_logged() -> None:
    rows = {"qualification": [answer("vendor", "why", 2, 4)], "moments": [moment("negotiation", 6, known=9)]}
    assert at_day(9, **rows)["days_answer_to_proposal"] is None
    assert at_day(10, **rows)["days_answer_to_proposal"] == 2
