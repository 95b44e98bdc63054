"""Consumption forecasts on real data, at rolling origins, beside what a user would have otherwise.

    python -m benchmarks.consumption_real DATA_FOLDER

DATA_FOLDER holds online_retail_part1 (a wholesaler's invoices: customers are accounts; cancellations are
negative; rows without a customer and the partial last month are left out; twelve months, so that no series
has a full season and the seasonal-naive forecast falls back on the last value) and electricity_weekly (321
clients, 156 weeks). Good: the blend's WAPE and MASE lie below the seasonal-naive forecast's on both;
intervals hold about what they say.
"""

import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.periods import SEASON, Period
from models.consumption.forecast import forecast_panel
from models.consumption.metrics import coverage, mase, wape

__all__ = ["Panel", "clients", "customers", "measure"]

RETAIL, ELECTRICITY = "online_retail_part1", "electricity_weekly"


@dataclass(frozen=True)
class Panel:
    """Amounts (n, T), NaN before a series' first period; origins: periods known at each."""

    name: str
    amounts: np.ndarray
    dates: pd.DatetimeIndex
    period: Period
    horizon: int
    origins: tuple[int, ...]


def customers(folder: Path) -> Panel:
    """Monthly spend of each customer from the first invoice on, December 2010 to November 2011."""
    rows = pd.read_csv(next((folder / RETAIL).glob("*.csv.gz")), dtype={"InvoiceNo": str, "CustomerID": str})
    rows = rows[rows["CustomerID"].notna()]
    rows["month"] = pd.to_datetime(rows["InvoiceDate"]).dt.to_period("M")
    rows["spend"] = rows["Quantity"] * rows["UnitPrice"]
    wide = rows.pivot_table(index="CustomerID", columns="month", values="spend", aggfunc="sum")
    wide = wide[[month for month in wide.columns if str(month) < "2011-12"]].dropna(how="all")
    amounts = wide.to_numpy(dtype=np.float64)
    first = np.argmax(~np.isnan(amounts), axis=1)
    amounts = np.nan_to_num(amounts)
    amounts[np.arange(amounts.shape[1]) < first[:, None]] = np.nan
    dates = pd.date_range("2010-12-01", periods=amounts.shape[1], freq="MS")
    return Panel(RETAIL, amounts, dates, "monthly", 3, (7, 8, 9))


def clients(folder: Path) -> Panel:
    """Weekly electricity use of each client."""
    values = []
    with gzip.open(next((folder / ELECTRICITY).glob("*.tsf.gz")), "rt") as lines:
        for line in lines:
            if line.startswith("T") and line.count(":") == 2:
                values.append([float(one) for one in line.strip().split(":")[2].split(",")])
    amounts = np.array(values)
    dates = pd.date_range("2012-01-01", periods=amounts.shape[1], freq="7D")
    return Panel(ELECTRICITY, amounts, dates, "weekly", 12, (108, 120, 132, 144))


def measure(panel: Panel, origins: tuple[int, ...] | None = None) -> pd.DataFrame:
    """One row per origin and forecast: WAPE, MASE, bias, WAPE of the total, and the blend's coverage."""
    return pd.DataFrame(row for origin in origins or panel.origins for row in _at(panel, origin))


def _at(panel: Panel, origin: int) -> Iterator[dict[str, object]]:
    past = panel.amounts[~np.isnan(panel.amounts[:, origin - 1])]
    came = np.maximum(past[:, origin : origin + panel.horizon], 0.0)
    row, column = np.nonzero(~np.isnan(past[:, :origin]))
    frame = pd.DataFrame({
        "unique_id": [f"{i:06d}" for i in row], "ds": panel.dates[column], "y": past[row, column],
    })  # fmt: skip
    made = forecast_panel(frame, horizon=panel.horizon, period=panel.period, seed=7)
    history = np.maximum(past[:, :origin], 0.0)
    for name, forecast in {"blend": made.mean, **made.base}.items():
        blend = name == "blend"
        yield {
            "data": panel.name, "origin": origin, "forecast": name,
            "wape": wape(forecast, came), "mase": mase(forecast, came, history, SEASON[panel.period]),
            "bias": forecast.sum() / came.sum() - 1,
            "wape_total": wape(forecast.sum(axis=0), came.sum(axis=0)),
            "cover80": coverage(made.low[0.80], made.high[0.80], came) if blend else np.nan,
            "cover95": coverage(made.low[0.95], made.high[0.95], came) if blend else np.nan,
        }  # fmt: skip


if __name__ == "__main__":
    given = Path(sys.argv[1])
    for read in (customers, clients):
        measured = measure(read(given))
        print(
            measured.groupby(["data", "forecast"])
            .mean(numeric_only=True)
            .drop(columns="origin")
            .round(3)
            .to_string()
        )
        print(measured.pivot_table(index="forecast", columns="origin", values="wape").round(3))
