"""Forecast use by how it is paid: drawn down from a commitment, over it, post-paid, or without a contract.

A series' use is shared out among its contracts by their part in its recent use, each from its start to its
end (`features.exposure`). What then happens depends on the contract's billing:

- post-paid: what is used is what is paid, whatever was committed;
- commit or prepaid: use counts against the committed amount, what was used before in the term included; the
  rest is overage. Without a known committed amount all of it is overage;
- anything else, and use without a contract: uncontracted.

After the end of a term whose outcome is not known and that has no successor, use depends on a renewal. It
is told as if the contract renewed as it stands: same billing, same commitment, same length, a new draw-down.
`after_term` is the part of each period's forecast that so depends, for a simulation to multiply by its
chance. A contract overdue for longer than `overdue_days` is not waited for: its use is uncontracted. A
contract known to have churned has no use after its end.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.exposure import NEVER
from features.periods import Dates
from models.arrays import FloatArray, IntArray

__all__ = ["PARTS", "Terms", "split_by_terms"]

PARTS = ("drawdown", "overage", "postpay", "uncontracted")
"""How use is paid; the parts of a forecast add up to it."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Terms:
    """Whole cents (n, H) of each part, adding up to the forecast; after_term: cents that need a renewal."""

    drawdown: IntArray
    overage: IntArray
    postpay: IntArray
    uncontracted: IntArray
    after_term: IntArray


def split_by_terms(
    cents: IntArray, used: FloatArray, ids: list[tuple[str, str]], lives: pa.Table, contracts: pa.Table,
    *, first_days: Dates, as_of_day: int, overdue_days: int,
) -> Terms:  # fmt: skip
    """The parts of a forecast.

    cents (n, H): forecast of each series and period. used (m,): amount used within the term of each life
    before the first period, gaps forecast included. ids: (account_id, product) of each series. lives,
    contracts: of the panel. first_days (H + 1,): where the periods begin, and the last one ends.
    """
    days = first_days.astype("datetime64[D]").astype(np.int64)
    place = {one: i for i, one in enumerate(ids)}
    terms = {row["contract_id"]: row for row in contracts.to_pylist()}
    rows = lives.to_pylist()
    series = np.array([place[row["account_id"], row["product"]] for row in rows], dtype=np.int64)
    shares = _shares(rows, series, len(ids), days)
    found = {part: np.zeros(cents.shape) for part in (*PARTS, "after_term")}
    by_contract: dict[str | None, list[int]] = {}
    for i, row in enumerate(rows):
        by_contract.setdefault(row["contract_id"], []).append(i)
    for contract, lines in by_contract.items():
        use = shares[lines] * cents[series[lines]]
        split = _paid(
            terms.get(contract or ""),
            use.sum(axis=0),
            100.0 * float(used[lines].sum()),
            days,
            as_of_day,
            overdue_days,
        )
        for name, part in split.items():
            np.add.at(found[name], series[lines], use * part)
    return _whole(cents, found)


def _shares(rows: list[Row], series: IntArray, n: int, days: IntArray) -> FloatArray:
    """Each life's part of its series' use in each period, (m, H); they add up to 1 where any covers it."""
    first = np.array([row["first_day"] for row in rows], dtype=np.int64)[:, None]
    last = np.array([row["last_day"] for row in rows], dtype=np.int64)[:, None]
    share = np.array([row["share"] for row in rows])[:, None]
    covered = np.maximum(np.minimum(days[1:], last) - np.maximum(days[:-1], first), 0)
    weight = covered * np.maximum(share, 1e-9)
    total = np.zeros((n, len(days) - 1))
    np.add.at(total, series, weight)
    return weight / np.where(total[series] > 0, total[series], 1.0)


def _paid(
    term: Row | None, use: FloatArray, used: float, days: IntArray, as_of_day: int, overdue_days: int
) -> dict[str, FloatArray]:
    """The parts, by fraction (H,), of one contract's use (H,) in cents. used: cents of the term before it."""
    none = np.zeros(len(use))
    parts = {name: none.copy() for name in (*PARTS, "after_term")}
    end = NEVER if term is None or term["end_day"] is None else int(term["end_day"])
    billing = term["billing"] if term is not None else None
    waits = term is not None and term["outcome"] is None
    if waits and end + overdue_days < as_of_day:
        billing, waits = None, False
    after = np.clip((days[1:] - np.maximum(days[:-1], end)) / np.diff(days), 0.0, 1.0)
    parts["after_term"] = after if waits else none
    if billing not in ("postpay", "commit", "prepaid") or term is None:
        parts["uncontracted"] += 1.0
        return parts
    if billing == "postpay":
        parts["postpay"] += 1.0
        return parts
    committed = 0.0 if np.isnan(term["committed"] or np.nan) else max(100.0 * term["committed"], 0.0)
    parts["drawdown"] = _drawn(use, after, used, committed, days, end, term["start_day"])
    parts["overage"] = 1.0 - parts["drawdown"]
    return parts


def _drawn(
    use: FloatArray,
    after: FloatArray,
    used: float,
    committed: float,
    days: IntArray,
    end: int,
    start: int | None,
) -> FloatArray:
    """The fraction of each period's use that the commitment covers, a new one with each new term."""
    length = end - start if start is not None and end < NEVER else NEVER
    left, ends = max(committed - used, 0.0), end
    fraction = np.zeros(len(use))
    for h in range(len(use)):
        at, until, drawn = int(days[h]), int(days[h + 1]), 0.0
        while at < until:
            while ends <= at:
                left, ends = committed, ends + max(length, 1)
            stop = min(until, ends)
            piece = use[h] * (stop - at) / (until - int(days[h]))
            taken = min(left, piece)
            drawn, left, at = drawn + taken, left - taken, stop
        fraction[h] = drawn / use[h] if use[h] > 0 else 0.0
    return fraction


def _whole(cents: IntArray, found: dict[str, FloatArray]) -> Terms:
    """Whole cents whose parts add up to the forecast: each part is the step between rounded running sums."""
    known = sum(found[part] for part in PARTS)
    missing = np.maximum(cents - known, 0.0)
    found = {**found, "uncontracted": found["uncontracted"] + missing}
    total = np.maximum(sum(found[part] for part in PARTS), 1e-12)
    running, before, whole = np.zeros(cents.shape), np.zeros(cents.shape, dtype=np.int64), {}
    for part in PARTS:
        running = running + found[part]
        reached = np.round(running / total * cents).astype(np.int64)
        whole[part], before = reached - before, reached
    after = np.minimum(np.round(found["after_term"]).astype(np.int64), cents)
    return Terms(**whole, after_term=after)
