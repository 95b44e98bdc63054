import pytest

from features.catalogue import catalogue
from serving.warnings import RULES, features_read, warnings_of


def said(**values: object) -> dict[str, str]:
    return {held.code: held.sentence for held in warnings_of(values)}


def test_a_deal_without_evidence_warns_of_nothing() -> None:
    assert warnings_of({}) == ()
    assert warnings_of(dict.fromkeys(features_read())) == ()


def test_a_close_date_that_passed_is_told_with_its_days() -> None:
    assert said(days_to_expected_close=-1.2) == {
        "close_date_passed": "The expected close date passed 1 day ago."
    }
    assert said(days_to_expected_close=0.0) == {}


def test_a_silent_buyer_is_told_from_thirty_days_on() -> None:
    assert said(days_since_two_way=29.9) == {}
    assert said(days_since_two_way=31.0) == {"silent": "Nothing heard from the buyer for 31 days."}


def test_one_untouched_blocker_and_several_are_told_apart() -> None:
    assert said(blockers_untouched=1) == {"veto_untouched": "A blocker is known whom nobody has spoken to."}
    assert said(blockers_untouched=3)["veto_untouched"].startswith("3 blockers are known")


def test_slowness_is_told_against_won_deals() -> None:
    assert said(days_in_stage_vs_norm=2.5, days_in_stage=70.0) == {
        "stalled": "In this stage for 70 days, 2.5 times as long as deals that were won."
    }


def test_no_next_step_needs_a_deal_at_rest() -> None:
    assert said(next_meeting_booked=False, days_since_activity=3.0) == {}
    assert "no_next_step" in said(next_meeting_booked=False, days_since_activity=20.0)
    assert said(next_meeting_booked=True, days_since_activity=20.0) == {}


def test_a_one_sided_sheet_is_told_only_once_we_answered() -> None:
    assert "qualification_one_sided" in said(questions_answered_vendor=2, questions_answered_customer=0)
    assert said(questions_answered_vendor=0, questions_answered_customer=0) == {}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"is_stalled_on_blocker": True}, "stalled_on_blocker"),
        ({"promises_overdue": 2}, "promise_overdue"),
        ({"spiral_phase": 4}, "spiral"),
        ({"is_single_threaded": True}, "single_threaded"),
        ({"close_date_pushes": 3}, "close_date_pushed"),
        ({"is_fomo_only": True}, "fomo_only"),
        ({"answer_age_vendor": 90.0}, "qualification_stale"),
        ({"answer_age_customer": 90.0}, "buyer_answers_stale"),
    ],
)  # fmt: skip
def test_each_rule_names_the_feature_it_comes_from_and_its_value(
    values: dict[str, object], code: str
) -> None:
    (held,) = warnings_of(values)
    assert held.code == code
    assert (held.feature, held.value) == next(iter(values.items()))


def test_the_gravest_come_first() -> None:
    held = warnings_of({"is_single_threaded": True, "promises_overdue": 1, "days_to_expected_close": -3.0})
    assert [one.code for one in held] == ["close_date_passed", "promise_overdue", "single_threaded"]
    assert [rule.severity for rule in RULES] == sorted(rule.severity for rule in RULES)


def test_every_feature_that_a_rule_reads_is_in_the_catalogue() -> None:
    assert set(features_read()) <= {feature.name for feature in catalogue()}
