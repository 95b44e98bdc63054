"""The sizes of common shocks, found again from errors that were made with known ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.backtest.rows import SCHEMA
from models.backtest.shocks import (
    Shift,
    amount_shift,
    count_shift,
    estimate_shocks,
    logit_shift,
    shocks_from_test,
    timing_shift,
)
from models.backtest.stored import read_shocks, write_shocks
from models.calibration import sigmoid
from models.forecast.shocks import Shocks

START = datetime(2024, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(5)


def test_the_shift_is_what_makes_expectation_meet_what_happened() -> None:
    z = np.full(100, np.log(0.25 / 0.75))
    shift = logit_shift(z, 40.0)
    assert shift is not None
    # from a quarter to two fifths
    assert shift.value == pytest.approx(np.log(0.4 / 0.6) - np.log(0.25 / 0.75), abs=1e-6)
    # n p (1 - p) wins vary, each log-odds of shift moves as many
    assert shift.variance == pytest.approx(1 / (100 * 0.25 * 0.75))


def test_too_few_expected_wins_say_nothing() -> None:
    assert logit_shift(np.full(10, -2.0), 3.0) is None
    assert amount_shift(np.array([1.0, np.nan]), np.array([1.0, 2.0])) is None
    assert count_shift(3.0, 2, past=100) is None


def test_an_amount_shift_is_the_log_of_the_sums_and_missing_pairs_do_not_count() -> None:
    expected = np.array([100.0, 100.0, 100.0, 100.0, 100.0, np.nan])
    shift = amount_shift(expected, np.array([50.0, 50.0, 50.0, 50.0, 50.0, 999.0]))
    assert shift is not None
    assert shift.value == pytest.approx(np.log(0.5))
    assert shift.variance == pytest.approx(0.0)


def test_a_count_shift_rests_on_both_counts() -> None:
    shift = count_shift(40.0, 50, past=200)
    assert shift == Shift(pytest.approx(np.log(1.25)), pytest.approx(1 / 40 + 1 / 200))  # type: ignore[arg-type]


def test_a_timing_shift_is_found_again() -> None:
    share = np.tile(np.array([0.15, 0.35, 0.55, 0.7]), (4000, 1))
    z = np.log(share / (1 - share)) + 0.6
    moved = sigmoid(z)
    month = (RNG.random(4000)[:, None] > moved / moved[:, -1:]).sum(axis=1)
    shift = timing_shift(share, month)
    assert shift is not None
    assert shift.value == pytest.approx(0.6, abs=4 * shift.variance**0.5)
    assert shift.variance**0.5 < 0.1


def looks(sd: float, n: int, origins: int) -> list[Shift]:
    """Shifts of origins whose deals truly moved together by `sd`."""
    found = []
    for truth in RNG.normal(0.0, sd, origins):
        z = RNG.normal(-1.0, 0.5, n)
        shift = logit_shift(z, float((RNG.random(n) < sigmoid(z + truth)).sum()))
        assert shift is not None
        found.append(shift)
    return found


def test_many_origins_find_the_size_of_the_shock_again() -> None:
    found = estimate_shocks({"logit_sd": looks(0.5, 2000, 200)}, windows=200, source="made")
    assert found.logit_sd == pytest.approx(0.5, rel=0.15)
    assert found.source == "made"


def test_chance_alone_is_not_taken_for_a_common_shock() -> None:
    found = estimate_shocks({"logit_sd": looks(0.0, 300, 200)}, windows=200, source="made")
    assert found.logit_sd < 0.08


def test_few_origins_lean_on_the_stated_default() -> None:
    quiet = [Shift(0.0, 0.001)]
    found = estimate_shocks({"logit_sd": quiet}, windows=1, source="made")
    assert 0.8 * Shocks().logit_sd < found.logit_sd < Shocks().logit_sd
    assert found.timing_sd == Shocks().timing_sd


def test_origins_that_overlap_count_as_the_windows_they_span() -> None:
    shifts = [Shift(0.0, 0.001)] * 12
    together = estimate_shocks({"logit_sd": shifts}, windows=2, source="made").logit_sd
    apart = estimate_shocks({"logit_sd": shifts}, windows=12, source="made").logit_sd
    assert apart < together < Shocks().logit_sd


def cells(off: float, months: int) -> pa.Table:
    """Totals whose every interval reaches from 90 to 110 around 100, and whose actual lies `off` away."""
    rows = [
        {
            "origin": START, "part": "bookings", "level": "total", "key": "total", "period_kind": "month",
            "period": str(month), "month": START + timedelta(days=31 * month), "months_ahead": 1,
            "model": "dealcast", "mean": 100.0, "p10": 90.0, "p50": 100.0, "p90": 110.0,
            "actual": 100.0 + (off if month % 2 else -off),
        }
        for month in range(months)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, SCHEMA)


def test_intervals_widen_as_far_as_totals_would_have_needed_and_no_further_on_little_evidence() -> None:
    many = estimate_shocks({}, cells(15.0, 240), windows=1, source="made").width["bookings"]
    few = estimate_shocks({}, cells(15.0, 6), windows=1, source="made").width["bookings"]
    assert many == pytest.approx(1.5, rel=0.03)
    assert 1.0 < few < many


def test_intervals_that_were_wide_enough_stay() -> None:
    assert estimate_shocks({}, cells(10.0, 50), windows=1, source="made").width["bookings"] == pytest.approx(
        1.0
    )


def test_test_predictions_alone_tell_a_shock_that_moves_all_deals() -> None:
    def predictions(sd: float) -> pa.Table:
        columns: dict[str, list[object]] = {"as_of": [], "y": [], "weight": [], "p_win": []}
        for month, truth in enumerate(np.random.default_rng(3).normal(0.0, sd, 24)):
            z = RNG.normal(-1.0, 0.5, 800)
            columns["as_of"] += [START + timedelta(days=31 * month)] * 800
            columns["y"] += (RNG.random(800) < sigmoid(z + truth)).astype(int).tolist()
            columns["weight"] += [1.0] * 800
            columns["p_win"] += sigmoid(z).tolist()
        return pa.table({**columns, "as_of": pa.array(columns["as_of"], pa.timestamp("us", "UTC"))})

    calm, moved = shocks_from_test(predictions(0.0)), shocks_from_test(predictions(0.8))
    assert calm.logit_sd < Shocks().logit_sd < moved.logit_sd
    assert calm.timing_sd == Shocks().timing_sd


def test_shocks_come_back_from_the_workspace_as_they_were_kept(tmp_path: Path) -> None:
    assert read_shocks(tmp_path, START) is None
    kept = Shocks(logit_sd=0.12, width={"bookings": 1.3}, source="a backtest")
    write_shocks(tmp_path, kept, START)
    assert read_shocks(tmp_path, START) == kept


def test_shocks_measured_later_are_not_known_to_a_run_as_of_an_earlier_instant(tmp_path: Path) -> None:
    path = write_shocks(tmp_path, Shocks(logit_sd=0.12), START)
    assert read_shocks(tmp_path, START - timedelta(seconds=1)) is None
    assert read_shocks(tmp_path, START + timedelta(days=1)) == Shocks(logit_sd=0.12)
    path.write_text('{"logit_sd": 0.12}')
    assert read_shocks(tmp_path, START) is None
