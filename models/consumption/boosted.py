"""LightGBM through mlforecast: one model for all series, one period ahead, repeated over the horizon.

Every feature that is an amount, and the target, is divided by the series' own mean rate over the periods
just before (known at that period), so that series of all sizes teach one another and nothing of the future
enters a row's scale. One-step models applied again and again measured as good as one model per step, at a
tenth of the time.
"""

import warnings
from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExpandingMean, RollingMean

from features.periods import Period
from models.arrays import FloatArray
from models.consumption.history import History

__all__ = ["AMOUNT", "boosted"]

AMOUNT = "_amount"
"""What the names of known columns end in that are amounts per mean period, and so divided by the level."""

_LAGS: dict[Period, tuple[int, ...]] = {
    "monthly": (1, 2, 3, 6, 12), "weekly": (1, 2, 4, 8, 13, 26, 52),
}  # fmt: skip
_MEANS: dict[Period, tuple[int, ...]] = {"monthly": (3, 6, 12), "weekly": (4, 13, 26, 52)}
_LEVEL: dict[Period, int] = {"monthly": 12, "weekly": 13}
_EVER = "expanding_mean_lag1"
_LEAST_LEVEL = 0.1
"""The level is at least this part of the series' mean so far: one that fell asleep may wake."""
_MOST_RATIO = 10.0
_OLDEST = 60.0
_MIN_ROWS = 60
_MOST_ROWS = 250_000


def boosted(history: History, horizon: int, seed: int) -> FloatArray | None:
    """Rates (n, horizon), never negative; None where there are too few rows to learn from."""
    rates = history.rates()
    names = [f"lag{lag}" for lag in _LAGS[history.period]]
    names += [_mean_name(window) for window in _MEANS[history.period]]
    names += [name for name in history.ahead if name.endswith(AMOUNT)]
    known = _known_ahead(history)
    forecaster = _forecaster(history.period, seed)
    past = _frame(rates, known)
    table: Any = forecaster.preprocess(past, static_features=[], dropna=False)
    X, level = _relative(table.drop(columns=["unique_id", "ds", "y"]), names, history.period)
    target = table["y"].to_numpy(dtype=np.float64) / level
    rows = np.flatnonzero(np.isfinite(target))
    if rows.size < _MIN_ROWS:
        return None
    if rows.size > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS, replace=False))
    forecaster.fit_models(X.iloc[rows], np.minimum(target[rows], _MOST_RATIO))
    before, after = _scaling(names, history.period)
    with warnings.catch_warnings():
        # a young series has no value twelve periods ago; LightGBM reads that as missing
        warnings.filterwarnings("ignore", message="Found null values", category=UserWarning)
        made = forecaster.predict(
            horizon, before_predict_callback=before, after_predict_callback=after,
            X_df=_ahead(history, known, horizon),
        )  # fmt: skip
    return np.maximum(made["boosted"].to_numpy(dtype=np.float64).reshape(len(rates), horizon), 0.0)


def _forecaster(period: Period, seed: int) -> MLForecast:
    model = lgb.LGBMRegressor(
        objective="tweedie", tweedie_variance_power=1.2, n_estimators=150, num_leaves=15, learning_rate=0.05,
        min_child_samples=40, subsample=0.8, subsample_freq=1, colsample_bytree=0.8, num_threads=1,
        verbose=-1, random_state=seed, deterministic=True, force_row_wise=True,
    )  # fmt: skip
    windows = sorted({*_MEANS[period], _LEVEL[period]})
    means = [RollingMean(window, min_samples=1) for window in windows]
    return MLForecast(
        {"boosted": model}, freq=1, lags=list(_LAGS[period]), lag_transforms={1: [*means, ExpandingMean()]},
        num_threads=1,
    )  # fmt: skip


def _mean_name(window: int) -> str:
    return f"rolling_mean_lag1_window_size{window}_min_samples1"


def _relative(X: pd.DataFrame, names: list[str], period: Period) -> tuple[pd.DataFrame, FloatArray]:
    """The features with amounts by the level of their row, and that level, NaN where there is none yet."""
    ever = X[_EVER].to_numpy(dtype=np.float64)
    level = np.maximum(X[_mean_name(_LEVEL[period])].to_numpy(dtype=np.float64), _LEAST_LEVEL * ever)
    level = np.where(np.isfinite(level) & (level > 0), level, np.nan)
    scaled = X.copy()
    columns = [*names, _EVER]
    scaled[columns] = X[columns].to_numpy(dtype=np.float64) / level[:, None]
    return scaled, level


def _scaling(
    names: list[str], period: Period
) -> tuple[Callable[[pd.DataFrame], pd.DataFrame], Callable[[FloatArray], FloatArray]]:
    """What mlforecast calls before and after each step: to ratios, and back to rates."""
    levels: list[FloatArray] = []

    def before(X: pd.DataFrame) -> pd.DataFrame:
        scaled, level = _relative(X, names, period)
        levels.append(np.where(np.isfinite(level), level, 0.0))
        return scaled

    def after(ratios: FloatArray) -> FloatArray:
        return np.maximum(ratios, 0.0) * levels[-1]

    return before, after


def _known_ahead(history: History) -> dict[str, FloatArray]:
    """What is known of each series and period, past or ahead: the season, its age and what was given."""
    dates = history.dates.astype("datetime64[D]")
    day = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    angle = 2 * np.pi * day / 365.25
    shape = (len(history.ids), len(dates))
    age = np.minimum(np.arange(len(dates)) - history.first[:, None], _OLDEST)
    return {
        "season_sin": np.broadcast_to(np.sin(angle), shape),
        "season_cos": np.broadcast_to(np.cos(angle), shape),
        "age": age.astype(np.float64), **history.ahead,
    }  # fmt: skip


def _frame(rates: FloatArray, known: dict[str, FloatArray]) -> pd.DataFrame:
    """The long frame that mlforecast reads, one row per series and period from its first on."""
    row, column = np.nonzero(~np.isnan(rates))
    given = {name: values[row, column] for name, values in known.items()}
    return pd.DataFrame({"unique_id": row, "ds": column, "y": rates[row, column], **given})


def _ahead(history: History, known: dict[str, FloatArray], horizon: int) -> pd.DataFrame:
    """What is known of the periods ahead."""
    n, start = len(history.ids), history.periods
    row, column = np.repeat(np.arange(n), horizon), np.tile(np.arange(start, start + horizon), n)
    given = {name: values[row, column] for name, values in known.items()}
    return pd.DataFrame({"unique_id": row, "ds": column, **given})
