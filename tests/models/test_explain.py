import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from features.feature import Feature, Measure
from models.explain import drivers, reasons


def feature(name, family, sentence, absent):
    return Feature(
        name=name, family=family, kind="number", unit="days", description="", rationale="",
        expected="lower is better", sentence=sentence, absent=absent, value=Measure("hand", "current", name),
    )  # fmt: skip


FEATURES = {
    f.name: f
    for f in (
        feature("silence", "momentum", "Last met {value} days ago", "Never met"),
        feature("age", "momentum", "Open for {value} days", "Age not known"),
        feature("blocker", "stakeholders", "A blocker untouched for {value} days", "No blocker known"),
    )
}
FAMILY = {name: f.family for name, f in FEATURES.items()}


def test_drivers_are_the_families_sums_in_sellers_words_largest_first():
    told = drivers({"silence": -0.5, "age": 0.25, "blocker": 0.75}, FAMILY)
    assert [(d.family, d.title, d.log_odds) for d in told] == [
        ("stakeholders", "Who is in the room", 0.75),
        ("momentum", "Momentum", -0.25),
    ]


@given(st.dictionaries(st.sampled_from(list(FEATURES)), st.floats(-5, 5)))
def test_drivers_add_up_to_what_the_contributions_add_up_to(contributions):
    total = sum(driver.log_odds for driver in drivers(contributions, FAMILY))
    assert abs(total - sum(contributions.values())) < 1e-12


def test_reasons_are_told_up_and_down_with_the_deals_value_and_what_won_deals_look_like():
    up, down = reasons(
        {"silence": -0.5, "age": 0.25, "blocker": 0.75},
        {"silence": 30.0, "age": 12.0, "blocker": None},
        FEATURES,
        {"silence": 4.0, "blocker": 3.0},
    )
    assert [(r.feature, r.log_odds) for r in up] == [("blocker", 0.75), ("age", 0.25)]
    assert up[0].sentence == "No blocker known (won deals at this stage: 3 days)."
    assert up[1].sentence == "Open for 12 days."
    assert [r.sentence for r in down] == ["Last met 30 days ago (won deals at this stage: 4 days)."]


def test_only_the_strongest_are_told_and_what_moves_nothing_is_no_reason():
    up, down = reasons({"silence": 0.3, "age": 0.2, "blocker": 0.0}, {}, FEATURES, {}, top=1)
    assert [r.feature for r in up] == ["silence"]
    assert down == ()


def test_a_feature_that_left_the_catalogue_is_told_by_its_name():
    up, _ = reasons({"x_gone": 0.3}, {"x_gone": "gold"}, {}, {})
    assert up[0].sentence == "x_gone: gold."


def test_explaining_needs_neither_lightgbm_nor_optuna():
    code = "import sys, models.explain, models.track_record; print({'lightgbm', 'optuna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
