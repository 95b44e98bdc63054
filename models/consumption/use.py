"""The consumption forecast of a panel on every level: reconciled, in whole cents, told apart by its terms."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from features.panel import Panel
from features.periods import SEASON, period_of, period_starts
from models.arrays import FloatArray
from models.consumption.ahead import known_of, lives_place, series_frame, series_ids
from models.consumption.conformal import LEVELS
from models.consumption.forecast import PanelForecast, forecast_panel
from models.consumption.hierarchy import levels_of, min_trace, to_cents, upper_forecasts
from models.consumption.rollup import common_error, roll_up
from models.consumption.starting import Starting, starting
from models.consumption.table import Finest, forecast_table
from models.consumption.terms import Terms, split_by_terms

__all__ = ["Reconciliation", "UseForecast", "forecast_use"]

Reconciliation = Literal["bottom_up", "min_trace"]


@dataclass(frozen=True)
class UseForecast:
    """A consumption forecast.

    table: see FORECAST_SCHEMA, by level, key and period; on the finest level a row per series and period.
    ids: (account_id, product) of its m series. mean, relative_sd (m, H): expected amounts, and the standard
    deviation of each series' own error by its mean. common_sd (H,): that of the error that all series share.
    panel: the forecast of the series that go on, None where there are none. about: in words and figures.
    """

    table: pa.Table
    ids: tuple[tuple[str, str], ...]
    mean: FloatArray
    relative_sd: FloatArray
    common_sd: FloatArray
    panel: PanelForecast | None
    about: dict[str, Any]


def forecast_use(
    panel: Panel, *, horizon: int, seed: int, overdue_days: int, reconciliation: Reconciliation = "bottom_up"
) -> UseForecast:
    """`horizon` periods from the one that holds as_of, for every series that goes on.

    The periods between the last complete one and as_of are forecast too, so as to know what is used of each
    commitment by then; a period under way counts whole. Accounts whose contract has no use yet are forecast
    from how others began.
    """
    first = period_of(panel.as_of, panel.period)
    gap = first - panel.last - 1
    days = period_starts(np.arange(first, first + horizon + 1), panel.period)
    made = None
    if panel.series.num_rows and not all(panel.series["ended"].to_pylist()):
        steps = gap + horizon
        made = forecast_panel(
            series_frame(panel),
            horizon=steps,
            period=panel.period,
            seed=seed,
            known_ahead=known_of(panel, steps),
        )
    beginning = starting(panel, first=first, horizon=horizon)
    mean = _reconciled(made, panel, reconciliation) if made is not None else np.zeros((0, gap + horizon))
    series = _series(panel, made, mean, beginning, gap, days, overdue_days)
    levels = levels_of(series.labels)
    table = forecast_table(panel, series, levels, made, mean, gap, days[:-1])
    common = np.zeros(horizon)
    if made is not None:
        common = common_error(made, levels_of(panel.series)[0]).relative[gap:]
    amount = series.mean / 100.0
    relative = np.divide(series.sd, amount, out=np.zeros_like(amount), where=amount > 0)
    ids = zip(series.labels["account_id"].to_pylist(), series.labels["product"].to_pylist(), strict=True)
    return UseForecast(
        table, tuple(ids), amount, relative, common, made, _about(panel, made, beginning, gap, reconciliation)
    )


def _reconciled(made: PanelForecast, panel: Panel, how: Reconciliation) -> FloatArray:
    """The series' means, (n, gap + H)."""
    if how == "bottom_up":
        return made.mean
    levels = levels_of(panel.series)
    base = series_frame(panel)
    wide = base.pivot_table(index="unique_id", columns="ds", values="y", aggfunc="sum").to_numpy(
        dtype=np.float64
    )
    rates = np.where(made.alive[:, None], np.maximum(wide, 0.0), 0.0)
    upper = upper_forecasts(rates, made.mean, made.mean, levels, panel.period, SEASON[panel.period])
    variance = np.concatenate([
        (roll.sd**2).mean(axis=1) for roll in roll_up(made, made.mean, levels)
    ] + [(made.sd**2).mean(axis=1)])  # fmt: skip
    return np.where(made.mean > 0, min_trace(made.mean, upper, levels, variance), 0.0)


def _series(
    panel: Panel, made: PanelForecast | None, mean: FloatArray, beginning: Starting, gap: int,
    days: Any, overdue_days: int,
) -> Finest:  # fmt: skip
    """The finest level: series that go on, then those that are about to begin."""
    horizon = len(days) - 1
    names = ("account_id", "product", "region", "segment")
    if made is None:
        empty = np.zeros((0, horizon), dtype=np.int64)
        terms = Terms(*([empty] * 5))
        going = Finest(
            panel.series.select(names).slice(0, 0), empty, dict.fromkeys(LEVELS, empty),
            dict.fromkeys(LEVELS, empty), np.zeros((0, horizon)), terms, (),
        )  # fmt: skip
    else:
        cents = to_cents(mean[:, gap:])
        used = _used_before(panel, mean[:, :gap])
        terms = split_by_terms(
            cents, used, series_ids(panel), panel.lives, panel.contracts, first_days=days,
            as_of_day=_day(panel), overdue_days=overdue_days,
        )  # fmt: skip
        shift = mean - made.mean
        low = {at: to_cents(np.maximum(made.low[at] + np.minimum(shift, 0), 0.0)[:, gap:]) for at in LEVELS}
        high = {at: to_cents((made.high[at] + np.maximum(shift, 0))[:, gap:]) for at in LEVELS}
        kept = np.flatnonzero(made.alive)
        labels = panel.series.select(names).take(pa.array(kept))
        going = Finest(
            labels, cents[kept], {at: low[at][kept] for at in LEVELS},
            {at: high[at][kept] for at in LEVELS}, made.sd[kept][:, gap:],
            Terms(**{name: values[kept] for name, values in vars(terms).items()}), ("blend",) * kept.size,
        )  # fmt: skip
    return _with_beginning(going, beginning)


def _with_beginning(going: Finest, beginning: Starting) -> Finest:
    if not beginning.labels.num_rows:
        return going
    return Finest(
        pa.concat_tables([going.labels, beginning.labels]),
        np.concatenate([going.mean, beginning.mean]),
        {at: np.concatenate([going.low[at], beginning.low[at]]) for at in LEVELS},
        {at: np.concatenate([going.high[at], beginning.high[at]]) for at in LEVELS},
        np.concatenate([going.sd, beginning.sd]),
        Terms(**{
            name: np.concatenate([values, vars(beginning.terms)[name]])
            for name, values in vars(going.terms).items()
        }),
        (*going.models, *(("cohort",) * beginning.labels.num_rows)),
    )  # fmt: skip


def _used_before(panel: Panel, in_gap: FloatArray) -> FloatArray:
    """What each life used in its term before the first period, (lives,): recorded, and forecast since."""
    share = panel.lives["share"].to_numpy()
    return np.asarray(panel.lives["in_term"].to_numpy() + share * in_gap.sum(axis=1)[lives_place(panel)])


def _day(panel: Panel) -> int:
    return int(np.datetime64(panel.as_of.replace(tzinfo=None), "D").astype(np.int64))


def _about(
    panel: Panel, made: PanelForecast | None, beginning: Starting, gap: int, how: Reconciliation
) -> dict[str, Any]:
    """What a reader of the forecast should know, for the manifest."""
    return {
        "period": panel.period,
        "currency": panel.currency,
        "series": int(made.alive.sum()) if made is not None else 0,
        "series_ended": int(sum(panel.series["ended"].to_pylist())),
        "accounts_about_to_begin": beginning.labels.num_rows,
        "contracts_without_use_not_forecast": beginning.not_forecast,
        "recording_delay_days": round(panel.delay_days, 2),
        "periods_not_complete_before_as_of": gap,
        "reconciliation": how,
        "weights": made.weights.told() if made is not None else {},
        "past_origins": len(made.past.origins) if made is not None else 0,
        "left_out": [{"reason": one.reason, "rows": one.rows, "counted": one.used} for one in panel.left_out],
    }
