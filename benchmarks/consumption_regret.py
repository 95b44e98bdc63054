"""Consumption forecasts on a simulated world, beside the consumption that the world expects.

    dealcast simulate WORLD --deals 4000 --seed 11
    python -m benchmarks.consumption_regret WORLD

At past instants, contracts under way are forecast by account for the months of their terms; the world's truth
is what each was expected to use (`contract_truth.expected_consumption_monthly`; the months of a term are laid
on calendar months by their days). Regret is the sum of absolute distances from the expected amounts by their
sum; what was really used stands beside it: noise that nobody can forecast. Also the levels' errors against
what was used, for adding up series (bottom_up) and minimum trace, and the coverage of their 80 % intervals.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.currency import Rates
from data.warehouse import memory_tables
from features.panel import Panel, consumption_panel
from features.periods import MEAN_DAYS, period_of, period_starts
from models.consumption.use import UseForecast, forecast_use

HORIZON = 6
TABLES = ("accounts", "contracts", "usage", "exchange_rates")
LEVELS = {
    "total": "level",
    "region": "region",
    "segment": "segment",
    "product": "product",
    "account": "account_id",
}


def measure(world: Path, origins: tuple[datetime, ...]) -> pd.DataFrame:
    """One row per origin, forecast and measure."""
    tables = memory_tables({name: pq.read_table(world / f"{name}.parquet") for name in TABLES})
    end = pc.max(pq.read_table(world / "usage.parquet")["known_at"]).as_py()
    truth = pq.read_table(world.with_name(world.name + "-truth") / "contract_truth.parquet")
    return pd.DataFrame(row for at in origins for row in _at(tables, at, end, truth))


def _at(tables: dict, at: datetime, end: datetime, truth: pa.Table) -> Iterator[dict[str, object]]:
    rates = Rates.read(tables, at)
    panel = consumption_panel(tables, at, period="monthly", rates=rates, segment="industry")
    later = consumption_panel(tables, end, period="monthly", rates=rates, segment="industry")
    first = period_of(at, "monthly")
    came = _amounts(later, first, panel)
    for how in ("bottom_up", "min_trace"):
        made = forecast_use(panel, horizon=HORIZON, seed=7, overdue_days=90, reconciliation=how)
        yield from _errors(at, how, made, came, first)
        if how == "bottom_up":
            yield from _regret(at, panel, made, _expected(panel, truth, rates, at, first), came, first)


def _amounts(later: Panel, first: int, panel: Panel) -> pd.DataFrame:
    """What the series known then used afterwards, by account, product and month number."""
    frame = later.amounts.to_pandas()
    frame["month"] = frame["period_start"].to_numpy(dtype="datetime64[M]").astype(int) - first
    known = panel.series.select(["account_id", "product", "region", "segment"]).to_pandas()
    return frame[(frame["month"] >= 0) & (frame["month"] < HORIZON)].merge(
        known, on=["account_id", "product"]
    )


def _errors(
    at: datetime, how: str, made: UseForecast, came: pd.DataFrame, first: int
) -> Iterator[dict[str, object]]:
    """WAPE of each level against what was used, and how much of it the 80 % intervals held."""
    table = made.table.to_pandas()
    table["month"] = table["period_start"].to_numpy(dtype="datetime64[M]").astype(int) - first
    came = came.assign(level="total")
    for level, key in LEVELS.items():
        rows = table[table["level"] == level].set_index([key, "month"])
        used = came.groupby([key, "month"])["amount"].sum().reindex(rows.index).fillna(0.0)
        held = (used >= rows["low80"]) & (used <= rows["high80"])
        yield {
            "origin": at, "forecast": how, "level": level,
            "error": (rows["mean"] - used).abs().sum() / used.sum(),
            "bias": rows["mean"].sum() / used.sum() - 1, "cover80": held.mean(),
        }  # fmt: skip


def _expected(panel: Panel, truth: pa.Table, rates: Rates, at: datetime, first: int) -> pd.DataFrame:
    """What the contracts under way were expected to use, by account and month number, within their terms."""
    monthly = dict(
        zip(truth["contract_id"].to_pylist(), truth["expected_consumption_monthly"].to_pylist(), strict=True)
    )
    begun = set(panel.lives["contract_id"].to_pylist())
    days = period_starts(np.arange(first, first + HORIZON + 1), "monthly").astype(int)
    rows = []
    for one in panel.contracts.to_pylist():
        if one["contract_id"] not in begun or one["end_day"] <= days[0]:
            continue
        amounts = np.array(monthly[one["contract_id"]]) * rates.rate(one["currency"], at)
        edges = np.minimum(
            one["start_day"] + np.arange(len(amounts) + 1) * MEAN_DAYS["monthly"], one["end_day"]
        )
        running = np.interp(days, edges, np.r_[0.0, np.cumsum(amounts)])
        rows += [(one["account_id"], month, value) for month, value in enumerate(np.diff(running))]
    frame = pd.DataFrame(rows, columns=["account_id", "month", "expected"])
    return frame.groupby(["account_id", "month"], as_index=False)["expected"].sum()


def _regret(
    at: datetime, panel: Panel, made: UseForecast, expected: pd.DataFrame, came: pd.DataFrame, first: int
) -> Iterator[dict[str, object]]:
    """Distance of each forecast from the expected amounts, of accounts whose months lie within terms."""
    table = made.table.to_pandas()
    table = table[(table["level"] == "account") & (table["after_term"] == 0)]
    table["month"] = table["period_start"].to_numpy(dtype="datetime64[M]").astype(int) - first
    rows = table[["account_id", "month", "mean"]].merge(expected, on=["account_id", "month"])
    rows = rows[rows["expected"] > 0]
    used = came.groupby(["account_id", "month"], as_index=False)["amount"].sum()
    rows = rows.merge(used, on=["account_id", "month"], how="left").fillna({"amount": 0.0})
    forecasts = {"dealcast": "mean", "what was used": "amount"}
    assert made.panel is not None
    accounts = panel.series["account_id"].to_numpy()
    gap = made.panel.mean.shape[1] - HORIZON
    for name, values in made.panel.base.items():
        wide = pd.DataFrame(values[:, gap:]).groupby(accounts).sum()
        rows[name] = wide.to_numpy()[wide.index.get_indexer(rows["account_id"]), rows["month"]]
        forecasts[name] = name
    for name, column in forecasts.items():
        error = (rows[column] - rows["expected"]).abs().sum() / rows["expected"].sum()
        yield {"origin": at, "forecast": name, "level": "regret by account", "error": error,
               "bias": rows[column].sum() / rows["expected"].sum() - 1, "cover80": np.nan}  # fmt: skip


if __name__ == "__main__":
    ends = tuple(datetime(2025, month, 12, tzinfo=UTC) for month in (1, 3, 5, 7))
    found = measure(Path(sys.argv[1]), ends)
    print(found.groupby(["level", "forecast"]).mean(numeric_only=True).round(3).to_string())
