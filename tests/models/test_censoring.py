from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from models.arrays import known_outcomes
from models.censoring import censoring_weights, window_weights
from models.split import Window


def test_a_close_after_t_stands_for_all_that_could_be_followed_longer_than_t():
    follow_up = np.array([10, 20, 30, 40])
    known = np.array([True, True, True, False])
    weights = censoring_weights(np.array([5, 15, 25, 0]), follow_up, known)
    # longer than 5: 4 of 4; longer than 15: 3 of 4; longer than 25: 2 of 4; the last is still open
    assert weights == pytest.approx([1, 4 / 3, 2, 0])


def test_no_row_stands_for_more_than_the_maximum():
    follow_up = np.arange(1, 101)
    known = np.ones(100, dtype=bool)
    weights = censoring_weights(follow_up - 1, follow_up, known, max_weight=20)
    assert weights.max() == 20
    assert weights[-1] == 20


def rows(deals: list[str], at: list[int], closed: list[int | None], end: int) -> tuple[pa.Table, Window]:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    instant = pa.timestamp("us", "UTC")
    labels = pa.table(
        {
            "opportunity_id": pa.array(deals),
            "as_of": pa.array([start + timedelta(days=d) for d in at], instant),
            "y": pa.array([None if c is None else 1 for c in closed], pa.int8()),
            "closed_at": pa.array(
                [None if c is None else start + timedelta(days=c) for c in closed], instant
            ),
        }
    )
    known = np.array([c is not None and c < end for c in closed])
    inside = np.array([d < end for d in at])
    return labels, Window(start, start + timedelta(days=end), inside, known & inside)


def test_weights_are_one_on_average_over_the_known_rows_and_nothing_elsewhere():
    labels, window = rows(["a", "b", "c", "d"], [0, 2, 4, 12], [5, 9, None, 13], 10)
    weights = window_weights(labels, window)
    assert weights[window.known].mean() == pytest.approx(1)
    assert weights.tolist()[2:] == [0, 0]


def test_deal_power_one_gives_each_deal_the_same_in_total():
    labels, window = rows(["a", "a", "a", "b"], [0, 0, 0, 0], [1, 1, 1, 1], 10)
    by_deal = window_weights(labels, window, deal_power=1)
    assert by_deal[:3].sum() == pytest.approx(by_deal[3])
    assert window_weights(labels, window).tolist() == [1, 1, 1, 1]


def test_a_window_without_closed_deals_has_no_weights():
    labels, window = rows(["a"], [0], [None], 10)
    assert window_weights(labels, window).tolist() == [0]


def slow_losers(seed: int, n: int = 20_000) -> tuple[pa.Table, Window, np.ndarray, float]:
    """Deals opened evenly over 200 days; 30 % are won, after 20 days on average; losses take 80."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, 200, n)
    won = rng.random(n) < 0.3
    wait = np.minimum(rng.exponential(np.where(won, 20, 80)), 190)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    micros = (at * 86_400e6).astype(np.int64)
    closed = ((at + wait) * 86_400e6).astype(np.int64)
    known = closed < 200 * 86_400_000_000
    origin = int(start.timestamp() * 1e6)
    instant = pa.timestamp("us", "UTC")
    labels = pa.table(
        {
            "opportunity_id": pa.array([str(i) for i in range(n)]),
            "as_of": pa.array(origin + micros).cast(instant),
            "y": pa.array(won.astype(np.int8), mask=~known),
            "closed_at": pa.array(origin + closed, mask=~known).cast(instant),
        }
    )
    return labels, Window(start, start + timedelta(days=200), np.ones(n, dtype=bool), known), won, 0.3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_losers_are_slower_the_weights_bring_the_win_rate_closer_to_the_truth(seed):
    labels, window, _, truth = slow_losers(seed)
    y = known_outcomes(labels)[window.known]
    weighted = np.average(y, weights=window_weights(labels, window)[window.known])
    closed_only = y.mean()
    assert closed_only > truth + 0.05
    assert abs(weighted - truth) < 0.015


def reverse_kaplan_meier(wait: np.ndarray, follow_up: np.ndarray, at: np.ndarray) -> np.ndarray:
    """G just before each time, from min(wait, follow_up) alone, censoring counted as the event."""
    seen = np.minimum(wait, follow_up)
    censored = follow_up <= wait
    times = np.sort(np.unique(seen[censored]))
    at_risk = seen.size - np.searchsorted(np.sort(seen), times, side="left")
    events = np.bincount(np.searchsorted(times, seen[censored]), minlength=times.size)
    curve = np.cumprod(1 - events / at_risk)
    return np.concatenate([[1.0], curve])[np.searchsorted(times, at, side="right")]


def test_the_direct_count_agrees_with_the_reverse_kaplan_meier_estimate():
    rng = np.random.default_rng(5)
    follow_up = rng.integers(1, 2000, 20_000)
    wait = rng.integers(0, 900, 20_000)
    known = wait < follow_up
    weights = censoring_weights(wait, follow_up, known)
    other = 1 / reverse_kaplan_meier(wait.astype(float), follow_up.astype(float), wait[known].astype(float))
    assert weights[known] == pytest.approx(other, rel=0.03)
