"""Steps, motives and answers, on hand-made histories."""

from collections.abc import Sequence
from typing import Any

from features.catalogue import catalogue
from features.snapshots import Calendar
from tests.features.worlds import Rows, bare, day, frame_of

FAMILIES = {"journey", "motive", "qualification"}
FEATURES = tuple(feature for feature in catalogue() if feature.family in FAMILIES)


def at_day(
    n: int, *, moments: Sequence[dict[str, Any]] = (), answers: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The features of one deal created on day 0, as of day n."""
    rows: Rows = bare() | {
        "opportunities": [{"opportunity_id": "o1", "account_id": "a1", "created_at": day(0)}],
        "moments": list(moments),
        "qualification": list(answers),
    }
    return frame_of(rows, Calendar(day(n), (n + 1) * 86_400), FEATURES).to_pylist()[-1]


def moment(kind: str, at: float, known: float | None = None) -> dict[str, Any]:
    return {
        "moment_id": f"{kind}{at}", "opportunity_id": "o1", "kind": kind, "occurred_at": day(at),
        "known_at": day(at if known is None else known),
    }  # fmt: skip


def answer(side: str, question: str, level: int, at: float) -> dict[str, Any]:
    return {"opportunity_id": "o1", "question": question, "side": side, "answer": level, "known_at": day(at)}


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


def test_a_deal_runs_on_fomo_alone_until_a_need_or_a_sponsor_shows() -> None:
    fomo = moment("fomo", 5)
    assert at_day(10, moments=[fomo])["is_fomo_only"]
    assert not at_day(10, moments=[fomo, moment("mission_critical", 6)])["is_fomo_only"]
    assert not at_day(10, moments=[fomo, moment("sponsor_backing", 6)])["is_fomo_only"]
    assert at_day(10, moments=[fomo, moment("sponsor_backing", 6, known=10)])["is_fomo_only"]
    assert not at_day(10)["is_fomo_only"]


def test_only_each_sides_latest_answer_counts() -> None:
    row = at_day(
        30,
        answers=[
            answer("vendor", "means", 1, 2), answer("vendor", "means", 4, 5), answer("vendor", "why", 2, 6),
            answer("customer", "means", 3, 7), answer("customer", "means", 0, 30),
        ],
    )  # fmt: skip
    assert row["questions_answered_vendor"] == 2
    assert row["answer_level_vendor"] == 3
    assert row["questions_answered_customer"] == 1
    assert row["answer_level_customer"] == 3
    assert row["days_since_qualification"] == 23


def test_sides_agree_within_one_level_and_their_gap_follows_the_latest_answers() -> None:
    answers = [
        answer("vendor", "means", 4, 2), answer("customer", "means", 3, 3),
        answer("customer", "why", 0, 4), answer("vendor", "why", 4, 5),
    ]  # fmt: skip
    before = at_day(10, answers=answers)
    assert before["questions_agreed"] == 1
    assert before["answer_gap"] == 2.5
    after = at_day(20, answers=[*answers, answer("customer", "why", 3, 12)])
    assert after["questions_agreed"] == 2
    assert after["answer_gap"] == 1
    assert at_day(10)["answer_gap"] is None
