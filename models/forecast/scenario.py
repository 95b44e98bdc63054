"""What if: a book with some things changed, forecast again by difference.

Random numbers belong to each deal, so what is not touched stays as it was in every draw, and the scenario
equals a simulation of the changed book, bit for bit. Chances answer to nothing that is not said: a higher
price does not make a win less likely here.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from data.errors import ModelContractError, UsageError
from models.arrays import FloatArray
from models.forecast.book import Book, OpenDeals
from models.forecast.by_month import deal_lots, renewal_lots
from models.forecast.coming import Coming, change_new_business
from models.forecast.draws import Draws, PartDraws
from models.forecast.groups import TOTAL, Group, Groups
from models.forecast.lots import change_lots
from models.forecast.shocks import CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS
from models.forecast.simulate import Setup, expect, setup_of, usage_of
from models.forecast.using import change_consumption

__all__ = [
    "Change",
    "Churned",
    "DealLost",
    "DealMoved",
    "DealWon",
    "PriceChange",
    "Renewed",
    "UsageGrowth",
    "change_told",
    "changed_book",
    "scenario",
]


_FEW = 12


@dataclass(frozen=True)
class DealWon:
    """The deal is won: in a month (2026-11), or when it is expected to be."""

    deal: str
    month: str | None = None


@dataclass(frozen=True)
class DealLost:
    """The deal is lost."""

    deal: str


@dataclass(frozen=True)
class DealMoved:
    """The deal, if it is won, is won in that month, or so many days later than expected (earlier: negative).

    Its chance stays. Moved earlier, what was expected beyond the horizon stays beyond it.
    """

    deal: str
    month: str | None = None
    days: float | None = None


@dataclass(frozen=True)
class Renewed:
    """The contract is renewed."""

    contract: str


@dataclass(frozen=True)
class Churned:
    """The contract is not renewed."""

    contract: str


@dataclass(frozen=True)
class PriceChange:
    """All amounts times a factor, or those of one key of a level (region "south"), in the parts named.

    A part that has no such level stays as it is. Chances stay.
    """

    factor: float
    level: str = TOTAL
    key: str = TOTAL
    parts: tuple[str, ...] = (OPEN_DEALS, NOT_YET_CREATED, RENEWALS, CONSUMPTION)


@dataclass(frozen=True)
class UsageGrowth:
    """Consumption times a factor in every month: all of it, or that of one key of a level (an account)."""

    factor: float
    level: str = TOTAL
    key: str = TOTAL


Change = DealWon | DealLost | DealMoved | Renewed | Churned | PriceChange | UsageGrowth


def change_told(change: Change) -> str:
    """A scenario's change in words.

    >>> change_told(DealMoved("D1", days=-14)), change_told(PriceChange(1.05, "region", "EMEA"))
    ('deal D1 closes 14 days earlier', 'prices × 1.05 of region EMEA')
    """
    match change:
        case DealWon(deal, month):
            return f"deal {deal} is won{f' in {month}' if month else ''}"
        case DealLost(deal):
            return f"deal {deal} is lost"
        case DealMoved(deal, month, days):
            way = f"{abs(days or 0):g} days {'earlier' if (days or 0) < 0 else 'later'}"
            return f"deal {deal} closes {f'in {month}' if month else way}"
        case Renewed(contract):
            return f"contract {contract} renews"
        case Churned(contract):
            return f"contract {contract} ends with its term"
        case PriceChange() | UsageGrowth():
            what = "prices" if isinstance(change, PriceChange) else "use"
            whose = "" if change.level == TOTAL else f" of {change.level} {change.key}"
            return f"{what} × {change.factor:g}{whose}"


def scenario(book: Book, draws: Draws, changes: Sequence[Change]) -> Draws:
    """The draws of the changed book, from those of `book`: only what differs is drawn again.

    Raises UsageError for a deal, contract or key that the book does not have, ModelContractError if the draws
    are of another book.
    """
    if draws.book is not book:
        raise ModelContractError("scenario: the draws are of another book. Simulate this book first.")
    after = changed_book(book, changes)
    setup = setup_of(after, draws.by, draws.draws, draws.seed)
    parts = {part: _again(part, held, book, after, setup) for part, held in draws.parts.items()}
    return Draws(after, draws.draws, draws.seed, draws.by, parts, expect(after, setup))


def changed_book(book: Book, changes: Sequence[Change]) -> Book:
    """The book with the changes made, one after the other."""
    for change in changes:
        book = _changed(book, change)
    return book


def _again(part: str, held: PartDraws, book: Book, after: Book, setup: Setup) -> PartDraws:
    """The part's draws in the changed book."""
    sums, cells = {level: values.copy() for level, values in held.sums.items()}, setup.cells[part]
    if part == OPEN_DEALS:
        change_lots(deal_lots(book.deals), deal_lots(after.deals), cells, setup.deals, sums)
    elif part == RENEWALS:
        old, new = (renewal_lots(one.renewals, book.months.count) for one in (book, after))
        change_lots(old, new, cells, setup.renewals, sums)
    elif part == CONSUMPTION:
        change_consumption(usage_of(book), usage_of(after), setup.renewals, cells, sums)
    elif book.new is not None and after.new is not None and book.new is not after.new:
        coming = Coming(book.months, book.shocks, setup.deals)
        change_new_business(book.new, after.new, coming, cells, sums)
    return replace(held, sums=sums, price=after.price.get(part, 1.0))


def _changed(book: Book, change: Change) -> Book:
    if isinstance(change, DealWon | DealLost | DealMoved):
        return replace(book, deals=_deal_changed(book, change))
    if isinstance(change, Renewed | Churned):
        row = _row(book.renewals.ids, change.contract, "contract")
        settled = np.inf if isinstance(change, Renewed) else -np.inf
        return replace(
            book, renewals=replace(book.renewals, log_odds=_put(book.renewals.log_odds, row, settled))
        )
    _check_factor(change.factor)
    if isinstance(change, UsageGrowth):
        return _scaled(book, change, (CONSUMPTION,))
    unknown = [part for part in change.parts if part not in _GROUPS]
    if unknown:
        raise UsageError(f"price: expected parts among {', '.join(_GROUPS)}; found {', '.join(unknown)}.")
    return _scaled(book, change, change.parts)


def _deal_changed(book: Book, change: DealWon | DealLost | DealMoved) -> OpenDeals:
    deals, months = book.deals, book.months
    row = _row(deals.ids, change.deal, "deal")
    log_odds, share = deals.log_odds, deals.share_closed
    if isinstance(change, DealLost):
        return replace(deals, log_odds=_put(log_odds, row, -np.inf))
    if isinstance(change, DealWon):
        log_odds = _put(log_odds, row, np.inf)
    if change.month is not None:
        settled = (np.arange(months.count) >= months.place_of(change.month)).astype(np.float64)
        share = _put(share, row, settled)
    elif isinstance(change, DealMoved):
        if change.days is None or not np.isfinite(change.days):
            raise UsageError(
                f"deal {change.deal!r}: moved where? Name a month (as {months.names[0]}) or a number of days."
            )
        ends = np.concatenate([[0.0], months.end_days])
        moved = np.interp(months.end_days - change.days, ends, np.concatenate([[0.0], share[row]]))
        share = _put(share, row, moved)
    return replace(deals, log_odds=log_odds, share_closed=share)


_GROUPS: Mapping[str, Callable[[Book], Groups]] = {
    OPEN_DEALS: lambda book: book.deals.groups,
    NOT_YET_CREATED: lambda book: book.new.groups if book.new else {},
    RENEWALS: lambda book: book.renewals.groups,
    CONSUMPTION: lambda book: book.consumption.groups,
}


def _scaled(book: Book, change: PriceChange | UsageGrowth, parts: Sequence[str]) -> Book:
    """The book with the amounts of a key, or all, times the factor."""
    if change.level == TOTAL:
        factors = {part: book.price.get(part, 1.0) * change.factor for part in parts}
        return replace(book, price={**book.price, **factors})
    held = {part: _GROUPS[part](book)[change.level] for part in parts if change.level in _GROUPS[part](book)}
    known = sorted({key for group in held.values() for key in group.keys})
    if change.key not in known:
        _unknown(change.key, known, change.level)
    for part, group in held.items():
        book = _part_scaled(book, part, _factors(group, change))
    return book


def _part_scaled(book: Book, part: str, factors: FloatArray) -> Book:
    if part == OPEN_DEALS:
        return replace(book, deals=replace(book.deals, amount=book.deals.amount * factors))
    if part == RENEWALS:
        renewals = book.renewals
        return replace(book, renewals=replace(renewals, committed=renewals.committed * factors))
    if part == CONSUMPTION:
        used = book.consumption
        return replace(book, consumption=replace(used, mean=used.mean * factors[:, None]))
    if book.new is None:
        return book
    return replace(book, new=replace(book.new, amount_scale=book.new.amount_scale * factors))


def _factors(group: Group, change: PriceChange | UsageGrowth) -> FloatArray:
    factors = np.ones(group.codes.size)
    factors[group.rows(change.key)] = change.factor
    return factors


def _put(values: FloatArray, row: int, value: float | FloatArray) -> FloatArray:
    changed = values.copy()
    changed[row] = value
    return changed


def _row(ids: Sequence[str], wanted: str, what: str) -> int:
    if wanted not in ids:
        _unknown(wanted, ids, what)
    return ids.index(wanted)


def _unknown(wanted: str, known: Sequence[str], what: str) -> NoReturn:
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
    few = f"It has {', '.join(sorted(known))}." if 0 < len(known) <= _FEW else f"It has {len(known)} of them."
    remedy = f"Near matches: {', '.join(near)}." if near else few
    raise UsageError(f"scenario: no {what} {wanted!r} is in the forecast. {remedy}")


def _check_factor(factor: float) -> None:
    if not (np.isfinite(factor) and factor >= 0):
        raise UsageError(f"scenario: expected a factor of zero or more (1.05 for 5 % more), found {factor}.")
