"""Scores of forecast amounts, against values worked out by hand."""

import numpy as np
import pytest

from data.errors import ModelContractError
from models.backtest.metrics import bias, coverage, evened_coverage, pinball, score_cells, wape

ACTUAL = np.array([100.0, 0.0, 300.0])
MEAN = np.array([150.0, 20.0, 250.0])


def test_the_error_is_summed_before_it_is_divided_so_that_empty_months_count() -> None:
    assert wape(ACTUAL, MEAN) == pytest.approx(120 / 400)


def test_errors_that_cancel_leave_no_bias() -> None:
    assert bias(ACTUAL, MEAN) == pytest.approx(20 / 400)


def test_nothing_that_happened_gives_no_share_instead_of_an_endless_one() -> None:
    nothing = np.zeros(2)
    assert wape(nothing, np.ones(2)) is None
    assert bias(nothing, np.ones(2)) is None


def test_an_actual_on_the_end_of_its_interval_is_covered() -> None:
    assert coverage(np.array([1.0, 2.0, 3.1, 0.9]), np.ones(4), np.full(4, 3.0)) == 0.5


def test_zeros_are_covered_as_far_as_their_chance_lies_inside_so_that_eighty_percent_can_be_met() -> None:
    rng = np.random.default_rng(1)
    # nothing in 6 of 10 cells, else anything up to 1: P10 is 0, P90 is 0.75
    actual = np.where(rng.random(40_000) < 0.6, 0.0, rng.random(40_000))
    low, high, p_none = np.zeros(40_000), np.full(40_000, 0.75), np.full(40_000, 0.6)
    assert coverage(actual, low, high) == pytest.approx(0.9, abs=0.01)
    assert evened_coverage(actual, low, high, p_none).mean() == pytest.approx(0.8, abs=0.01)


def test_where_nothing_is_unlikely_evened_coverage_is_the_plain_one() -> None:
    actual, low, high = np.array([0.0, 2.0, 9.0]), np.ones(3), np.full(3, 3.0)
    assert evened_coverage(actual, low, high, np.full(3, 0.05)).tolist() == [0.0, 1.0, 0.0]


def test_a_low_quantile_is_punished_more_for_being_too_high() -> None:
    assert pinball(np.array([10.0, 10.0]), np.array([8.0, 12.0]), 0.1).tolist() == pytest.approx([0.2, 1.8])


def test_a_missing_actual_is_refused_instead_of_poisoning_the_scores() -> None:
    with pytest.raises(ModelContractError, match="1 missing"):
        wape(np.array([np.nan, 1.0]), np.ones(2))


def test_cells_are_scored_with_their_intervals() -> None:
    quantiles = {"p10": MEAN - 60, "p50": MEAN, "p90": MEAN + 10}
    found = score_cells(ACTUAL, MEAN, quantiles, None, np.array([1, 2, 3]))
    # the second (0 in -40..30) and the first (100 in 90..160) are covered, the third (300 above 260) is not
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["cells"] == 3
    # p10: under by 10, 40 and 110; p50: off by 50, 20 and 50; p90: over by 60 and 30, under by 40
    p10, p50, p90 = 0.1 * (10 + 40 + 110), 0.5 * 120, 0.1 * (60 + 30) + 0.9 * 40
    assert found["pinball"] == pytest.approx((p10 + p50 + p90) / 3 / 400)


def test_a_point_forecast_states_its_point_at_every_quantile_and_no_coverage() -> None:
    found = score_cells(ACTUAL, MEAN, None, None, np.array([1, 2, 3]))
    assert found["coverage"] is None
    # 50 too high, 20 too high, 50 too low; at each quantile q: (1 - q) of the highs, q of the lows
    by_quantile = [(1 - q) * 70 + q * 50 for q in (0.1, 0.5, 0.9)]
    assert found["pinball"] == pytest.approx(sum(by_quantile) / 3 / 400)


def test_cells_of_one_month_are_drawn_together_so_that_one_month_has_no_interval() -> None:
    assert score_cells(ACTUAL, MEAN, None, None, np.zeros(3, dtype=np.int64))["wape_interval"] is None
    low, high = score_cells(ACTUAL, MEAN, None, None, np.array([1, 2, 3]))["wape_interval"]  # type: ignore[misc]
    assert low <= 0.3 <= high
