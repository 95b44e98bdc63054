"""From snapshots followed for a while to hazards, and from hazards to the share of wins by a day."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ModelContractError
from models.timing.at_risk import LADDER, Followed, bin_edges
from models.timing.hazards import Hazards, checked_days
from models.timing.learn import plain_timing
from models.timing.stage_age import StageAge

AT = datetime(2025, 3, 1, tzinfo=UTC)
EDGES = np.array([0.0, 7.0, 14.0, 28.0])


def labels(*rows, as_of=AT):
    """(days until the close or None, won or None) each."""
    instant = pa.timestamp("us", "UTC")
    closes = [None if after is None else as_of + timedelta(days=after) for after, _ in rows]
    return pa.table({
        "opportunity_id": [f"d{i}" for i in range(len(rows))],
        "as_of": pa.array([as_of] * len(rows), instant),
        "y": pa.array([None if won is None else int(won) for _, won in rows], pa.int8()),
        "closed_at": pa.array(closes, instant),
    })  # fmt: skip


def frame_of(table, stage="early", age=5.0):
    n = table.num_rows
    return table.select(["opportunity_id", "as_of"]).append_column(
        "stage", pa.array([stage] * n, pa.string())
    ).append_column("deal_age_days", pa.array([age] * n, pa.float64()))  # fmt: skip


def pairs(table, days, edges=EDGES):
    found = Followed.of(table, AT + timedelta(days=days)).at_risk(edges)
    return list(
        zip(found.row.tolist(), found.bin.tolist(), found.closed.tolist(), found.won.tolist(), strict=True)
    )


def test_a_deal_is_at_risk_in_each_bin_up_to_its_close():
    assert pairs(labels((9, True)), 28) == [(0, 0, False, False), (0, 1, True, True)]


def test_an_open_deal_is_at_risk_in_the_bins_that_it_was_followed_through():
    assert pairs(labels((None, None)), 20) == [(0, 0, False, False), (0, 1, False, False)]


def test_a_bin_that_could_not_be_followed_to_its_end_counts_for_nobody_not_even_for_who_closed_in_it():
    assert pairs(labels((16, False)), 20) == [(0, 0, False, False), (0, 1, False, False)]


def test_a_close_at_the_windows_end_or_later_is_not_known():
    assert pairs(labels((14, True)), 14) == [(0, 0, False, False), (0, 1, False, False)]


def test_a_deal_closed_at_the_very_snapshot_closes_in_the_first_bin():
    assert pairs(labels((0, False)), 7) == [(0, 0, True, False)]


def test_bins_are_as_fine_as_the_closes_bear():
    slow = labels(*[(6.5, True)] * 30, *[(40, False)] * 30, *[(None, None)] * 40)
    assert bin_edges(Followed.of(slow, AT + timedelta(days=60))).tolist() == [0, 7, 42]
    assert bin_edges(Followed.of(slow, AT + timedelta(days=30))).tolist() == [0, 7]


def test_with_hardly_a_close_there_is_one_bin():
    assert bin_edges(Followed.of(labels((3, True)), AT + timedelta(days=400))).tolist() == [0, 91]
    assert bin_edges(Followed.of(labels((3, True)), AT + timedelta(days=30))).tolist() == [0, 30]
    assert bin_edges(Followed.of(labels(), AT)).tolist() == [0, 1]


def test_the_share_of_wins_is_what_aalen_and_johansen_count_by_hand():
    # in each bin half of what is open closes; all of it won in the first bin, half of it in the second
    held = Hazards(np.array([0.0, 10.0, 20.0]), np.array([[0.5, 0.5]]), np.array([[1.0, 0.5]]))
    by, limit = held.p_won_by(np.array([0.0, 5.0, 10.0, 15.0, 20.0, 30.0]))
    # beyond the last bin: half of the quarter left closes in ten more days, and half of that is won
    assert by[0].tolist() == pytest.approx([0, 0.25, 0.5, 0.5625, 0.625, 0.6875])
    assert limit.tolist() == pytest.approx([0.75])
    share = held.share_won_by(np.array([20.0, 0.0, np.inf, 10.0]))
    assert share[0].tolist() == pytest.approx([0.625 / 0.75, 0, 1, 0.5 / 0.75])


@given(
    hazards=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=3),
    days=st.lists(st.floats(0, allow_infinity=True, allow_nan=False), min_size=1, max_size=12),
)
def test_whatever_the_hazards_the_share_begins_at_zero_never_falls_and_ends_at_one(hazards, days):
    closing, won = (np.array([column]) for column in zip(*hazards, strict=True))
    held = Hazards(EDGES, closing, won)
    share = held.share_won_by(np.sort(np.array([0.0, *days, np.inf])))[0]
    assert share[0] == 0
    assert (np.diff(share) >= 0).all()
    assert share[-1] == 1


@pytest.mark.parametrize("days", [[-1.0], [7.0, float("nan")]])
def test_days_that_lie_behind_are_refused(days):
    with pytest.raises(ModelContractError, match="at least 0"):
        checked_days(np.array(days))


def test_the_plain_curves_count_by_stage_and_age_and_pull_small_groups_to_the_whole():
    table = labels(*[(3, True)] * 200, *[(None, None)] * 200, (3, True))
    few = frame_of(table)
    stage = pa.array(["late"] * 200 + ["early"] * 200 + ["rare"], pa.string())
    few = few.set_column(few.column_names.index("stage"), "stage", stage)
    edges = np.array([0.0, 7.0])
    curves = StageAge.fit(few, Followed.of(table, AT + timedelta(days=30)).at_risk(edges), edges)
    asked = few.take([0, 200, 400]).append_column("other", pa.array([1, 2, 3]))
    late, early, rare = curves.hazards(asked, edges).closing[:, 0]
    # all: (201 + 1 - exp(-7/90)) / 402; a stage: its closes and 50 of all; its age band once more
    every = (201 + 1 - np.exp(-7 / 90)) / 402
    by_stage = (200 + 50 * every) / 250
    assert late == pytest.approx((200 + 50 * by_stage) / 250)
    assert early == pytest.approx(50 * (50 * every / 250) / 250)
    assert rare == pytest.approx((1 + 50 * (1 + 50 * every) / 51) / 51)
    unseen = asked.set_column(2, "stage", pa.array(["new", None, "new"], pa.string()))
    assert curves.hazards(unseen, edges).closing[:, 0] == pytest.approx([every] * 3)


def test_from_no_deals_at_all_there_is_still_a_curve():
    timing = plain_timing(frame_of(labels()), labels(), AT)
    asked = frame_of(labels((None, None)))
    share = timing.share_closed(asked, np.array([0.0, 90.0, np.inf]))[0]
    assert share.tolist() == pytest.approx([0, 1 - np.exp(-1), 1], abs=0.01)
    assert timing.share_closed(asked.slice(0, 0), np.array([7.0])).shape == (0, 1)


def exponential(n, mean_days, followed_days, seed=3):
    """Deals that all are won, after a time without memory, each followed for some of the days."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0, followed_days, n)
    after = rng.exponential(mean_days, n)
    end = AT + timedelta(days=followed_days)
    at = [AT + timedelta(days=start) for start in starts]
    closes = [t + timedelta(days=d) for t, d in zip(at, after, strict=True)]
    instant = pa.timestamp("us", "UTC")
    table = pa.table({
        "opportunity_id": [f"d{i}" for i in range(n)],
        "as_of": pa.array(at, instant),
        "y": pa.array([1 if close < end else None for close in closes], pa.int8()),
        "closed_at": pa.array([close if close < end else None for close in closes], instant),
    })  # fmt: skip
    return table, end


def test_open_deals_are_censored_and_to_drop_them_would_make_deals_look_quick():
    table, end = exponential(4000, mean_days=60, followed_days=120)
    days = np.array([14.0, 28.0, 56.0])
    truth = 1 - np.exp(-days / 60)
    found = plain_timing(frame_of(table), table, end).share_closed(frame_of(table.slice(0, 1)), days)[0]
    assert found == pytest.approx(truth, abs=0.03)
    closed = table.filter(pa.array(np.isfinite(Followed.of(table, end).after)))
    quick = plain_timing(frame_of(closed), closed, end).share_closed(frame_of(table.slice(0, 1)), days)[0]
    assert (quick - truth > 0.08).all()


def test_the_ladder_rises():
    assert list(LADDER) == sorted(set(LADDER))
