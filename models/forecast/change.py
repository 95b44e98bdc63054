"""What changed between two forecasts, taken apart into terms that add up exactly.

Means are compared, not draws: they are exact, so the terms are too. Terms stand on the months that both runs
forecast; what lies in months that only one of them has is the term "window". A deal that both runs hold
moves in steps, always in the same order (amount, currency, timing, probability, model), each step starting
where the one before ended. Bookings, renewals and consumption are different measures: each has a change of
its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.errors import ModelContractError, UsageError
from models.arrays import FloatArray, IntArray
from models.calibration import sigmoid
from models.forecast.book import Book
from models.forecast.by_month import (
    coming_by_month,
    consumption_by_month,
    deals_by_month,
    goes_on,
    kept,
    renewals_by_month,
)
from models.forecast.shocks import BOOKINGS, CONSUMPTION, OPEN_DEALS, RENEWALS

__all__ = ["Outcome", "PartChange", "Rescored", "Standing", "Term", "change_between"]

_LARGEST = 3


@dataclass(frozen=True)
class Standing:
    """What a run expected, and what is needed to say why it is another now.

    book: of the run. series: the name of each series of consumption, the same from run to run. deal_rates,
    contract_rates: what a unit of each row's own currency was worth in the book's; ones where all amounts
    are in the book's currency. names: of deals, contracts and series by id, to be shown.
    """

    book: Book
    series: Sequence[str] = ()
    deal_rates: FloatArray | None = None
    contract_rates: FloatArray | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {
            "series": (self.series, len(self.book.consumption.mean)),
            "deal_rates": (self.deal_rates, len(self.book.deals.ids)),
            "contract_rates": (self.contract_rates, len(self.book.renewals.ids)),
        }
        for name, (held, rows) in sizes.items():
            if held is not None and len(held) != rows:
                raise ModelContractError(
                    f"{name} of a forecast's standing: expected {rows}, found {len(held)}. One a row."
                )


@dataclass(frozen=True)
class Outcome:
    """How a deal ended between two runs; amount in the reporting currency, None if unknown."""

    won: bool
    amount: float | None = None


@dataclass(frozen=True)
class Rescored:
    """What the model of the run before says about the rows of the run after, in their order.

    Each is None where it is not known: then a change of model is part of the term for probabilities, or
    timing.
    """

    deal_log_odds: FloatArray | None = None
    deal_share_closed: FloatArray | None = None
    contract_log_odds: FloatArray | None = None


@dataclass(frozen=True)
class Term:
    """One reason: what it adds to the forecast, from how many rows. largest: id and amount of up to three.

    booked: for deals won, what they were booked for.
    """

    name: str
    amount: float
    count: int
    largest: tuple[tuple[str, float], ...] = ()
    booked: float | None = None


@dataclass(frozen=True)
class PartChange:
    """before + the sum of the terms = after, for one part over the months named.

    first, last: the months that both runs forecast, empty where they share none.
    """

    part: str
    before: float
    after: float
    terms: tuple[Term, ...]
    first: str
    last: str

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True)
class _Window:
    """Places of the shared months in either run."""

    before: slice
    after: slice
    names: tuple[str, ...]


def change_between(
    before: Standing,
    after: Standing,
    *,
    outcomes: Mapping[str, Outcome] | None = None,
    rescored: Rescored | None = None,
) -> tuple[PartChange, ...]:
    """The change of bookings, renewals and consumption, each with its terms.

    outcomes: by deal, how those ended that are open no more; a deal that is missing there is "left" without
    saying whether it was won. Raises UsageError if the later run stands first, or the currencies differ.
    """
    window = _window(before.book, after.book)
    old_model = rescored or Rescored()
    return (
        _bookings(before, after, window, outcomes or {}, old_model),
        _renewals(before, after, window, old_model),
        _consumption(before, after, window, old_model),
    )


def _window(before: Book, after: Book) -> _Window:
    if after.months.as_of < before.months.as_of or before.currency != after.currency:
        raise UsageError(
            f"change since the run before: expected a run at or after {before.months.as_of:%Y-%m-%d} in "
            f"{before.currency or 'the same currency'}, found {after.months.as_of:%Y-%m-%d} in "
            f"{after.currency or 'another'}. Forecast again with one reporting_currency."
        )
    passed = min(before.months.place(after.months.as_of), before.months.count)
    shared = min(before.months.count - passed, after.months.count)
    return _Window(
        slice(passed, passed + shared), slice(0, shared), before.months.names[passed : passed + shared]
    )


def _bookings(
    before: Standing, after: Standing, window: _Window, outcomes: Mapping[str, Outcome], model: Rescored
) -> PartChange:
    old, new = before.book.deals, after.book.deals
    old_by_month, new_by_month = deals_by_month(before.book), deals_by_month(after.book)
    old_worth, new_worth = (
        old_by_month[:, window.before].sum(axis=1),
        new_by_month[:, window.after].sum(axis=1),
    )
    was, now = _matched(old.ids, new.ids)
    came, gone = _rest(len(new.ids), now), _rest(len(old.ids), was)
    won = [row for row in gone if old.ids[row] in outcomes and outcomes[old.ids[row]].won]
    lost = [row for row in gone if old.ids[row] in outcomes and not outcomes[old.ids[row]].won]
    left = [row for row in gone if old.ids[row] not in outcomes]
    ends = [outcomes[old.ids[row]].amount for row in won]
    terms = [
        _term("new_deals", new_worth, new.ids, came),
        _term("won", -old_worth, old.ids, won, booked=sum(end for end in ends if end is not None)),
        _term("lost", -old_worth, old.ids, lost),
        _term("left", -old_worth, old.ids, left),
    ]
    terms += _deal_steps(before, after, window, was, now, model)
    coming_old, coming_new = (coming_by_month(one.book).sum(axis=0) for one in (before, after))
    coming = float(coming_new[window.after].sum() - coming_old[window.before].sum())
    terms.append(Term("not_yet_created", coming, int(coming != 0)))
    by_month = (old_by_month.sum(axis=0) + coming_old, new_by_month.sum(axis=0) + coming_new)
    return _part(BOOKINGS, by_month, terms, window)


def _deal_steps(
    before: Standing, after: Standing, window: _Window, was: IntArray, now: IntArray, model: Rescored
) -> list[Term]:
    """What moved the deals that both runs hold."""
    old, new, ids = before.book.deals, after.book.deals, [before.book.deals.ids[row] for row in was]
    old_rate, new_rate = (
        _rates(before.deal_rates, len(old.ids))[was],
        _rates(after.deal_rates, len(new.ids))[now],
    )
    price_old = before.book.price.get(OPEN_DEALS, 1.0)
    price_new = after.book.price.get(OPEN_DEALS, 1.0)
    own_old = np.nan_to_num(old.amount[was] * price_old) / old_rate
    own_new = _unless_rounding(np.nan_to_num(new.amount[now] * price_new) / new_rate, own_old)
    mass_old = _mass(old.share_closed[was], window.before)
    mass_new = _mass(new.share_closed[now], window.after)
    scored = model.deal_share_closed
    mass_same = mass_new if scored is None else _mass(scored[now], window.after)
    p_old, p_new = sigmoid(old.log_odds[was]), sigmoid(new.log_odds[now])
    p_same = p_new if model.deal_log_odds is None else sigmoid(model.deal_log_odds[now])
    path = [
        ("amount", own_new * old_rate * mass_old * p_old),
        ("currency", own_new * new_rate * mass_old * p_old),
        ("timing", own_new * new_rate * mass_same * p_old),
        ("probability", own_new * new_rate * mass_same * p_same),
        ("model", own_new * new_rate * mass_new * p_new),
    ]
    return _steps(own_old * old_rate * mass_old * p_old, path, ids)


def _renewals(before: Standing, after: Standing, window: _Window, model: Rescored) -> PartChange:
    old, new = before.book.renewals, after.book.renewals
    old_by_month, new_by_month = renewals_by_month(before.book), renewals_by_month(after.book)
    was, now = _matched(old.ids, new.ids)
    old_rate = _rates(before.contract_rates, len(old.ids))[was]
    new_rate = _rates(after.contract_rates, len(new.ids))[now]
    price_old, price_new = (one.book.price.get(RENEWALS, 1.0) for one in (before, after))
    own_old = np.nan_to_num(old.committed * price_old)[was] / old_rate
    own_new = _unless_rounding(np.nan_to_num(new.committed * price_new)[now] / new_rate, own_old)
    ratio_old, ratio_new = old.ratio[was], new.ratio[now]
    due_old, due_new = _due(old.due[was], window.before), _due(new.due[now], window.after)
    p_old, p_new = sigmoid(old.log_odds[was]), sigmoid(new.log_odds[now])
    p_same = p_new if model.contract_log_odds is None else sigmoid(model.contract_log_odds[now])
    path = [
        ("amount", own_new * old_rate * ratio_old * due_old * p_old),
        ("ratio", own_new * old_rate * ratio_new * due_old * p_old),
        ("currency", own_new * new_rate * ratio_new * due_old * p_old),
        ("timing", own_new * new_rate * ratio_new * due_new * p_old),
        ("renewal_probability", own_new * new_rate * ratio_new * due_new * p_same),
        ("model", own_new * new_rate * ratio_new * due_new * p_new),
    ]
    terms = [
        _term("decided", -old_by_month[:, window.before].sum(axis=1), old.ids, _rest(len(old.ids), was)),
        _term("new_contracts", new_by_month[:, window.after].sum(axis=1), new.ids, _rest(len(new.ids), now)),
        *_steps(own_old * old_rate * ratio_old * due_old * p_old, path, [old.ids[row] for row in was]),
    ]
    return _part(RENEWALS, (old_by_month.sum(axis=0), new_by_month.sum(axis=0)), terms, window)


def _consumption(before: Standing, after: Standing, window: _Window, model: Rescored) -> PartChange:
    old, new = before.book.consumption, after.book.consumption
    price_old, price_new = (one.book.price.get(CONSUMPTION, 1.0) for one in (before, after))
    old_by_month, new_by_month = consumption_by_month(before.book), consumption_by_month(after.book)
    was, now = _matched(before.series, after.series)
    mean_old = price_old * old.mean[was, window.before]
    mean_new = price_new * new.mean[now, window.after]
    ends_old, ends_new = old.after_term[was, window.before], new.after_term[now, window.after]
    p_old = goes_on(old, before.book.renewals.log_odds)[was]
    p_new = goes_on(new, after.book.renewals.log_odds)[now]
    scored = model.contract_log_odds
    p_same = p_new if scored is None else goes_on(new, scored)[now]
    path = [
        ("usage", kept(mean_new, ends_old, p_old).sum(axis=1)),
        ("terms", kept(mean_new, ends_new, p_old).sum(axis=1)),
        ("renewal_probability", kept(mean_new, ends_new, p_same).sum(axis=1)),
        ("model", kept(mean_new, ends_new, p_new).sum(axis=1)),
    ]
    came, gone = _rest(len(new.mean), now), _rest(len(old.mean), was)
    terms = [
        _term("ended", -old_by_month[:, window.before].sum(axis=1), before.series, gone),
        _term("started", new_by_month[:, window.after].sum(axis=1), after.series, came),
        *_steps(kept(mean_old, ends_old, p_old).sum(axis=1), path, [before.series[row] for row in was]),
    ]
    return _part(CONSUMPTION, (old_by_month.sum(axis=0), new_by_month.sum(axis=0)), terms, window)


def _part(
    part: str, by_month: tuple[FloatArray, FloatArray], terms: Sequence[Term], window: _Window
) -> PartChange:
    """The part with its last term: months that only one of the runs forecasts."""
    old, new = by_month
    passed = float(old[: window.before.start].sum() + old[window.before.stop :].sum())
    added = float(new[window.after.stop :].sum())
    months = len(old) + len(new) - 2 * len(window.names)
    kept = [term for term in terms if term.count] + [Term("window", added - passed, months)]
    first, last = (window.names[0], window.names[-1]) if window.names else ("", "")
    return PartChange(part, float(old.sum()), float(new.sum()), tuple(kept), first, last)


def _steps(start: FloatArray, path: Sequence[tuple[str, FloatArray]], ids: Sequence[str]) -> list[Term]:
    """One term per step, of the rows that it moves."""
    terms = []
    for name, reached in path:
        moved = reached - start
        terms.append(_term(name, moved, ids, np.flatnonzero(moved)))
        start = reached
    return terms


def _term(
    name: str,
    amounts: FloatArray,
    ids: Sequence[str],
    rows: Sequence[int] | IntArray,
    *,
    booked: float | None = None,
) -> Term:
    rows = np.asarray(rows, dtype=np.int64)
    ranked = sorted((-abs(float(amounts[row])), ids[row], float(amounts[row])) for row in rows)
    largest = tuple((one, amount) for _, one, amount in ranked[:_LARGEST])
    return Term(name, float(amounts[rows].sum()), int(rows.size), largest, booked)


def _matched(before: Sequence[str], after: Sequence[str]) -> tuple[IntArray, IntArray]:
    """The rows of what both hold, in the order of the later."""
    places = {one: row for row, one in enumerate(before)}
    pairs = [(places[one], row) for row, one in enumerate(after) if one in places]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _rest(n: int, rows: IntArray) -> IntArray:
    return np.setdiff1d(np.arange(n), rows)


def _rates(rates: FloatArray | None, n: int) -> FloatArray:
    return np.ones(n) if rates is None else rates


def _unless_rounding(amount: FloatArray, before: FloatArray) -> FloatArray:
    """The amounts; those before where only the way through another rate tells them apart."""
    return np.where(np.abs(amount - before) <= 1e-12 * np.abs(before), before, amount)


def _mass(share_closed: FloatArray, months: slice) -> FloatArray:
    """The share of wins that falls into the months."""
    return np.diff(share_closed, axis=1, prepend=0.0)[:, months].sum(axis=1)


def _due(due: IntArray, months: slice) -> FloatArray:
    return ((due >= months.start) & (due < months.stop)).astype(np.float64)
