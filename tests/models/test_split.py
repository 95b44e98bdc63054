from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from models.split import Window, inner_split, time_split

START = datetime(2025, 1, 1, tzinfo=UTC)
AS_OF = datetime(2025, 4, 11, tzinfo=UTC)  # day 100


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def label_rows(rows: list[tuple[str, float, int | None, float | None]]) -> pa.Table:
    instant = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "opportunity_id": pa.array([r[0] for r in rows], pa.string()),
            "as_of": pa.array([day(r[1]) for r in rows], instant),
            "y": pa.array([r[2] for r in rows], pa.int8()),
            "closed_at": pa.array([None if r[3] is None else day(r[3]) for r in rows], instant),
        }
    )


def steady(deals: int = 100, lasts: float = 3.5) -> pa.Table:
    """One deal opens each day and closes `lasts` days later, won and lost by turns; daily snapshots."""
    rows: list[tuple[str, float, int | None, float | None]] = []
    for n in range(deals):
        closes = n + lasts
        known = closes < 100
        for at in range(n + 1, min(100, int(closes) + 1)):
            rows.append((f"d{n:03d}", at, n % 2 if known else None, closes if known else None))
    return label_rows(rows)


def deals_of(labels: pa.Table, mask: np.ndarray) -> set[str]:
    return set(labels.filter(pa.array(mask))["opportunity_id"].to_pylist())


def test_the_windows_follow_each_other_and_hold_about_65_15_and_20_percent_of_the_closed_deals():
    labels = steady()
    split = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    assert split.thin is None
    assert split.train.end == split.calibration.start
    assert split.calibration.end + timedelta(days=1) == split.test.start
    assert split.test.end == AS_OF
    shares = [len(deals_of(labels, w.known)) / 96 for w in (split.train, split.calibration, split.test)]
    assert shares == pytest.approx([0.65, 0.13, 0.16], abs=0.04)


def test_each_label_used_was_known_before_its_windows_end():
    labels = steady()
    split = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    for window in (split.train, split.calibration, split.test):
        used = labels.filter(pa.array(window.known))
        assert max(used["closed_at"].to_pylist()) < window.end
        assert window.start <= min(used["as_of"].to_pylist())
        assert max(used["as_of"].to_pylist()) < window.end


def test_no_deal_has_labelled_rows_in_two_windows():
    labels = steady(lasts=20.5)
    split = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    sides = [deals_of(labels, w.known) for w in (split.train, split.calibration, split.test)]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_rows_still_open_at_their_windows_end_are_inside_but_not_known():
    labels = steady(lasts=20.5)
    split = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    censored = labels.filter(pa.array(split.train.inside & ~split.train.known))
    assert censored.num_rows > 0
    for closed_at in censored["closed_at"].to_pylist():
        assert closed_at is None or closed_at >= split.train.end


def test_the_embargo_keeps_the_first_test_snapshots_away_from_the_last_labels():
    labels = steady()
    split = time_split(labels, as_of=AS_OF, step_days=1, embargo_days=6, min_deals=3)
    first = min(labels.filter(pa.array(split.test.inside))["as_of"].to_pylist())
    assert first == split.calibration.end + timedelta(days=6)


def test_the_cuts_lie_on_the_calendar_that_steps_back_from_as_of():
    split = time_split(steady(), as_of=AS_OF, step_days=7, min_deals=3)
    for cut in (split.train.end, split.calibration.end):
        assert (AS_OF - cut) % timedelta(days=7) == timedelta(0)


def test_windows_widen_backwards_until_they_hold_enough_won_and_lost_deals():
    labels = steady()
    usual = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    wider = time_split(labels, as_of=AS_OF, step_days=1, min_deals=12)
    assert wider.thin is None
    assert wider.test.start < usual.test.start
    assert min(len(deals_of(labels, w.known)) for w in (wider.calibration, wider.test)) >= 24


def test_too_few_deals_are_said_with_the_window_and_the_counts():
    split = time_split(steady(deals=12), as_of=AS_OF, step_days=1, min_deals=10)
    assert split.thin is not None
    assert "10 of each" in split.thin


@pytest.mark.parametrize("labels", [steady(deals=0), steady(deals=1)], ids=["none", "one"])
def test_no_deals_or_one_deal_is_a_thin_split_not_a_failure(labels):
    split = time_split(labels, as_of=AS_OF, step_days=7)
    assert split.thin is not None
    assert not (split.train.known & split.test.known).any()
    assert inner_split(labels, split) is None


def test_rows_at_the_cut_off_or_later_are_in_no_window_and_move_no_cut():
    labels = steady()
    later = label_rows([(f"x{n}", 100 + n, 1, 101 + n) for n in range(50)])
    before = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    after = time_split(pa.concat_tables([labels, later]), as_of=AS_OF, step_days=1, min_deals=3)
    for a, b in zip(
        (before.train, before.calibration, before.test),
        (after.train, after.calibration, after.test),
        strict=True,
    ):
        assert (a.start, a.end) == (b.start, b.end)
        assert not b.inside[labels.num_rows :].any()
        assert (a.known == b.known[: labels.num_rows]).all()


def test_validation_within_train_is_later_than_its_fit_and_ends_before_calibration():
    labels = steady()
    split = time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
    inner = inner_split(labels, split, min_deals=3)
    assert inner is not None
    fit, validation = inner
    assert isinstance(fit, Window)
    assert fit.end == validation.start
    assert validation.end == split.train.end
    assert not deals_of(labels, fit.known) & deals_of(labels, validation.known)
    assert not (validation.known & ~split.train.known).any()
    assert max(labels.filter(pa.array(fit.known))["closed_at"].to_pylist()) < fit.end


def test_rows_of_one_deal_that_disagree_on_its_close_are_refused():
    labels = pa.concat_tables([steady(), label_rows([("d000", 97, 1, 99.5)])])
    with pytest.raises(ModelContractError, match="closed_at"):
        time_split(labels, as_of=AS_OF, step_days=1, min_deals=3)
