"""What is known of a panel's periods, past and ahead: exposure, and the terms of their contracts."""

from typing import Any

import numpy as np
import pandas as pd

from features.exposure import NEVER, exposure
from features.panel import Panel
from features.periods import MEAN_DAYS, period_starts
from models.arrays import FloatArray, IntArray

__all__ = ["known_of", "lives_place", "series_frame", "series_ids"]

Row = dict[str, Any]


def series_ids(panel: Panel) -> list[tuple[str, str]]:
    """(account_id, product) of each series, in the panel's order."""
    return list(zip(panel.series["account_id"].to_pylist(), panel.series["product"].to_pylist(), strict=True))


def lives_place(panel: Panel) -> IntArray:
    """The place of each life's series."""
    place = {one: i for i, one in enumerate(series_ids(panel))}
    pairs = zip(panel.lives["account_id"].to_pylist(), panel.lives["product"].to_pylist(), strict=True)
    return np.array([place[one] for one in pairs], dtype=np.int64)


def series_frame(panel: Panel) -> pd.DataFrame:
    """unique_id (the series' place, so that ids sort as series do), ds and y, a row per series and period."""
    place = {one: i for i, one in enumerate(series_ids(panel))}
    pairs = zip(panel.amounts["account_id"].to_pylist(), panel.amounts["product"].to_pylist(), strict=True)
    return pd.DataFrame({
        "unique_id": [f"{place[one]:08d}" for one in pairs],
        "ds": panel.amounts["period_start"].to_numpy().astype("datetime64[ns]"),
        "y": panel.amounts["amount"].to_numpy(),
    })  # fmt: skip


def known_of(panel: Panel, steps: int) -> pd.DataFrame:
    """unique_id, ds, exposure and the terms, for the panel's past periods and `steps` more.

    Terms: periods since the start of the contract that covers the period, periods to its end (0 where it
    has ended), whether it is post-paid, and what is committed per mean period; null where none covers it. A
    past period knows only contracts recorded before it began, so that learning from it is learning from
    what was known one period ahead.
    """
    n, base = panel.series.num_rows, min(panel.series["first"].to_pylist())
    past = np.arange(base, panel.last + 1)
    ahead = np.arange(panel.last + 1, panel.last + 1 + steps)
    of_life = lives_place(panel)
    exposed = np.concatenate([
        exposure(panel.lives, of_life, past, panel.period, shared=False),
        exposure(panel.lives, of_life, ahead, panel.period, shared=True),
    ], axis=1)  # fmt: skip
    numbers = np.concatenate([past, ahead])
    starts = period_starts(numbers, panel.period)
    columns = {"exposure": exposed, **_terms(panel, of_life, starts.astype(np.int64), n)}
    return pd.DataFrame({
        "unique_id": np.repeat(np.array([f"{i:08d}" for i in range(n)], dtype=object), numbers.size),
        "ds": np.tile(starts, n).astype("datetime64[ns]"),
        **{name: values.ravel() for name, values in columns.items()},
    })  # fmt: skip


def _terms(panel: Panel, of_life: IntArray, days: IntArray, n: int) -> dict[str, FloatArray]:
    """The terms of each series and period, (n, periods) each. days: the first day of each period."""
    names = ("since_start", "to_end", "postpaid", "committed_amount")
    found = {name: np.full((n, days.size), np.nan) for name in names}
    contracts: dict[str, Row] = {row["contract_id"]: row for row in panel.contracts.to_pylist()}
    mean_days = MEAN_DAYS[panel.period]
    now = np.datetime64(panel.as_of.replace(tzinfo=None), "D").astype(np.int64)
    for i, life in zip(of_life, panel.lives.to_pylist(), strict=True):
        term = contracts.get(life["contract_id"] or "")
        if term is None or term["start_day"] is None:
            continue
        covered = (days + mean_days / 2 >= term["start_day"]) & (days < life["last_day"])
        covered &= (term["known_day"] < days) | (days >= now)
        end = NEVER if term["end_day"] is None else term["end_day"]
        length = max((end - term["start_day"]) / mean_days, 1.0)
        found["since_start"][i, covered] = np.minimum((days[covered] - term["start_day"]) / mean_days, 60.0)
        found["to_end"][i, covered] = np.clip((end - days[covered]) / mean_days, 0.0, 60.0)
        found["postpaid"][i, covered] = float(term["billing"] == "postpay")
        found["committed_amount"][i, covered] = np.nan if end == NEVER else term["committed"] / length
    return found
