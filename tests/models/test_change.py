"""The split of a change: exact, and each kind only where its cause is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.errors import ModelContractError
from models.change import Views, decompose, points_per_log_odds

AT_A = np.array([[0.5, -0.25]])
"""Contributions of two features to one deal as run A published them; the base is −1."""


def views(as_seen=AT_A, recomputed=AT_A, by_clock=AT_A, now=AT_A):
    return Views(-1.0, *(np.asarray(one, dtype=float) for one in (as_seen, recomputed, by_clock, now)))


def split(given_views, before=-0.75, *, same_model=True):
    after = given_views.base + given_views.now.sum(axis=1)
    return decompose(given_views, np.array([before]), after, same_model=same_model)


def test_where_only_the_clock_moved_every_term_is_of_time():
    moved = [[0.5, -0.75]]
    change = split(views(by_clock=moved, now=moved))
    assert change.time.tolist() == [[0.0, -0.5]]
    assert not change.model.any()
    assert not change.corrected.any()
    assert not change.event.any()


def test_a_meeting_after_the_clock_has_moved_is_an_event_and_only_the_rest_is_time():
    change = split(views(by_clock=[[0.5, -0.75]], now=[[0.5, 0.25]]))
    assert change.time.tolist() == [[0.0, -0.5]]
    assert change.event.tolist() == [[0.0, 1.0]]


def test_a_record_corrected_since_is_told_apart_from_news():
    mended = [[0.125, -0.25]]
    change = split(views(recomputed=mended, by_clock=mended, now=mended))
    assert change.corrected.tolist() == [[-0.375, 0.0]]
    assert not change.time.any()
    assert not change.event.any()


def test_another_model_gets_one_term_for_reading_the_same_values_otherwise():
    read_anew = [[1.0, 0.0]]
    change = split(views(read_anew, read_anew, read_anew, read_anew), before=-0.5, same_model=False)
    assert change.model.tolist() == [0.5]
    assert not change.of_features()[0][1].any()


def test_all_at_once_add_up_to_the_whole():
    change = split(
        views([[0.0, 0.0]], [[0.25, 0.0]], [[0.25, -0.5]], [[1.25, -0.5]]), before=-1.5, same_model=False
    )
    assert change.model.tolist() == [0.5]
    assert change.corrected.tolist() == [[0.25, 0.0]]
    assert change.time.tolist() == [[0.0, -0.5]]
    assert change.event.tolist() == [[1.0, 0.0]]
    assert change.total.tolist() == [1.25]


def test_the_same_model_has_no_term_even_where_the_published_sum_is_rounded():
    change = split(views(), before=-0.75 + 1e-9)
    assert change.model.tolist() == [0.0]


def test_terms_that_miss_the_whole_are_refused():
    with pytest.raises(ModelContractError, match="row 0"):
        decompose(views(), np.array([-0.75]), np.array([-0.74]), same_model=True)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ModelContractError, match="gap of nan"):
        decompose(views(), np.array([-0.75]), np.array([np.nan]), same_model=True)


def test_points_are_measured_along_the_chord_and_at_the_slope_where_nothing_moved():
    p, log_odds = np.array([0.5, 0.5]), np.array([0.0, 0.0])
    after_p, after = np.array([0.75, 0.5]), np.array([np.log(3), 0.0])
    assert points_per_log_odds(p, after_p, log_odds, after) == pytest.approx([25 / np.log(3), 25.0])


matrices = arrays(np.float64, (4, 3), elements=st.floats(-4, 4))


@settings(max_examples=100, deadline=None)
@given(st.floats(-4, 4), arrays(np.float64, 4, elements=st.floats(-8, 8)), st.tuples(*[matrices] * 4))
def test_terms_sum_to_the_difference_in_log_odds_and_in_points(base, before, four):
    after = base + four[3].sum(axis=1)
    change = decompose(Views(base, *four), before, after, same_model=False)
    assert np.abs(change.total - (after - before)).max() <= 1e-6
    p_before, p_after = (1 / (1 + np.exp(-one)) for one in (before, after))
    each = points_per_log_odds(p_before, p_after, before, after)
    assert (each >= 0).all()
    assert np.abs(each * change.total - 100 * (p_after - p_before)).max() <= 1e-6
