import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ModelContractError
from models.calibration import IDENTITY, SLOPE_AT_LEAST, fit_calibration, sigmoid
from models.track_record import Bin, evidence_note, track_record, wilson_interval


def outcomes(slope, intercept, n, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n) * 1.5
    return z, (rng.random(n) < sigmoid(slope * z + intercept)).astype(float)


def test_the_line_that_made_the_outcomes_is_found():
    z, y = outcomes(0.6, -0.4, 20_000, 1)
    line = fit_calibration(z, y, np.ones(z.size), n_deals=20_000)
    assert (line.slope, line.intercept) == pytest.approx((0.6, -0.4), abs=0.05)
    assert line.note == ""


def test_weights_count_as_repeated_rows():
    z, y = outcomes(0.8, 0.2, 300, 2)
    weight = np.arange(300) % 3 + 1.0
    n = int(weight.sum())
    weighted = fit_calibration(z, y, weight, n_deals=n)
    repeats = weight.astype(int)
    repeated = fit_calibration(np.repeat(z, repeats), np.repeat(y, repeats), np.ones(n), n_deals=n)
    assert (weighted.slope, weighted.intercept) == pytest.approx(
        (repeated.slope, repeated.intercept), abs=1e-8
    )


def test_a_few_deals_move_the_line_little():
    z, y = np.array([2.0, 1.0, -1.0]), np.array([0.0, 0.0, 0.0])
    line = fit_calibration(z, y, np.ones(3), n_deals=3)
    assert 0.5 < line.slope < 1.2
    assert -1.5 < line.intercept < 0


def test_rows_of_the_same_deals_count_as_those_deals_and_not_as_more():
    z, y = outcomes(0.5, 0.0, 40, 3)
    once = fit_calibration(z, y, np.ones(40), n_deals=40)
    nine_times = fit_calibration(np.repeat(z, 9), np.repeat(y, 9), np.ones(360), n_deals=40)
    assert (once.slope, once.intercept) == pytest.approx((nine_times.slope, nine_times.intercept), abs=1e-8)


def test_a_ranking_that_does_not_hold_is_shrunk_never_turned_round_and_it_is_said():
    z, y = outcomes(-1.0, -1.0, 5_000, 4)
    line = fit_calibration(z, y, np.ones(z.size), n_deals=5_000)
    assert line.slope == SLOPE_AT_LEAST
    assert "shrunk" in line.note
    assert sigmoid(line.apply(z)).mean() == pytest.approx(y.mean(), abs=0.01)


@given(
    st.lists(st.tuples(st.floats(-30, 30), st.booleans(), st.floats(0.1, 20)), min_size=1, max_size=40),
    st.integers(1, 40),
)
def test_any_rows_give_a_finite_rising_line(rows, n_deals):
    z, y, weight = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    line = fit_calibration(z, y, weight, n_deals=n_deals)
    assert np.isfinite([line.slope, line.intercept]).all()
    assert line.slope >= SLOPE_AT_LEAST


def test_no_rows_leave_the_scores_as_they_are_and_it_is_said():
    nothing = np.array([])
    assert fit_calibration(nothing, nothing, nothing, n_deals=0) == IDENTITY
    assert IDENTITY.apply(np.array([0.3])).tolist() == [0.3]
    assert "Not calibrated" in IDENTITY.note


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ModelContractError, match="finite"):
        fit_calibration(np.array([np.nan]), np.array([1.0]), np.array([1.0]), n_deals=1)


def test_a_deal_counts_once_in_each_bin_it_was_scored_in():
    record = track_record([1, 1, 1, 2, 3], [True, True, True, False, True], [0.31, 0.35, 0.62, 0.39, 1.0])
    assert record[3] == Bin(0.3, 0.4, 2, 1)
    assert record[6] == Bin(0.6, 0.7, 1, 1)
    assert record[9] == Bin(0.9, 1.0, 1, 1)
    assert sum(held.deals for held in record) == 4


def test_the_note_tells_deals_share_and_interval_or_that_there_are_too_few():
    record = track_record(range(20), [n < 5 for n in range(20)], [0.25] * 20)
    assert evidence_note(0.21, record) == "Of 20 past deals scored 20–30 %, 25 % were won (11–47 %)."
    assert (
        evidence_note(0.95, record)
        == "Only 0 past deals were scored 90–100 %: too few to say how such deals end."
    )


def test_the_interval_stays_within_zero_and_one():
    assert 0 <= wilson_interval(0, 12)[0] < 1e-12
    assert 1 - 1e-12 < wilson_interval(12, 12)[1] <= 1
