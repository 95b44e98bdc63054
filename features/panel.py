"""The consumption panel: what each account used of each product, by month or week, in one currency.

Rows of `usage` recorded before `as_of` are added up by account, product and period. The rules:

- A period counts once it is over and the usual delay of recording has passed. The delay is learnt: of how
  late the last row of each contract's period came, the 90 % point, at most 31 days.
- Duplicate days add up. Credit notes are negative rows and reduce their period; a period that is negative
  on balance stays so here, and is counted (forecasts start from 0 instead).
- From first use to the last complete period, a period without use is zero. Before first use there is
  nothing. A series ends with the last of its contracts that is known to have churned.
- Use without a date counts when it was recorded; use without a product is of the product `unknown`.
- Amounts have the currency of their contract; without one, that of the account's contracts, if they agree.
  All of the history is converted at the rate known at as_of, so that a rate that moves is not mistaken for
  use that moves. What has no currency or no rate is left out and counted.
- Use of a contract before its start or after its end stays in the series, and is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.currency import Rates
from features.accounts import accounts_known
from features.exposure import NEVER, exposure, life_table
from features.panel_contracts import contracts_known
from features.periods import Period, period_number, period_starts
from features.snapshots import DAY, Calendar

__all__ = ["UNKNOWN", "LeftOut", "Panel", "consumption_panel"]

UNKNOWN = "unknown"
"""Stands for a product, region or segment that the source does not name."""

_MOST_DELAY_DAYS = 31
_USUAL = 0.9
_RECENT = 3
"""Complete periods by which an account's use is shared out among its contracts."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LeftOut:
    """Rows that were left out, or that need a word: how many, and why. used: whether they count."""

    reason: str
    rows: int
    used: bool


@dataclass(frozen=True)
class Panel:
    """Use by account, product and period, with what forecasts of it need to know.

    last: number of the last complete period (`features.periods`). series: account_id, product, first and
    last (numbers of its first and last period), ended (its contracts have churned), region, segment; one row
    per account and product. amounts: account_id, product, period_start (date), amount, exposure (the part
    of a mean period in which use could be recorded), by series and period. lives: see `features.exposure`.
    contracts: see `features.panel_contracts`. groups: region and segment of every account known, also of
    those without use. Amounts are in `currency`.
    """

    as_of: datetime
    period: Period
    currency: str
    delay_days: float
    last: int
    series: pa.Table
    amounts: pa.Table
    contracts: pa.Table
    lives: pa.Table
    groups: dict[str, tuple[str, str]]
    left_out: tuple[LeftOut, ...]


def consumption_panel(
    tables: Mapping[str, ir.Table], as_of: datetime, *, period: Period, rates: Rates, segment: str
) -> Panel:
    """The panel as known just before as_of. segment: the column of accounts that finance groups by."""
    calendar = Calendar(as_of, DAY)
    rows = _use_rows(tables["usage"], calendar, period)
    contracts = contracts_known(tables, as_of, rates)
    amounts, without = _in_one_currency(rows, contracts, rates, as_of)
    delay = _delay_days(rows, period, calendar.anchor_s)
    last = _last_complete(calendar.anchor_s, delay, period)
    number = rows["number"].to_numpy()
    counted = ~np.isnan(amounts)
    complete = counted & (number <= last)
    kept = rows.filter(pa.array(complete)).append_column("amount", pa.array(amounts[complete]))
    lives = life_table(kept, contracts, recent_from=last - _RECENT + 1)
    groups = _groups(tables, calendar, segment)
    series, long = _series(kept, lives, last, period)
    notes = (
        *_left_out(rows, without, counted & ~complete),
        *_told(kept, contracts, int(pc.sum(pc.less(long["amount"], 0)).as_py() or 0)),
    )
    return Panel(
        as_of, period, rates.currency, delay, last, _grouped(series, groups), long,
        contracts, lives, groups, notes,
    )  # fmt: skip


def _use_rows(usage: ir.Table, calendar: Calendar, period: Period) -> pa.Table:
    """Use known before as_of by account, product, contract and period; cents, so that sums are exact.

    Columns: account_id, product, contract_id, number, cents, rows, weekday (days since 1970 modulo 7, if all
    dates share it), dates (distinct), first_s, known_s (the latest), before, after (rows), undated (rows).
    """
    known = usage.filter(usage.known_at < ibis.literal(calendar.as_of, type="timestamp('UTC')"))
    known = known.mutate(
        at=known.usage_date.coalesce(known.known_at), product=known.product.coalesce(UNKNOWN)
    )
    known = known.mutate(at_s=calendar.seconds(known["at"]), known_s=calendar.seconds(known.known_at))
    known = known.mutate(day=(known.at_s.cast("float64") / DAY).floor().cast("int64"))
    known = known.mutate(number=period_number(known["at"], known.at_s, period), weekday=known.day % 7)
    keys = ["account_id", "product", "contract_id", "number"]
    found = known.group_by(keys).agg(
        cents=(known.amount * 100.0).round().cast("int64").sum().cast("int64"),
        rows=known.count(where=known.amount.notnull()),
        empty=known.count(where=known.amount.isnull()),
        undated=known.count(where=known.usage_date.isnull()),
        dates=known.day.nunique(),
        weekday=known.weekday.min(),
        other_weekday=known.weekday.max(),
        first_s=known.at_s.min(),
        last_s=known.at_s.max(),
        known_s=known.known_s.max(),
    )
    return found.order_by(keys).to_pyarrow()


def _in_one_currency(
    rows: pa.Table, contracts: pa.Table, rates: Rates, as_of: datetime
) -> tuple[Floats, dict[str, int]]:
    """The rows' amounts in the reporting currency, NaN where it cannot be told; rows left out by reason."""
    of_contract = dict(
        zip(contracts["contract_id"].to_pylist(), contracts["currency"].to_pylist(), strict=True)
    )
    of_account: dict[str, set[str | None]] = {}
    for account, currency in zip(
        contracts["account_id"].to_pylist(), contracts["currency"].to_pylist(), strict=True
    ):
        of_account.setdefault(account, set()).add(currency)
    codes: list[str | None] = []
    unclear = np.zeros(rows.num_rows, dtype=bool)
    pairs = zip(rows["contract_id"].to_pylist(), rows["account_id"].to_pylist(), strict=True)
    for place, (contract, account) in enumerate(pairs):
        agreed = of_account.get(account, {None})
        code = of_contract.get(contract) if contract in of_contract else None
        unclear[place] = code is None and len(agreed) > 1
        codes.append(code or (next(iter(agreed)) if len(agreed) == 1 else None))
    cents = rows["cents"].to_numpy(zero_copy_only=False).astype(np.float64)
    converted = rates.convert(cents / 100.0, codes, as_of)
    n = rows["rows"].to_numpy()
    has_amount = ~np.isnan(cents)
    no_rate = has_amount & ~unclear & np.isnan(converted.amounts)
    without = {
        f"no rate from {code or 'no currency'} to {rates.currency or 'a reporting currency'}": int(
            n[no_rate & np.array([one == code for one in codes], dtype=bool)].sum()
        )
        for code in sorted({codes[i] for i in np.flatnonzero(no_rate)}, key=str)
    }
    if unclear.any():
        without["no contract, and the account's contracts are in several currencies"] = int(n[unclear].sum())
    return np.where(unclear, np.nan, converted.amounts), without


def _delay_days(rows: pa.Table, period: Period, now_s: int) -> float:
    """How long after a period its use is usually all recorded, in days, 0 to 31."""
    number = rows["number"].to_numpy()
    end_s = period_starts(number + 1, period).astype(np.int64) * DAY
    settled = end_s + _MOST_DELAY_DAYS * DAY <= now_s
    late = np.maximum(rows["known_s"].to_numpy()[settled] - end_s[settled], 0) / DAY
    if not late.size:
        return 0.0
    return float(min(np.quantile(late, _USUAL), _MOST_DELAY_DAYS))


def _last_complete(now_s: int, delay_days: float, period: Period) -> int:
    """The last period that had ended, delay included, by now."""
    day = np.array([(now_s - delay_days * DAY) // DAY], dtype=np.int64)
    return int(_number_of(day, period)[0]) - 1


def _left_out(
    rows: pa.Table, without: Mapping[str, int], incomplete: npt.NDArray[np.bool_]
) -> tuple[LeftOut, ...]:
    """What does not count, and why."""
    n = rows["rows"].to_numpy()
    found = [LeftOut(reason, count, used=False) for reason, count in without.items()]
    found.append(LeftOut("no amount", int(pc.sum(rows["empty"]).as_py() or 0), used=False))
    found.append(LeftOut("of a period not complete yet", int(n[incomplete].sum()), used=False))
    found.append(
        LeftOut("no date: taken as used when recorded", int(pc.sum(rows["undated"]).as_py() or 0), True)
    )
    return tuple(one for one in found if one.rows)


def _told(rows: pa.Table, contracts: pa.Table, negative: int) -> tuple[LeftOut, ...]:
    """What counts, but needs a word."""
    term = {row["contract_id"]: row for row in contracts.to_pylist()}
    days = zip(
        rows["contract_id"].to_pylist(), rows["first_s"].to_pylist(), rows["last_s"].to_pylist(),
        rows["rows"].to_pylist(), strict=True,
    )  # fmt: skip
    before = after = 0
    for contract, first_s, last_s, n in days:
        start, end = (term.get(contract, {}).get(name) for name in ("start_day", "end_day"))
        before += n if start is not None and last_s < start * DAY else 0
        after += n if end is not None and first_s >= end * DAY else 0
    found = (
        LeftOut("before its contract's start: use, but not of the commitment", before, used=True),
        LeftOut("after its contract's end", after, used=True),
        LeftOut(
            "periods negative on balance, by credit notes: forecasts take them as zero", negative, used=True
        ),
    )
    return tuple(one for one in found if one.rows)


def _series(rows: pa.Table, lives: pa.Table, last: int, period: Period) -> tuple[pa.Table, pa.Table]:
    """The series, and their periods from first use to the end with gaps as zeros."""
    ids, series = _numbered(rows)
    number, n = rows["number"].to_numpy(), len(ids)
    first, until = np.full(n, NEVER), np.full(n, -NEVER)
    np.minimum.at(first, series, number)
    np.maximum.at(until, series, number)
    _, of_life = _numbered(lives)
    end = np.full(n, -NEVER)
    np.maximum.at(end, of_life, lives["last_day"].to_numpy())
    ended = (end < NEVER) & (_number_of(end - 1, period) < last)
    until = np.where(ended, np.maximum(until, _number_of(end - 1, period)), last)
    base = int(first.min()) if n else last
    every = np.arange(base, last + 1)
    dense = np.zeros((n, len(every)))
    np.add.at(dense, (series, number - base), rows["amount"].to_numpy())
    parts = exposure(lives, of_life, every, period, shared=False)
    of, at = np.nonzero((every >= first[:, None]) & (every <= until[:, None]))
    accounts, products = (pa.array([one[k] for one in ids], pa.string()) for k in (0, 1))
    long = pa.table({
        "account_id": accounts.take(pa.array(of)), "product": products.take(pa.array(of)),
        "period_start": pa.array(period_starts(every[at], period), pa.date32()),
        "amount": pa.array(np.round(dense[of, at], 2)), "exposure": pa.array(parts[of, at]),
    })  # fmt: skip
    table = pa.table({
        "account_id": accounts, "product": products, "first": pa.array(first, pa.int64()),
        "last": pa.array(until, pa.int64()), "ended": pa.array(ended),
    })  # fmt: skip
    return table, long


def _numbered(rows: pa.Table) -> tuple[list[tuple[str, str]], Ints]:
    """The series (account_id, product) in their order, and the place of each row's."""
    pairs = list(zip(rows["account_id"].to_pylist(), rows["product"].to_pylist(), strict=True))
    ids = sorted(set(pairs))
    place = {pair: i for i, pair in enumerate(ids)}
    return ids, np.array([place[pair] for pair in pairs], dtype=np.int64)


def _number_of(day: Ints, period: Period) -> Ints:
    """The number of the period that each day since 1970 lies in."""
    if period == "monthly":
        return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return (day - 4) // 7


def _groups(tables: Mapping[str, ir.Table], calendar: Calendar, segment: str) -> dict[str, tuple[str, str]]:
    """Region and segment of each account recorded by then."""
    accounts = accounts_known(tables, calendar.as_of)
    grouped = accounts[segment].cast("string") if segment in accounts.columns else ibis.null("string")
    known = accounts.select(
        "account_id", region=accounts.region.coalesce(UNKNOWN), segment=grouped.coalesce(UNKNOWN)
    ).to_pyarrow()
    return {row["account_id"]: (row["region"], row["segment"]) for row in known.to_pylist()}


def _grouped(series: pa.Table, groups: Mapping[str, tuple[str, str]]) -> pa.Table:
    """The series with the region and segment of their accounts."""
    accounts = series["account_id"].to_pylist()
    for place, name in enumerate(("region", "segment")):
        values = [groups.get(account, (UNKNOWN, UNKNOWN))[place] for account in accounts]
        series = series.append_column(name, pa.array(values, pa.string()))
    return series
