"""Steps are offered where a deal lacks what they bring, and name whom or what they mean."""

from datetime import timedelta
from typing import Any

import pytest

from data.warehouse import memory_tables
from features.steps import feasible_steps
from features.steps_deal import Standing, Step
from features.steps_rows import AHEAD, BEFORE, merged_rows, met, moment, named
from features.steps_state import Person, people_of, usual_levels
from tests.features.worlds import bare, day

AS_OF = day(100)
AT = AS_OF - BEFORE
QUIET: dict[str, Any] = {
    "next_meeting_booked": True, "days_since_two_way": 3.0, "is_single_threaded": False,
    "offline_share": 0.5, "promised_feature_dependence": None,
}  # fmt: skip
FOUNDED = [
    {"question": question, "side": side, "answer": 3}
    for question in ("means", "decision_process", "why", "when")
    for side in ("vendor", "customer")
]
BACKED = [{"kind": "sponsor_backing", "happened_at": day(90)}]


def person(key: str, *roles: str, touches: int = 0, days: float | None = None, **more: Any) -> Person:
    known: dict[str, Any] = {"name": f"Person {key}", "title": None, "in_group": bool(roles), "stances": ()}
    last = days if days is not None else (1.0 if touches else None)
    return Person(**{"contact_id": key, "roles": roles, "touches": touches, "lately": touches,
                     "days_since": last} | known | more)  # fmt: skip


def standing(*people: Person, values: dict[str, Any] | None = None, **more: Any) -> Standing:
    """A deal that lacks nothing but what is said here."""
    held = {"answers": FOUNDED, "moments": BACKED, "levels": {"economic_buyer": "c_level"}} | more
    return Standing(as_of=AS_OF, people=people, values=QUIET | (values or {}), **held)


def gap(role: str, share: float | None, *, engaged: bool = False) -> dict[str, Any]:
    return {"role": role, "engaged": engaged, "expected_share": share, "alike": "won deals at stage offer"}


def steps(deal: Standing) -> dict[str, Step]:
    return {step.id: step for step in feasible_steps(deal)}


def test_a_deal_that_lacks_nothing_is_offered_nothing() -> None:
    assert steps(standing(person("c1", "champion", touches=4))) == {}


def test_a_role_that_won_deals_had_engaged_is_met_as_somebody_new_with_who_is_in_touch() -> None:
    deal = standing(person("c1", "champion", touches=4), roles=[gap("economic_buyer", 0.62)])
    (step,) = feasible_steps(deal)
    assert (step.id, step.title) == ("meet:economic_buyer", "Meet the economic buyer")
    assert step.sentence == (
        "62 % of won deals at stage offer had engaged this role by now, and here nobody has. "
        "Find out who it is, and meet them together with Person c1."
    )
    assert named(step.rows, "o1", "a1", "n/") == {
        "contacts": [
            {"contact_id": "n/new", "account_id": "a1", "seniority": "c_level", "known_at": AT}
        ],
        "opportunity_contacts": [
            {"opportunity_id": "o1", "contact_id": "n/new", "buying_role": "economic_buyer", "known_at": AT}
        ],
        "activities": [
            {"activity_id": "n/meeting", "opportunity_id": "o1", "account_id": "a1", "kind": "meeting",
             "channel": None, "occurred_at": AT, "known_at": AT}
        ],
        "activity_participants": [
            {"activity_id": "n/meeting", "contact_id": "n/new", "attended": True},
            {"activity_id": "n/meeting", "contact_id": "c1", "attended": True},
        ],
    }  # fmt: skip


def test_who_is_recorded_for_a_missing_role_is_met_by_name_and_offered_once() -> None:
    recorded = person("c2", "economic_buyer", title="CFO")
    (step,) = feasible_steps(standing(recorded, roles=[gap("economic_buyer", 0.3)]))
    assert step.title == "Meet Person c2 (CFO), economic buyer"
    assert step.sentence.endswith("Person c2 (CFO) is recorded for it: meet them.")
    assert "contacts" not in step.rows
    assert [row["contact_id"] for row in step.rows["activity_participants"]] == ["c2"]


@pytest.mark.parametrize(
    "row",
    [gap("legal", 0.29), gap("legal", None), gap("legal", 0.9, engaged=True), gap("blocker", 0.9)],
    ids=["rarely engaged", "nothing learnt", "engaged", "no blocker is looked for"],
)
def test_a_role_is_not_missed_that_is_rare_unknown_engaged_or_a_blockers(row: dict[str, Any]) -> None:
    assert steps(standing(roles=[row])) == {}


def test_of_missing_roles_the_four_most_expected_are_offered() -> None:
    roles = ["user", "legal", "finance", "influencer", "procurement"]
    found = feasible_steps(standing(roles=[gap(role, 0.4 + place / 10) for place, role in enumerate(roles)]))
    assert [step.id for step in found] == [
        "meet:procurement",
        "meet:influencer",
        "meet:finance",
        "meet:legal",
    ]


def test_people_nobody_has_spoken_to_are_named_blockers_first() -> None:
    deal = standing(
        person("c1", "user", touches=2), person("c2", "influencer"), person("c3", "legal"),
        person("c4", "blocker"), person("c5", in_group=True),
    )  # fmt: skip
    found = feasible_steps(deal)
    assert [step.title for step in found] == [
        "Speak with Person c4, blocker", "Speak with Person c3, legal", "Speak with Person c2, influencer",
    ]  # fmt: skip
    assert [step.about[0].feature for step in found] == [
        "blockers_untouched", "veto_exposure_share", "stakeholders_engaged",
    ]  # fmt: skip


def test_a_blocker_is_spoken_to_again_after_more_than_thirty_days() -> None:
    assert steps(standing(person("c1", "blocker", touches=1, days=30.0))) == {}
    (step,) = feasible_steps(standing(person("c1", "blocker", touches=1, days=31.0)))
    assert step.sentence.endswith("nobody has spoken to them for 31 days.")
    assert step.about[0].feature == "days_blockers_untouched"


def test_backing_is_asked_of_the_sponsor_there_is_and_not_again_within_ninety_days() -> None:
    moments = [{"kind": "sponsor_backing", "happened_at": AS_OF - timedelta(days=91)}]
    sponsor = person("c7", "executive_sponsor", touches=1)
    (step,) = feasible_steps(standing(sponsor, moments=moments))
    assert step.title == "Get the backing of Person c7"
    assert step.sentence.startswith("Senior backing last showed 91 days ago.")
    assert step.rows["moments"] == (
        {"kind": "sponsor_backing", "contact_id": "c7", "occurred_at": AT, "known_at": AT},
    )


def test_open_questions_are_answered_on_the_side_that_lags_one_by_one_and_together() -> None:
    answers = [row | {"answer": 2} if row["question"] == "why" and row["side"] == "vendor" else row
               for row in FOUNDED if row["question"] != "when"]  # fmt: skip
    found = steps(standing(answers=answers))
    assert list(found) == ["answer:why", "answer:when", "answer:all"]
    assert found["answer:why"].rows["qualification"] == (
        {"question": "why", "side": "vendor", "answer": 3, "known_at": AT},
    )
    assert [reached.feature for reached in found["answer:when"].about] == [
        "when_level_customer", "when_level_vendor",
    ]  # fmt: skip
    assert found["answer:when"].sentence.startswith(
        "On when they buy, our side stands at no answer and the buyer at no answer."
    )
    assert len(found["answer:all"].rows["qualification"]) == 3
    assert found["answer:all"].sentence.startswith("Open are why they buy and when they buy.")


def test_a_reference_is_brought_once_it_was_asked_for_and_while_it_has_not_come() -> None:
    asked = {"kind": "reference_requested", "happened_at": day(80)}
    came = {"kind": "reference_delivered", "happened_at": day(85)}
    again = {"kind": "reference_requested", "happened_at": day(95)}
    assert steps(standing(moments=[*BACKED, came])) == {}
    assert steps(standing(moments=[*BACKED, asked, came])) == {}
    found = steps(standing(moments=[*BACKED, asked, came, again]))
    assert "asked for 5 days ago" in found["reference"].sentence
    assert [row["kind"] for row in found["reference"].rows["text_moments"]] == ["reference_delivered"]


def test_beta_is_offered_for_open_promises_the_longest_overdue_first() -> None:
    def promise(feature: str, state: str, overdue: float | None, *, derived: bool = False) -> dict[str, Any]:
        return {"feature": feature, "state": state, "days_overdue": overdue, "days_outstanding": 40.0,
                "derived": derived}  # fmt: skip

    rows = [promise("audit", "open", None, derived=True), promise("sso", "open", 12.0),
            promise("api", "delivered", 3.0)]  # fmt: skip
    first, second = feasible_steps(standing(promises=rows))
    assert first.title == "Offer beta or launch partnership for “sso”"
    assert first.sentence.startswith("“sso” is promised and overdue by 12 days.")
    assert [row["event"] for row in first.rows["promises"]] == ["withdrawn"]
    # what only a note promised is a thread of its own, which only a note withdraws
    assert "promises" not in second.rows
    assert [row["event"] for row in second.rows["text_promises"]] == ["withdrawn"]
    lately = [*BACKED, {"kind": "beta_or_launch_partner", "happened_at": day(11)}]
    assert steps(standing(promises=rows, moments=lately)) == {}


def test_a_next_meeting_is_booked_with_who_is_in_touch_if_none_lies_ahead() -> None:
    nobody = {"values": {"next_meeting_booked": False}}
    assert steps(standing(**nobody)) == {}
    (step,) = feasible_steps(standing(person("c1", touches=1, title="CTO"), **nobody))
    assert step.title == "Book the next meeting with Person c1 (CTO)"
    (row,) = step.rows["activities"]
    assert (row["known_at"], row["occurred_at"]) == (AT, AT + AHEAD)


@pytest.mark.parametrize(
    ("values", "offered"),
    [
        ({"days_since_two_way": 13.9}, []),
        ({"days_since_two_way": 14.0}, ["speak_again"]),
        ({"offline_share": 0.0}, ["visit"]),
        ({"offline_share": None}, []),
        ({"promised_feature_dependence": 0.0}, []),
        ({"promised_feature_dependence": 0.25}, ["demo"]),
        ({"is_single_threaded": True}, ["second"]),
    ],
)
def test_silence_distance_promises_and_a_single_thread_each_call_for_a_step(
    values: dict[str, Any], offered: list[str]
) -> None:
    assert list(steps(standing(person("c1", "user", touches=2), values=values))) == offered


def test_somebody_met_before_is_the_second_person() -> None:
    once = person("c2", touches=1, lately=0, days=120.0)
    (step,) = feasible_steps(standing(person("c1", touches=2), once, values={"is_single_threaded": True}))
    assert step.title == "Meet Person c2 again"


def test_ids_of_steps_keep_apart_what_divides_them() -> None:
    (step,) = feasible_steps(standing(person("a+b:c", "legal")))
    assert step.id == "speak:a%2Bb%3Ac"


def test_rows_of_parts_are_put_together_and_named_for_their_deal() -> None:
    rows = named(merged_rows(met(["c1"], AT, "call"), moment("objection", AT)), "o1", None, "x/", known="y/")
    assert rows["activities"][0]["activity_id"] == rows["activity_participants"][0]["activity_id"] == "x/call"
    assert rows["activity_participants"][0]["contact_id"] == "y/c1"
    assert rows["moments"][0]["moment_id"] == "x/0"


def test_people_are_those_of_the_group_and_those_met_as_known_before_as_of() -> None:
    rows = bare() | {
        "contacts": [
            {"contact_id": "c1", "name": "Ada", "known_at": day(0)},
            {"contact_id": "c2", "name": "Ben", "known_at": AS_OF},
        ],
        "opportunity_contacts": [
            {"opportunity_id": "o1", "contact_id": "c1", "buying_role": "champion", "stance": "supporter",
             "known_at": day(1)},
            {"opportunity_id": "o1", "contact_id": "c3", "buying_role": "legal", "known_at": AS_OF},
            {"opportunity_id": "o1", "contact_id": "c4", "buying_role": "legal", "known_at": day(1),
             "removed_at": day(2)},
            {"opportunity_id": "o1", "contact_id": "c5", "known_at": day(3)},
        ],
        "activities": [
            {"activity_id": "v1", "opportunity_id": "o1", "kind": "call", "occurred_at": day(5)},
            {"activity_id": "v2", "opportunity_id": "o1", "kind": "call", "occurred_at": day(98)},
            {"activity_id": "v3", "opportunity_id": "o1", "kind": "call", "occurred_at": day(99),
             "known_at": AS_OF},
        ],
        "activity_participants": [
            {"activity_id": "v1", "contact_id": "c1"},
            {"activity_id": "v2", "contact_id": "c2", "attended": True},
            {"activity_id": "v3", "contact_id": "c1"},
        ],
    }  # fmt: skip
    people = people_of(memory_tables(rows), AS_OF, ["o1"])["o1"]
    assert people == (
        Person("c2", None, None, False, (), (), 1, 1, 2.0),
        Person("c1", "Ada", None, True, ("champion",), ("supporter",), 1, 0, 95.0),
        Person("c5", None, None, True, (), (), 0, 0, None),
    )


def test_the_usual_level_of_a_role_is_the_one_recorded_most_often_and_of_two_the_lower() -> None:
    levels = {"c1": "vp", "c2": "vp", "c3": "c_level", "c4": "director", "c5": None}
    roles = {"c1": "legal", "c2": "legal", "c3": "legal", "c4": "user", "c5": "finance"}
    rows = bare() | {
        "contacts": [
            {"contact_id": key, "seniority": level, "known_at": day(1)} for key, level in levels.items()
        ],
        "opportunity_contacts": [
            {"opportunity_id": "o1", "contact_id": key, "buying_role": role, "known_at": day(1)}
            for key, role in [*roles.items(), ("c1", "user")]
        ],
    }
    assert usual_levels(memory_tables(rows), AS_OF) == {"legal": "vp", "user": "director"}
