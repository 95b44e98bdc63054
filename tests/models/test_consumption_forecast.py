"""The forecast of a panel: baselines, cohort curves, the blend, its intervals, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from data.errors import ModelContractError
from models.consumption.baselines import last_value, seasonal_naive, statistical
from models.consumption.blend import blended, fit_weights
from models.consumption.boosted import boosted
from models.consumption.cohort import cohort_forecast, ramp_curve
from models.consumption.conformal import ScaledErrors, quantile_with_room
from models.consumption.forecast import PanelForecast, forecast_panel
from models.consumption.history import group_of, history_of
from models.consumption.metrics import coverage, mase, wape
from models.consumption.origins import Past

MONTHS = pd.date_range("2022-01-01", periods=60, freq="MS")


def frame_of(y: np.ndarray, first: np.ndarray | None = None) -> pd.DataFrame:
    """y (n, T) as a long frame; first: each series' first period."""
    begin = np.zeros(len(y), dtype=int) if first is None else first
    row, column = np.nonzero(np.arange(y.shape[1]) >= begin[:, None])
    ids = [f"s{i:04d}" for i in row]
    return pd.DataFrame({"unique_id": ids, "ds": MONTHS[column], "y": y[row, column]})


def seasonal_world(n: int = 150, periods: int = 42, seed: int = 1) -> np.ndarray:
    """Series of all sizes with one yearly swing and noise of a tenth."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(5, 1, n)[:, None]
    t = np.arange(periods)
    swing = 1 + 0.4 * np.sin(2 * np.pi * t / 12)
    return np.asarray(level * swing * np.exp(rng.normal(0, 0.1, (n, periods))))


@pytest.fixture(scope="module")
def world() -> np.ndarray:
    return seasonal_world()


@pytest.fixture(scope="module")
def made(world: np.ndarray) -> PanelForecast:
    return forecast_panel(frame_of(world[:, :36]), horizon=6, period="monthly", seed=3)


def test_the_seasonal_naive_forecast_repeats_last_year_and_falls_back_on_the_last_value() -> None:
    rates = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [np.nan, np.nan, np.nan, 8.0, 9.0]])
    assert seasonal_naive(rates[:1], 5, 4).tolist() == [[2.0, 3.0, 4.0, 5.0, 2.0]]
    assert seasonal_naive(rates[1:], 2, 4).tolist() == [[9.0, 9.0]]
    assert last_value(rates, 2).tolist() == [[5.0, 5.0], [9.0, 9.0]]


def test_the_blend_beats_seasonal_naive_and_last_value_where_there_is_a_season(
    world: np.ndarray, made: PanelForecast
) -> None:
    came = world[:, 36:42]
    blend = wape(made.mean, came)
    assert blend < 0.9 * wape(made.base["seasonal_naive"], came)
    assert blend < 0.5 * wape(made.base["last_value"], came)


def test_the_same_seed_gives_the_same_bytes_and_row_order_changes_nothing(
    world: np.ndarray, made: PanelForecast
) -> None:
    frame = frame_of(world[:, :36]).sample(frac=1.0, random_state=5)
    again = forecast_panel(frame, horizon=6, period="monthly", seed=3)
    assert again.mean.tobytes() == made.mean.tobytes()
    assert again.high[0.95].tobytes() == made.high[0.95].tobytes()


def test_intervals_hold_what_they_say_and_the_wider_lies_around_the_narrower(
    world: np.ndarray, made: PanelForecast
) -> None:
    came = world[:, 36:42]
    assert 0.70 <= coverage(made.low[0.80], made.high[0.80], came) <= 0.90
    assert 0.88 <= coverage(made.low[0.95], made.high[0.95], came) <= 0.99
    assert (made.low[0.95] <= made.low[0.80]).all()
    assert (made.low[0.80] <= made.mean).all()
    assert (made.mean <= made.high[0.80]).all()
    assert (made.high[0.80] <= made.high[0.95]).all()
    assert (made.low[0.95] >= 0).all()


def test_the_frame_has_a_row_per_series_and_period(made: PanelForecast) -> None:
    frame = made.frame()
    assert list(frame.columns) == ["unique_id", "ds", "mean", "low80", "high80", "low95", "high95"]
    assert len(frame) == 150 * 6
    assert frame["ds"].iloc[0] == pd.Timestamp("2025-01-01")


def test_series_with_many_zeros_are_told_apart_and_never_forecast_below_zero() -> None:
    rng = np.random.default_rng(2)
    y = np.where(rng.random((120, 30)) < 0.6, 0.0, rng.gamma(2.0, 50.0, (120, 30)))
    y[:, 5] = -20.0
    history = history_of(frame_of(y), horizon=4, period="monthly")
    assert (group_of(history.rates(), "monthly") == 1).mean() > 0.9
    made = forecast_panel(frame_of(y), horizon=4, period="monthly", seed=1)
    assert (made.mean >= 0).all()
    assert (made.low[0.95] >= 0).all()
    expected = 0.4 * 100.0
    assert made.mean.mean() == pytest.approx(expected, rel=0.25)


def test_a_series_that_fell_asleep_fades() -> None:
    y = np.tile(np.r_[np.full(20, 100.0), np.zeros(10)], (3, 1))
    groups = np.ones(3, dtype=np.int64)
    assert (statistical(y, 3, 12, groups) < 25).all()


def test_the_cohort_curve_lets_a_new_account_grow_as_others_did() -> None:
    """Older accounts used 1, 2, 3 and then 4 of their level; a new one has used 10 in its first month."""
    ramp = np.r_[1.0, 2.0, 3.0, np.full(20, 4.0)]
    rates = np.full((201, 20), np.nan)
    for i in range(200):
        start = 1 + i % 8
        rates[i, start:] = (5 + i % 7) * ramp[: 20 - start]
    rates[200, 19] = 10.0
    assert ramp_curve(rates, 5).tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0, 4.0], rel=0.1)
    assert cohort_forecast(rates, 4)[200].tolist() == pytest.approx([20.0, 30.0, 40.0, 40.0], rel=0.1)


def test_a_new_account_is_forecast_above_its_last_value_where_accounts_grow_at_first() -> None:
    rng = np.random.default_rng(4)
    ramp = 1 - np.exp(-(np.arange(36) + 1) / 4.0)
    y = np.zeros((200, 36))
    first = np.r_[np.arange(160) % 28, np.full(40, 34)]
    for i, start in enumerate(first):
        y[i, start:] = 200 * ramp[: 36 - start] * np.exp(rng.normal(0, 0.1, 36 - start))
    made = forecast_panel(frame_of(y, first), horizon=6, period="monthly", seed=1)
    new = made.mean[160:]
    assert (made.group[160:] == 2).all()
    assert new[:, 5].mean() == pytest.approx(200 * ramp[7], rel=0.2)
    assert new[:, 5].mean() > 1.5 * y[160:, 35].mean()


def test_exposure_known_ahead_scales_the_forecast_and_ends_it() -> None:
    y = np.tile(np.full(24, 100.0), (80, 1)) * np.exp(np.random.default_rng(1).normal(0, 0.02, (80, 24)))
    exposure = np.ones((80, 28))
    exposure[0, 25:] = 0.0
    exposure[1, 24:] = 0.5
    row, column = np.indices(exposure.shape)
    known = pd.DataFrame({
        "unique_id": [f"s{i:04d}" for i in row.ravel()], "ds": MONTHS[column.ravel()],
        "exposure": exposure.ravel(),
    })  # fmt: skip
    made = forecast_panel(frame_of(y), horizon=4, period="monthly", seed=1, known_ahead=known)
    assert made.mean[0, 0] == pytest.approx(100, rel=0.1)
    assert made.mean[0, 1:].tolist() == [0.0, 0.0, 0.0]
    assert made.high[0.95][0, 1:].tolist() == [0.0, 0.0, 0.0]
    assert made.mean[1].tolist() == pytest.approx([50.0] * 4, rel=0.1)


def test_a_series_that_ended_before_the_others_is_forecast_at_zero() -> None:
    frame = frame_of(seasonal_world(60, 24))
    ended = frame[(frame["unique_id"] != "s0003") | (frame["ds"] < MONTHS[20])]
    made = forecast_panel(ended, horizon=3, period="monthly", seed=1)
    assert not made.alive[3]
    assert made.alive.sum() == 59
    assert made.mean[3].tolist() == made.high[0.95][3].tolist() == [0.0, 0.0, 0.0]


def test_what_came_after_an_origin_moves_no_forecast_made_there() -> None:
    y = seasonal_world(60, 30)
    poisoned = y.copy()
    poisoned[:, 24:] *= 1e3
    at = [history_of(frame_of(values), horizon=3, period="monthly").until(24) for values in (y, poisoned)]
    first, second = (boosted(history, 3, 1) for history in at)
    assert first is not None
    assert second is not None
    assert first.tobytes() == second.tobytes()


def test_one_short_series_alone_is_forecast_by_its_baselines() -> None:
    made = forecast_panel(frame_of(np.array([[10.0, 12.0]])), horizon=3, period="monthly", seed=1)
    assert "boosted" not in made.base
    assert (made.mean > 5).all()
    assert (made.high[0.80] > made.mean).all()


def test_weights_prefer_the_forecast_that_erred_least() -> None:
    rng = np.random.default_rng(1)
    actual = rng.gamma(5.0, 20.0, (4, 100, 4))
    good, bad = actual * 1.02, actual * rng.uniform(0.2, 3.0, actual.shape)
    past = Past(
        (20, 18, 16, 14),
        actual,
        {"good": good, "bad": bad},
        np.full((4, 100), 10.0),
        np.zeros((4, 100), np.int64),
    )
    weights, without = fit_weights(past, 1)
    assert weights.models == ("good", "bad")
    assert weights.values[0].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert len(without) == 4
    assert blended({"good": good[0], "bad": bad[0]}, weights, past.group[0]).tolist() == good[0].tolist()


def test_quantiles_leave_room_for_one_more() -> None:
    assert quantile_with_room(np.arange(1.0, 100.0), 0.9) == 90.0
    assert quantile_with_room(np.arange(1.0, 4.0), 0.9) == 3.0


def test_errors_of_one_kind_of_history_do_not_widen_another() -> None:
    rng = np.random.default_rng(3)
    error = np.concatenate([rng.normal(0, 1, (5, 200, 3)), rng.normal(0, 9, (5, 200, 3))], axis=1)
    group = np.tile(np.r_[np.zeros(200, np.int64), np.ones(200, np.int64)], (5, 1))
    errors = ScaledErrors.of(error, np.ones((5, 400)), group)
    low, high = errors.bounds(np.array([0, 1]), 3, 0.80)
    assert high[0].tolist() == pytest.approx([1.28] * 3, rel=0.1)
    assert low[1].tolist() == pytest.approx([-11.5] * 3, rel=0.1)


def test_metrics_by_hand() -> None:
    actual, forecast = np.array([[10.0, 20.0]]), np.array([[12.0, 16.0]])
    assert wape(forecast, actual) == pytest.approx(0.2)
    history = np.array([[1.0, 3.0, 2.0, 6.0]])
    assert mase(forecast, actual, history, 2) == pytest.approx(3.0 / 2.0)
    assert mase(forecast, actual, history[:, :2], 2) == pytest.approx(3.0 / 2.0)
    assert coverage(np.array([9.0, 21.0]), np.array([11.0, 30.0]), np.array([10.0, 20.0])) == 0.5


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (pd.DataFrame({"unique_id": ["a"], "ds": [MONTHS[0]]}), "without y"),
        (pd.DataFrame({"unique_id": ["a", "a"], "ds": [MONTHS[0]] * 2, "y": [1.0, 2.0]}), "repeat"),
        (pd.DataFrame({"unique_id": ["a"], "ds": [MONTHS[0]], "y": [np.nan]}), "must be a number"),
    ],
)
def test_a_frame_that_breaks_the_rules_is_refused_with_its_reason(frame: pd.DataFrame, what: str) -> None:
    with pytest.raises(ModelContractError, match=what):
        forecast_panel(frame, horizon=3, period="monthly", seed=1)


def test_a_horizon_below_one_is_refused() -> None:
    with pytest.raises(ModelContractError, match="at least 1 period"):
        forecast_panel(frame_of(np.ones((1, 5))), horizon=0, period="monthly", seed=1)
