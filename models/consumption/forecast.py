"""The forecast of a panel: every series' mean and intervals for the periods ahead."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import ModelContractError
from features.periods import Period
from models.arrays import BoolArray, FloatArray, IntArray
from models.consumption.blend import Weights, blended, fit_weights, past_blend
from models.consumption.conformal import LEVELS, ScaledErrors
from models.consumption.history import History, group_of, history_of
from models.consumption.origins import Past, base_forecasts, past_forecasts, scale_of

__all__ = ["PanelForecast", "forecast_panel"]


@dataclass(frozen=True)
class PanelForecast:
    """Amounts for the next H periods of n series, with what past forecasts of the same kind missed by.

    ids: unique_id. dates: first days of the periods. mean (n, H); low and high: the same by level (0.80,
    0.95), with low <= mean <= high and nothing below zero. sd (n, H): standard deviation of the error.
    base: the forecasts that the blend is made of. alive: whether a series goes on; one that has ended is
    forecast at zero. group: see `models.consumption.history.group_of`. past_blend (K, n, H): what the blend
    would have said at the past origins, each with weights found without it.
    """

    ids: tuple[str, ...]
    dates: npt.NDArray[np.datetime64]
    mean: FloatArray
    low: dict[float, FloatArray]
    high: dict[float, FloatArray]
    sd: FloatArray
    base: dict[str, FloatArray]
    weights: Weights
    alive: BoolArray
    group: IntArray
    past: Past
    past_blend: FloatArray

    def frame(self) -> pd.DataFrame:
        """unique_id, ds, mean, low80, high80, low95, high95; a row per series and period."""
        n, horizon = self.mean.shape
        found = {
            "unique_id": np.repeat(np.array(self.ids, dtype=object), horizon),
            "ds": np.tile(self.dates, n).astype("datetime64[ns]"),
            "mean": self.mean.ravel(),
        }
        for level in LEVELS:
            found[f"low{level:.0%}".rstrip("%")] = self.low[level].ravel()
            found[f"high{level:.0%}".rstrip("%")] = self.high[level].ravel()
        return pd.DataFrame(found)


def forecast_panel(
    frame: pd.DataFrame,
    *,
    horizon: int = 12,
    period: Period,
    seed: int,
    known_ahead: pd.DataFrame | None = None,
) -> PanelForecast:
    """The next `horizon` periods after the frame's last one, for every series.

    frame: unique_id, ds, y; see `models.consumption.history.history_of` for it and for known_ahead, which
    reaches over the horizon too. A series whose last row lies before the frame's last period has ended.
    Raises ModelContractError for a horizon below 1, or a frame that breaks the rules.
    """
    if horizon < 1:
        raise ModelContractError(f"horizon: expected at least 1 period, found {horizon}. Give one or more.")
    history = history_of(frame, horizon=horizon, period=period, known_ahead=known_ahead)
    past = past_forecasts(history, horizon, seed)
    weights, without = fit_weights(past, seed)
    then = past_blend(past, without)
    alive = history.alive
    going = history.until(history.periods)
    base = base_forecasts(going, horizon, seed)
    exposure = going.exposure[:, going.periods :]
    rates = going.rates()
    group = group_of(rates, period)
    amounts = blended(base, weights, group) * exposure
    errors = ScaledErrors.of(past.actual - then, past.scale, past.group)
    scale = scale_of(rates, going)[:, None] * np.sqrt(np.maximum(exposure, 0.0))
    sd = scale * errors.spread(group, horizon)
    low, high = _intervals(amounts, scale, errors, group)
    whole = (alive, history)
    groups = _spread_out(group[:, None].astype(np.float64), *whole)[:, 0].astype(np.int64)
    return PanelForecast(
        history.ids, history.dates[history.periods :], _spread_out(amounts, *whole),
        {level: _spread_out(low[level], *whole) for level in LEVELS},
        {level: _spread_out(high[level], *whole) for level in LEVELS},
        _spread_out(sd, *whole), {name: _spread_out(made * exposure, *whole) for name, made in base.items()},
        weights, alive, groups, past, then,
    )  # fmt: skip


def _intervals(
    mean: FloatArray, scale: FloatArray, errors: ScaledErrors, group: IntArray
) -> tuple[dict[float, FloatArray], dict[float, FloatArray]]:
    """Lower and upper bounds by level, around the mean, the wider level around the narrower, from zero up."""
    low, high = {}, {}
    inner_low = inner_high = mean
    for level in LEVELS:
        below, above = errors.bounds(group, mean.shape[1], level)
        inner_low = np.maximum(np.minimum(inner_low, mean + below * scale), 0.0)
        inner_high = np.maximum(inner_high, mean + above * scale)
        low[level], high[level] = inner_low, inner_high
    return low, high


def _spread_out(values: FloatArray, alive: BoolArray, history: History) -> FloatArray:
    """Rows of living series put back among all of them; zero for the others."""
    found = np.zeros((len(history.ids), values.shape[1]))
    found[alive] = values
    return found
