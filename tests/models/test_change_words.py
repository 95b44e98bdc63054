"""A change in words: sentences that are true of their kind, and one line whose points add up."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.feature import Feature, Measure
from models.change_words import (
    NEW_MODEL,
    OTHER,
    SMALL,
    Term,
    beside_before,
    change_sentence,
    headline,
    shown,
)


def feature(kind="number", unit="days", sentence="Silent for {value} days", absent="Nobody was met"):
    return Feature(
        name="silence", family="momentum", kind=kind, unit=unit, description="By hand.", rationale="None.",
        expected="depends", sentence=sentence, absent=absent, value=Measure("hand", "current", "silence"),
    )  # fmt: skip


SILENCE = feature()
PUSHES = feature("count", "pushes", "The close date was pushed {value} times", "It was never pushed")


def term(kind, name, points, before="1", after="2", sentence="It is so."):
    return Term(kind, name, "momentum", points / 20, points, before, after, sentence)


def test_time_is_named_where_the_value_stands_as_the_clock_left_it():
    assert (
        change_sentence("time", "silence", SILENCE, 24.0, 31.0, 31.0) == "Silent for 31 days as time passed."
    )


def test_a_value_that_news_has_overtaken_is_told_as_what_the_clock_alone_would_have_made():
    said = change_sentence("time", "silence", SILENCE, 24.0, 31.0, 1.0)
    assert said == "By the clock alone: silent for 31 days."


def test_an_event_is_told_as_the_value_now_stands_with_the_one_before_beside_it():
    said = change_sentence("event", "pushes", PUSHES, 2, 3, 3)
    assert said == "The close date was pushed 3 times."
    told = Term("event", "pushes", "momentum", -0.1, -2.0, shown(PUSHES, 2), shown(PUSHES, 3), said)
    assert beside_before(told) == "The close date was pushed 3 times (before: 2 pushes)."


def test_none_before_is_said_as_none_and_what_was_not_known_is_not_said():
    none = Term("event", "pushes", "momentum", -0.1, -2.0, "0 pushes", "1 push", "It was pushed once.")
    assert beside_before(none) == "It was pushed once (before: none)."
    unknown = Term("event", "silence", "momentum", -0.1, -2.0, "not known", "3 days", "Silent for 3 days.")
    assert beside_before(unknown) == "Silent for 3 days."


def test_a_corrected_record_says_so():
    assert change_sentence("corrected", "silence", SILENCE, 2.0, None, None) == (
        "By corrected records: nobody was met."
    )


def test_a_value_that_stayed_is_not_sold_as_news():
    said = change_sentence("event", "silence", SILENCE, 3.0, 3.0, 3.0)
    assert said == "Silent for 3 days, as before; beside what changed it counts differently."
    assert not Term("event", "silence", "momentum", 0.1, 2.0, "3 days", "3 days", said).is_told


def test_a_field_of_the_users_own_is_told_by_its_name():
    assert change_sentence("event", "x_tier", None, "tin", "gold", "gold") == "x_tier is gold."
    assert change_sentence("event", "x_tier", None, "tin", None, None) == "x_tier is not known."


def test_the_largest_terms_lead_and_the_rest_is_summed_by_kind():
    terms = [
        term("time", "silence", -8.2, sentence="The controller has been silent for 31 days."),
        term("event", "pushes", -5.1, sentence="The close date moved for the third time."),
        term("event", SMALL, 0.9, None, None, None),
        term("event", "stage", 0.4),
    ]
    assert headline(terms, -12.0) == (
        "down 12 points: the controller has been silent for 31 days (−8), "
        "the close date moved for the third time (−5), other news (+1)"
    )


def test_a_feature_moved_by_the_clock_and_by_news_is_told_once_as_it_now_is():
    terms = [
        term("time", "silence", -3.0, "24 days", "31 days", "By the clock alone: silent for 31 days."),
        term("event", "silence", 8.0, "31 days", "1 day", "Silent for 1 day."),
    ]
    assert headline(terms, 5.0) == "up 5 points: silent for 1 day (+5)"


def test_another_model_is_named_as_such():
    assert headline([Term("model", None, None, 0.2, 4.0, sentence=NEW_MODEL)], 4.0) == (
        "up 4 points: a new model (+4)"
    )


def test_what_a_reader_may_not_see_is_part_of_the_rest():
    assert headline([Term("event", OTHER, OTHER, 0.2, 4.0)], 4.0) == "up 4 points: other news (+4)"


@pytest.mark.parametrize(
    ("points", "said"),
    [(0.2, "about the same"), (-0.4, "about the same"), (0.9, "up 1 point"), (-11.6, "down 12 points")],
)
def test_without_terms_only_the_whole_is_said(points, said):
    assert headline([], points) == said


def test_equal_terms_come_in_the_order_of_their_names():
    terms = [
        term("event", "b", 2.0, sentence="B is new."),
        term("event", "a", 2.0, sentence="A is new."),
    ]
    assert headline(terms, 4.0) == headline(terms[::-1], 4.0) == "up 4 points: a is new (+2), b is new (+2)"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["model", "corrected", "time", "event"]), st.integers(0, 9), st.floats(-30, 30)
        ),
        min_size=1,
        max_size=25,
        unique_by=lambda one: one[:2],
    )
)
def test_the_points_of_the_line_add_up_to_its_whole(drawn):
    terms = [
        Term(kind, None, None, 0.0, moved, sentence=NEW_MODEL) if kind == "model"
        else term(kind, f"feature {name}", moved, sentence=f"Feature {name} moved.")
        for kind, name, moved in drawn
    ]  # fmt: skip
    whole = sum(one.points for one in terms)
    said = headline(terms, whole)
    parts = [int(part.replace("−", "-")) for part in re.findall(r"\(([+−]\d+)\)", said)]
    lead = said.partition(":")[0]
    expected = 0 if lead == "about the same" else int(lead.split()[1]) * (1 if lead[:2] == "up" else -1)
    assert expected == round(whole)
    assert sum(parts) == expected
