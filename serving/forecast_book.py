"""The book of a forecast, from a run's tables: what is open, what falls due, what will be used.

Reads the tables that are published, whether they lie in a file or are about to. Rules that are not the
models': - Amounts are converted at the rates that the run wrote down (those known at its as_of); what has
no rate or no
  amount is in no total and is counted.
- An open deal of type renewal is left out of bookings where a contract of its account falls due within the
  horizon at a known amount: that contract is forecast among the renewals, and one renewal must not be counted
  twice.
- Consumption after the term of a contract counts as far as the contract renews: of an account's contracts
that
  end within the horizon the one with the largest commitment decides, then the one that ends first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import PublishError
from models.arrays import BoolArray, FloatArray
from models.forecast.arrivals import NewBusiness
from models.forecast.book import Book, OpenDeals, Renewals, no_deals, no_renewals
from models.forecast.change import Standing
from models.forecast.groups import grouped
from models.forecast.months import Months
from models.forecast.overlap import counted_as_renewals
from models.forecast.shocks import Shocks
from serving.forecast_series import CONSUMPTION_FILE, consumption_series
from serving.plain_columns import instants, numbers, texts
from serving.timing import TIMING, won_by

__all__ = ["ABOUT", "forecast_about", "rates_at", "standing_of"]

ABOUT = "forecast"
"""Where a run's manifest holds what its forecast rests on, within `about`; see `forecast_about`."""

_DEALS, _SCORES, _RENEWALS = "win_deals.parquet", "win_scores.parquet", "renewal_scores.parquet"
_NO_CURRENCY = "(none)"
_Table = Callable[[str], pa.Table | None]


@dataclass(frozen=True)
class _About:
    """What the manifest says of the forecast, read back."""

    currency: str
    rates: Mapping[str, float]
    months: Months
    shocks: Shocks
    new: NewBusiness | None
    amount_factor: float
    amount_spread: float

    def rate(self, currencies: Iterable[str | None]) -> FloatArray:
        """What a unit of each currency is worth in the reporting one; NaN without a rate."""
        return np.array([self.rates.get(_code(one), np.nan) for one in currencies], dtype=np.float64)


def forecast_about(
    *,
    currency: str,
    rates: Mapping[str, float],
    horizon_months: int,
    draws: int,
    seed: int,
    shocks: Shocks,
    new: NewBusiness | None,
    amount_drift: tuple[float, float] = (1.0, 0.0),
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """What a run writes into its manifest (`about["forecast"]`), so that readers can forecast from its
    tables.

    rates: what a unit of each currency was worth at as_of, see `rates_at`. amount_drift: what won deals were
    booked at over their amount before, and the sd of its log. notes: what could not be forecast, in words.
    """
    return {
        "currency": currency,
        "rates": dict(rates),
        "horizon_months": horizon_months,
        "draws": draws,
        "seed": seed,
        "shocks": shocks.to_dict(),
        "new_business": new.to_dict() if new else None,
        "amount_drift": list(amount_drift),
        "notes": list(notes),
    }


def rates_at(rate: Callable[[str | None], float], currencies: Iterable[str | None]) -> dict[str, float]:
    """What a unit of each currency is worth; those without a rate are left out.

    rate: NaN where there is none, as `Rates.rate` at the run's as_of.
    """
    found = {_code(one): rate(one) for one in sorted(set(currencies), key=str)}
    return {code: float(worth) for code, worth in sorted(found.items()) if np.isfinite(worth)}


def standing_of(
    table: _Table, as_of: datetime, about: Mapping[str, Any], *, horizon_months: int | None = None
) -> Standing:
    """The book of a run, with what is needed to compare it with another's.

    table: gives a table by its file name, None where the run has none. about: the manifest's
    `about["forecast"]`. Raises PublishError where it is not one, or asks for more months than were forecast.
    """
    held = _read(about, as_of, horizon_months)
    left_out: dict[str, int] = {}
    renewals, contract_rates, contract_names = _renewals(table(_RENEWALS), held, left_out)
    deals, deal_rates, deal_names = _deals(table, held, left_out)
    decides = _deciding(table(_RENEWALS), renewals, held.months)
    consumption, series, foreign = consumption_series(
        table(CONSUMPTION_FILE), held.months, held.currency, decides
    )
    if foreign:
        left_out["consumption rows in another currency"] = foreign
    book = Book(held.months, held.currency, deals, held.new, renewals, consumption, held.shocks, left_out)
    names = {**contract_names, **deal_names}
    return Standing(book, series, deal_rates, contract_rates, names)


def _read(about: Mapping[str, Any], as_of: datetime, horizon_months: int | None) -> _About:
    try:
        most = int(about["horizon_months"])
        wanted = most if horizon_months is None else horizon_months
        if not 1 <= wanted <= most:
            raise PublishError(
                f"forecast: expected a horizon of 1 to {most} months, found {wanted}. A run with a longer "
                "`horizon_months` forecasts further."
            )
        new = about["new_business"]
        return _About(
            currency=about["currency"],
            rates=about["rates"],
            months=Months(as_of, wanted),
            shocks=Shocks.from_dict(about["shocks"]),
            new=NewBusiness.from_dict(new) if new else None,
            amount_factor=about["amount_drift"][0],
            amount_spread=about["amount_drift"][1],
        )
    except (KeyError, TypeError, IndexError) as error:
        raise PublishError(
            f"manifest, about, {ABOUT}: expected what a forecast rests on, found {error!r} missing. "
            "Publish again with `dealcast run`."
        ) from error


def _deals(
    table: _Table, about: _About, left_out: dict[str, int]
) -> tuple[OpenDeals, FloatArray, dict[str, str]]:
    """Open deals with their curves; without win_timing nobody knows when, and none is forecast."""
    scores, facts, timing = table(_SCORES), table(_DEALS), table(TIMING)
    if scores is None or facts is None or not scores.num_rows:
        return no_deals(about.months), np.zeros(0), {}
    if timing is None:
        left_out["open deals without a time of closing"] = scores.num_rows
        return no_deals(about.months), np.zeros(0), {}
    amount = numbers(facts, "amount")
    rate = about.rate(texts(facts, "currency"))
    twice = counted_as_renewals(
        texts(facts, "type"), texts(facts, "account_id"), _due_accounts(table(_RENEWALS), about)
    )
    _count(left_out, "renewal deals, forecast as renewals of their account's contract", twice)
    _count(left_out, "open deals without an amount", ~twice & np.isnan(amount))
    _count(left_out, "open deals without an exchange rate", ~twice & ~np.isnan(amount) & np.isnan(rate))
    kept = np.flatnonzero(~twice)
    p_win = numbers(scores, "p_win")
    by_month = won_by(timing, about.months.end_days)
    share = np.divide(by_month, p_win[:, None], out=np.zeros_like(by_month), where=p_win[:, None] > 0)
    share = np.maximum.accumulate(np.clip(share, 0.0, 1.0), axis=1)
    ids = _ids(scores, "opportunity_id")
    groups = {"region": "region", "segment": "segment", "account": "account_id"}
    held = {level: texts(facts, column) for level, column in groups.items() if column in facts.column_names}
    owners = zip(texts(facts, "owner"), texts(facts, "owner_id"), strict=True)
    held["owner"] = [name or one for name, one in owners]
    deals = OpenDeals(
        ids=tuple(ids[row] for row in kept),
        log_odds=numbers(scores, "log_odds")[kept],
        share_closed=share[kept],
        amount=(amount * rate * about.amount_factor)[kept],
        groups={level: grouped([keys[row] for row in kept]) for level, keys in held.items()},
        spread=about.amount_spread,
    )
    names = {one: name for one, name in zip(ids, texts(facts, "name"), strict=True) if name}
    return deals, np.where(np.isnan(rate), 1.0, rate)[kept], names


def _renewals(
    scores: pa.Table | None, about: _About, left_out: dict[str, int]
) -> tuple[Renewals, FloatArray, dict[str, str]]:
    if scores is None or not scores.num_rows:
        return no_renewals(), np.zeros(0), {}
    committed, rate = numbers(scores, "committed_amount"), about.rate(texts(scores, "currency"))
    ids, ends = _ids(scores, "contract_id"), instants(scores, "end_at")
    due = about.months.due(ends)
    _count(left_out, "contracts without an end", np.array([end is None for end in ends]))
    within = due < about.months.count
    _count(left_out, "contracts due without a committed amount", within & np.isnan(committed))
    unrated = within & ~np.isnan(committed) & np.isnan(rate)
    _count(left_out, "contracts due without an exchange rate", unrated)
    groups = {"region": "region", "segment": "segment", "account": "account_id"}
    renewals = Renewals(
        ids=tuple(ids),
        log_odds=numbers(scores, "log_odds"),
        due=due,
        committed=committed * rate,
        ratio=numbers(scores, "ratio_if_renewed"),
        ratio_sd=numbers(scores, "ratio_if_renewed_sd"),
        groups={level: grouped(texts(scores, column)) for level, column in groups.items()},
    )
    names = {one: name for one, name in zip(ids, texts(scores, "account"), strict=True) if name}
    return renewals, np.where(np.isnan(rate), 1.0, rate), names


def _due_accounts(scores: pa.Table | None, about: _About) -> set[str]:
    """Accounts with a contract that falls due within the horizon, at an amount that can be forecast."""
    if scores is None or not scores.num_rows:
        return set()
    due = about.months.due(instants(scores, "end_at")) < about.months.count
    due &= ~np.isnan(numbers(scores, "committed_amount") * about.rate(texts(scores, "currency")))
    accounts = texts(scores, "account_id")
    return {account for account, counts in zip(accounts, due, strict=True) if counts and account}


def _deciding(scores: pa.Table | None, renewals: Renewals, months: Months) -> dict[str, int]:
    """By account the row of the renewal that decides about its use after the term."""
    held = list(enumerate(texts(scores, "account_id"))) if scores is not None else []
    worth, due, ids = np.nan_to_num(renewals.committed), renewals.due, renewals.ids
    ends_in_time = due < months.count
    ranked = sorted(
        held, key=lambda one: (not ends_in_time[one[0]], -worth[one[0]], due[one[0]], ids[one[0]])
    )
    decides: dict[str, int] = {}
    for row, account in ranked:
        if account:
            decides.setdefault(account, row)
    return decides


def _count(left_out: dict[str, int], reason: str, rows: BoolArray) -> None:
    if rows.any():
        left_out[reason] = int(rows.sum())


def _ids(table: pa.Table, column: str) -> list[str]:
    held: list[str] = table[column].to_pylist()
    return held


def _code(currency: str | None) -> str:
    return (currency or "").strip().upper() or _NO_CURRENCY
