"""Contracts that have no use yet: forecast from how much of their commitment others used as they began.

Of the first contracts of accounts, use by age (periods since the start) is taken relative to what is
committed per mean period. A contract without use so far is compared with those that had none by its age: so
one that should have begun long ago is expected to use little. It is one series, of the product that most
accounts use first. With fewer than five to compare with, or without a commitment, it is not forecast.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.exposure import NEVER
from features.panel import UNKNOWN, Panel
from features.periods import MEAN_DAYS, period_starts
from models.arrays import FloatArray, IntArray
from models.consumption.conformal import LEVELS
from models.consumption.hierarchy import to_cents
from models.consumption.terms import Terms, split_by_terms

__all__ = ["Starting", "begin_ratios", "starting"]

_ENOUGH = 5
_OLDEST = 36

Row = dict[str, Any]


@dataclass(frozen=True)
class Starting:
    """labels: account_id, product, region, segment of m series. mean, low, high: cents (m, H); sd: amounts.

    not_forecast: contracts without use that there was nothing to compare with.
    """

    labels: pa.Table
    mean: IntArray
    low: dict[float, IntArray]
    high: dict[float, IntArray]
    sd: FloatArray
    terms: Terms
    not_forecast: int


def starting(panel: Panel, *, first: int, horizon: int) -> Starting:
    """The forecast of contracts that are known, have not churned and have no use yet.

    first: number of the first period ahead. Contracts of accounts that use something already are not taken
    to add to it: they are counted as not forecast.
    """
    begun = set(panel.lives["contract_id"].to_pylist())
    users = set(panel.series["account_id"].to_pylist())
    waiting = [
        row for row in panel.contracts.to_pylist()
        if row["contract_id"] not in begun and row["outcome"] != "churned" and _runs(row, panel)
    ]  # fmt: skip
    ratios = begin_ratios(panel)
    rows, amounts = [], []
    for row in waiting:
        found = None if row["account_id"] in users else _expected(row, ratios, panel, first, horizon)
        if found is not None:
            rows.append(row)
            amounts.append(found)
            users.add(row["account_id"])
    return _made(panel, rows, amounts, first, horizon, len(waiting) - len(rows))


def begin_ratios(panel: Panel) -> FloatArray:
    """Use by what is committed per period, of accounts' first contracts: (accounts, ages), NaN if unseen."""
    used: dict[str, dict[int, float]] = {}
    number = {
        day: i
        for i, day in enumerate(period_starts(np.arange(panel.last - 240, panel.last + 1), panel.period))
    }
    starts = panel.amounts["period_start"].to_numpy().astype("datetime64[D]")
    for account, day, amount in zip(
        panel.amounts["account_id"].to_pylist(), starts, panel.amounts["amount"].to_numpy(), strict=True
    ):
        at = number.get(day)
        if at is not None:
            held = used.setdefault(account, {})
            held[panel.last - 240 + at] = held.get(panel.last - 240 + at, 0.0) + max(float(amount), 0.0)
    seen: set[str] = set()
    found = []
    for row in panel.contracts.to_pylist():
        if row["account_id"] in seen:
            continue
        seen.add(row["account_id"])
        rate, start = _rate(row, panel), _start(row, panel)
        if rate is None or start is None or panel.last - start < 0:
            continue
        life = min(panel.last - start + 1, _OLDEST)
        ages = [used.get(row["account_id"], {}).get(start + age, 0.0) / rate for age in range(life)]
        found.append(ages + [np.nan] * (_OLDEST - life))
    return np.array(found, dtype=np.float64).reshape(-1, _OLDEST)


def _expected(
    row: Row, ratios: FloatArray, panel: Panel, first: int, horizon: int
) -> dict[str, FloatArray] | None:
    """Mean, quantiles and spread of the amounts ahead, (H,) each; None with too few to compare with."""
    rate, start = _rate(row, panel), _start(row, panel)
    if rate is None or start is None or not panel.series.num_rows:
        return None
    idle = int(np.clip(panel.last - start + 1, 0, _OLDEST - 1))
    alike = ratios[~(np.nan_to_num(ratios[:, :idle]) > 0).any(axis=1) & ~np.isnan(ratios[:, idle])]
    if len(alike) < _ENOUGH:
        return None
    tails = [(1 - at) / 2 for at in LEVELS]
    shares = (*tails, *(1 - tail for tail in tails))
    found = {name: np.zeros(horizon) for name in ("mean", "sd", *map(str, shares))}
    values = alike[:, idle]
    for step in range(horizon):
        age = first + step - start
        if age < 0:
            continue
        column = alike[:, min(max(age, idle), _OLDEST - 1)]
        if (~np.isnan(column)).sum() >= _ENOUGH:
            values = column[~np.isnan(column)]
        found["mean"][step], found["sd"][step] = values.mean() * rate, values.std() * rate
        for share in shares:
            found[str(share)][step] = np.quantile(values, share) * rate
    return found


def _made(
    panel: Panel, rows: list[Row], amounts: list[dict[str, FloatArray]], first: int, horizon: int, others: int
) -> Starting:
    shape = (len(rows), horizon)
    names = ("mean", "sd", *(str((1 - at) / 2) for at in LEVELS), *(str(1 - (1 - at) / 2) for at in LEVELS))
    held = {name: np.array([one[name] for one in amounts]).reshape(shape) for name in names}
    mean = to_cents(held["mean"])
    labels = _labels(panel, rows)
    ids = list(zip(labels["account_id"].to_pylist(), labels["product"].to_pylist(), strict=True))
    lives = pa.table({
        "account_id": labels["account_id"], "product": labels["product"],
        "contract_id": pa.array([row["contract_id"] for row in rows], pa.string()),
        "first_day": pa.array([row["start_day"] for row in rows], pa.int64()),
        "last_day": pa.array([NEVER] * len(rows), pa.int64()), "share": pa.array([1.0] * len(rows)),
    })  # fmt: skip
    day = int(np.datetime64(panel.as_of.replace(tzinfo=None), "D").astype(np.int64))
    starts = period_starts(np.arange(first, first + horizon + 1), panel.period)
    none = np.zeros(len(rows))
    terms = split_by_terms(
        mean, none, ids, lives, panel.contracts, first_days=starts, as_of_day=day, overdue_days=0
    )
    low = {at: np.minimum(to_cents(held[str((1 - at) / 2)]), mean) for at in LEVELS}
    high = {at: np.maximum(to_cents(held[str(1 - (1 - at) / 2)]), mean) for at in LEVELS}
    return Starting(labels, mean, low, high, held["sd"], terms, others)


def _labels(panel: Panel, rows: list[Row]) -> pa.Table:
    """The series' keys. The accounts have no use, so their groups come with the panel's."""
    product = _first_product(panel)
    groups = panel.groups
    accounts = [row["account_id"] for row in rows]
    return pa.table({
        "account_id": pa.array(accounts, pa.string()),
        "product": pa.array([product] * len(rows), pa.string()),
        "region": pa.array([groups.get(one, (UNKNOWN, UNKNOWN))[0] for one in accounts], pa.string()),
        "segment": pa.array([groups.get(one, (UNKNOWN, UNKNOWN))[1] for one in accounts], pa.string()),
    })  # fmt: skip


def _first_product(panel: Panel) -> str:
    """The product that most accounts used first; of equals the first by name."""
    begins: dict[str, tuple[int, str]] = {}
    for row in panel.series.select(["account_id", "product", "first"]).to_pylist():
        one = (row["first"], row["product"])
        begins[row["account_id"]] = min(begins.get(row["account_id"], one), one)
    counts: dict[str, int] = {}
    for _, product in begins.values():
        counts[product] = counts.get(product, 0) + 1
    return min(counts, key=lambda name: (-counts[name], name), default=UNKNOWN)


def _runs(row: Row, panel: Panel) -> bool:
    """Whether the term is not over yet."""
    day = np.datetime64(panel.as_of.replace(tzinfo=None), "D").astype(np.int64)
    return row["end_day"] is None or row["end_day"] > day


def _rate(row: Row, panel: Panel) -> float | None:
    """What is committed per mean period; None where it is not known."""
    if row["start_day"] is None or row["end_day"] is None or not row["committed"] > 0:
        return None
    length = max((row["end_day"] - row["start_day"]) / MEAN_DAYS[panel.period], 1.0)
    return float(row["committed"]) / length


def _start(row: Row, panel: Panel) -> int | None:
    """The number of the period that the contract starts in."""
    if row["start_day"] is None:
        return None
    day = np.array(row["start_day"], dtype="datetime64[D]")
    if panel.period == "monthly":
        return int(day.astype("datetime64[M]").astype(np.int64))
    return int((row["start_day"] - 4) // 7)
