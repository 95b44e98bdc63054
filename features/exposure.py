"""In how much of a period use can be recorded, from the contracts' terms and the rhythm of recording.

Use that is recorded once a week falls four or five times into a month; a contract that starts mid-month has
half a month; one that is known to have churned has none after its end. Such swings are known beforehand, so
amounts are divided by them before a forecast and multiplied after it.

A life is one contract's use of one product. It ends with a churned contract's term, or with the term of one
whose successor is recorded: a contract of the account that starts from a month before that end to three
months after it. The successor takes over its share. Every other life is open: what becomes of it is not
known. Use without a contract, or under one that is not known, is open from its first day.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.periods import MEAN_DAYS, Period, period_starts, weekdays_within
from features.snapshots import DAY

__all__ = ["NEVER", "exposure", "life_table", "successors"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Row = dict[str, Any]

NEVER = 10**7
"""A day that does not come, in days since 1970."""

_ENOUGH_DATES = 4
_EARLIEST_DAYS, _LATEST_DAYS = 31, 92
_SCHEMA = pa.schema({
    "account_id": pa.string(), "product": pa.string(), "contract_id": pa.string(), "first_day": pa.int64(),
    "last_day": pa.int64(), "weekday": pa.int64(), "share": pa.float64(), "in_term": pa.float64(),
})  # fmt: skip


def life_table(rows: pa.Table, contracts: pa.Table, *, recent_from: int) -> pa.Table:
    """The lives by account_id, product, first_day and contract_id.

    rows: use by account, product, contract and period, as in `features.panel`, with `amount`. contracts: see
    `features.panel_contracts`. Columns: first_day and last_day (days since 1970; the last excluded, NEVER if
    open), weekday (days since 1970 modulo 7 if all use is recorded on it, else -1), share (of what the series
    used since the period `recent_from`, predecessors' included; alike where nothing was used) and in_term
    (amount used since the contract's start).
    """
    terms: dict[str, Row] = {row["contract_id"]: row for row in contracts.to_pylist()}
    follows = successors(contracts)
    found: dict[tuple[str, str], dict[str | None, Row]] = {}
    for row in rows.to_pylist():
        lives = found.setdefault((row["account_id"], row["product"]), {})
        _add(lives.setdefault(row["contract_id"], _born(row)), row, terms, recent_from)
    table = [life for lives in found.values() for life in _closed(lives, terms, follows)]
    table.sort(
        key=lambda life: (life["account_id"], life["product"], life["first_day"], life["contract_id"] or "")
    )
    return pa.Table.from_pylist(table, schema=_SCHEMA)


def successors(contracts: pa.Table) -> dict[str, str]:
    """The contract that takes each one's place, where one is recorded: the account's next by its start."""
    by_account: dict[str, list[Row]] = {}
    for row in contracts.to_pylist():
        by_account.setdefault(row["account_id"], []).append(row)
    follows = {}
    for rows in by_account.values():
        started = [row for row in rows if row["start_day"] is not None]
        taken: set[str] = set()
        for row in rows:
            end = row["end_day"]
            if end is None or row["outcome"] == "churned":
                continue
            near = [
                other for other in started
                if other["contract_id"] not in taken | {row["contract_id"]}
                and end - _EARLIEST_DAYS <= other["start_day"] <= end + _LATEST_DAYS
                and other["start_day"] > (row["start_day"] if row["start_day"] is not None else -NEVER)
            ]  # fmt: skip
            if near:
                next_one = min(near, key=lambda other: (abs(other["start_day"] - end), other["contract_id"]))
                follows[row["contract_id"]] = next_one["contract_id"]
                taken.add(next_one["contract_id"])
    return follows


def exposure(lives: pa.Table, series: Ints, numbers: Ints, period: Period, *, shared: bool) -> Floats:
    """The part of a mean period in which use can be recorded, shape (series, periods); at most all of it.

    series: the place of each life's series, 0 up. numbers: of the periods, one after the other. shared: for
    periods ahead: lives count with their share of the recent use, since one of several that ends takes only
    its own part along. Else a period counts wherever any life covers it.
    """
    first, last = (period_starts(n, period).astype(np.int64) for n in (numbers, numbers + 1))
    begin = np.maximum(first, lives["first_day"].to_numpy()[:, None])
    end = np.minimum(last, lives["last_day"].to_numpy()[:, None])
    weekday = lives["weekday"].to_numpy()[:, None]
    times = weekdays_within(begin, end, np.maximum(weekday, 0))
    part = np.where(weekday >= 0, 7.0 * times, np.maximum(end - begin, 0)) / MEAN_DAYS[period]
    n = int(series.max()) + 1 if series.size else 0
    if shared:
        part = part * lives["share"].to_numpy()[:, None]
    found = np.zeros((n, len(numbers)))
    np.add.at(found, series, part)
    full = np.zeros((n, len(numbers)))
    whole = np.where(weekday >= 0, 7.0 * weekdays_within(first, last, np.maximum(weekday, 0)), last - first)
    np.maximum.at(full, series, whole / MEAN_DAYS[period])
    return np.minimum(found, full)


def _born(row: Row) -> Row:
    return {
        "account_id": row["account_id"], "product": row["product"], "contract_id": row["contract_id"],
        "first_day": NEVER, "last_day": NEVER, "weekday": row["weekday"], "dates": 0, "recent": 0.0,
        "in_term": 0.0,
    }  # fmt: skip


def _add(life: Row, row: Row, terms: dict[str, Row], recent_from: int) -> None:
    """Count one period's use to a life."""
    start = terms.get(row["contract_id"] or "", {}).get("start_day")
    first = row["first_s"] // DAY
    life["first_day"] = min(life["first_day"], first, first if start is None else start)
    life["dates"] += row["dates"]
    if not row["weekday"] == row["other_weekday"] == life["weekday"]:
        life["weekday"] = -1
    if row["number"] >= recent_from:
        life["recent"] += row["amount"]
    if start is None or row["last_s"] // DAY >= start:
        life["in_term"] += row["amount"]


def _closed(lives: dict[str | None, Row], terms: dict[str, Row], follows: dict[str, str]) -> list[Row]:
    """The lives with their ends and shares, and those that take over before any use of theirs."""
    found = {contract: dict(life, share=max(life["recent"], 0.0)) for contract, life in lives.items()}
    total = sum(life["share"] for life in found.values())
    if total == 0:
        heads = [one for one in found if one not in set(follows.values()) or one is None]
        found = {one: dict(life, share=float(one in heads)) for one, life in found.items()}
        total = float(len(heads))
    queue = sorted(filter(None, lives), key=lambda one: (_end_day(terms, one), one))
    while queue:
        contract = queue.pop(0)
        life, term = found[contract], terms.get(contract, {})
        if term.get("outcome") == "churned":
            life["last_day"] = _end_day(terms, contract)
        if contract in follows:
            later, start = follows[contract], terms[follows[contract]]["start_day"]
            life["last_day"] = start
            if later not in found:
                unused = {"contract_id": later, "first_day": start, "last_day": NEVER, "share": 0.0}
                found[later] = dict(life, **unused, in_term=0.0)
                queue.insert(0, later)
            found[later]["share"] += life["share"]
    for life in found.values():
        life["weekday"] = life["weekday"] if life["dates"] >= _ENOUGH_DATES else -1
        life["share"] = life["share"] / total if total > 0 else 0.0
    return [{name: life[name] for name in _SCHEMA.names} for life in found.values()]


def _end_day(terms: dict[str, Row], contract: str) -> int:
    """The end of a contract's term, NEVER where none is recorded."""
    day = terms.get(contract, {}).get("end_day")
    return NEVER if day is None else int(day)
