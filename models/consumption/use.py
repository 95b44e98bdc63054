"""The consumption forecast of a panel on every level: reconciled, in whole cents, told apart by its terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from features.panel import Panel
from features.periods import SEASON, period_of, period_starts
from models.arrays import FloatArray, IntArray
from models.consumption.ahead import known_of, lives_place, series_frame, series_ids
from models.consumption.conformal import LEVELS
from models.consumption.forecast import PanelForecast, forecast_panel
from models.consumption.hierarchy import Level, levels_of, min_trace, summed, to_cents, upper_forecasts
from models.consumption.rollup import Rollup, common_error, roll_up
from models.consumption.starting import Starting, starting
from models.consumption.terms import PARTS, Terms, split_by_terms

__all__ = ["FORECAST_SCHEMA", "Reconciliation", "UseForecast", "forecast_use"]

Reconciliation = Literal["bottom_up", "min_trace"]

SERIES_LEVEL = "account_product"
FORECAST_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("level", "account_id", "product", "region", "segment")]
    + [("period_start", pa.date32())]
    + [(name, pa.float64()) for name in ("mean", "low80", "high80", "low95", "high95", *PARTS, "after_term")]
    + [("currency", pa.string()), ("model", pa.string())]
)
"""The columns of the published forecast; amounts in `currency`."""


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


@dataclass(frozen=True)
class _Series:
    """The finest level: labels (account_id, product, region, segment), and cents (m, H) of everything."""

    labels: pa.Table
    mean: IntArray
    low: dict[float, IntArray]
    high: dict[float, IntArray]
    sd: FloatArray
    terms: Terms
    models: tuple[str, ...]


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
    table = _table(panel, series, levels, made, mean, gap, days[:-1])
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
    return np.where(made.alive[:, None], min_trace(made.mean, upper, levels, variance), 0.0)


def _series(
    panel: Panel, made: PanelForecast | None, mean: FloatArray, beginning: Starting, gap: int,
    days: Any, overdue_days: int,
) -> _Series:  # fmt: skip
    """The finest level: series that go on, then those that are about to begin."""
    horizon = len(days) - 1
    names = ("account_id", "product", "region", "segment")
    if made is None:
        empty = np.zeros((0, horizon), dtype=np.int64)
        terms = Terms(*([empty] * 5))
        going = _Series(
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
        going = _Series(
            labels, cents[kept], {at: low[at][kept] for at in LEVELS},
            {at: high[at][kept] for at in LEVELS}, made.sd[kept][:, gap:],
            Terms(**{name: values[kept] for name, values in vars(terms).items()}), ("blend",) * kept.size,
        )  # fmt: skip
    return _with_beginning(going, beginning)


def _with_beginning(going: _Series, beginning: Starting) -> _Series:
    if not beginning.labels.num_rows:
        return going
    return _Series(
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


def _table(
    panel: Panel, series: _Series, levels: Sequence[Level], made: PanelForecast | None, mean: FloatArray,
    gap: int, starts: Any,
) -> pa.Table:  # fmt: skip
    """Every level's rows: the upper ones first, each by key and period."""
    parts = []
    if series.mean.size:
        rolled = _rolled(series, levels, made, mean, panel, gap)
        for level, roll in zip(levels, rolled, strict=True):
            parts.append(_rows(panel, level.name, _keys(level, series.labels), roll, level, series, starts))
        each = Level(
            SERIES_LEVEL, tuple(str(i) for i in range(len(series.mean))), np.arange(len(series.mean))
        )
        bounds = {"low": series.low, "high": series.high}
        keys = {name: series.labels[name].to_pylist() for name in series.labels.column_names}
        parts.append(_rows(panel, SERIES_LEVEL, keys, bounds, each, series, starts))
    return pa.concat_tables(parts) if parts else FORECAST_SCHEMA.empty_table()


def _rolled(
    series: _Series,
    levels: Sequence[Level],
    made: PanelForecast | None,
    mean: FloatArray,
    panel: Panel,
    gap: int,
) -> list[dict[str, dict[float, IntArray]]]:
    """Bounds in cents of every level's nodes, around the sums of whole cents."""
    found = []
    whole = levels_of(panel.series) if made is not None else ()
    rolls: dict[str, Rollup] = {roll.level.name: roll for roll in roll_up(made, mean, whole)} if made else {}
    for level in levels:
        sums = summed(level, series.mean)
        beginning = summed(level, np.where(np.array(series.models)[:, None] == "cohort", series.sd, 0.0) ** 2)
        bounds: dict[str, dict[float, IntArray]] = {"low": {}, "high": {}}
        for at in LEVELS:
            z = {0.80: 1.2815515655446004, 0.95: 1.959963984540054}[at]
            below, above = z * np.sqrt(beginning), z * np.sqrt(beginning)
            roll = rolls.get(level.name)
            if roll is not None:
                rows = {key: i for i, key in enumerate(roll.level.keys)}
                for i, key in enumerate(level.keys):
                    if key in rows:
                        near = roll.mean[rows[key], gap:]
                        below[i] = np.hypot(below[i], near - roll.low[at][rows[key], gap:])
                        above[i] = np.hypot(above[i], roll.high[at][rows[key], gap:] - near)
            bounds["low"][at] = np.maximum(sums - to_cents(below), 0)
            bounds["high"][at] = sums + to_cents(above)
        found.append(bounds)
    return found


def _keys(level: Level, labels: pa.Table) -> dict[str, list[str | None]]:
    """The key columns of a level's nodes; an account has its region and segment too."""
    n = len(level.keys)
    keys: dict[str, list[str | None]] = {
        name: [None] * n for name in ("account_id", "product", "region", "segment")
    }
    if level.name == "account":
        keys["account_id"] = list(level.keys)
        first = np.unique(level.node, return_index=True)[1]
        for name in ("region", "segment"):
            keys[name] = labels[name].take(pa.array(first)).to_pylist()
    elif level.name != "total":
        keys[level.name] = list(level.keys)
    return keys


def _rows(
    panel: Panel, name: str, keys: dict[str, list[Any]], bounds: dict[str, dict[float, IntArray]],
    level: Level, series: _Series, starts: Any,
) -> pa.Table:  # fmt: skip
    """One level's rows, by node and period."""
    n, horizon = len(level.keys), len(starts)
    amounts: dict[str, IntArray] = {"mean": summed(level, series.mean)}
    for at in LEVELS:
        for side in ("low", "high"):
            amounts[f"{side}{round(at * 100)}"] = bounds[side][at]
    for part in (*PARTS, "after_term"):
        amounts[part] = summed(level, vars(series.terms)[part])
    models = list(series.models) if name == SERIES_LEVEL else ["sum"] * n
    return pa.table(
        {
            "level": pa.array([name] * (n * horizon), pa.string()),
            **{
                key: pa.array(np.repeat(np.array(held, dtype=object), horizon), pa.string())
                for key, held in keys.items()
            },
            "period_start": pa.array(np.tile(starts, n), pa.date32()),
            **{key: pa.array(cents.ravel() / 100.0) for key, cents in amounts.items()},
            "currency": pa.array([panel.currency or None] * (n * horizon), pa.string()),
            "model": pa.array(np.repeat(np.array(models, dtype=object), horizon), pa.string()),
        },
        schema=FORECAST_SCHEMA,
    )


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
