"""The inputs of a simulated forecast, as plain arrays: one book holds all that is forecast at one `as_of`.

Amounts stand in the book's one currency; NaN where an amount is unknown or has no rate: such a row is not
simulated, and counted in `Book.left_out`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray, IntArray
from models.forecast.arrivals import NewBusiness
from models.forecast.groups import Group, Groups
from models.forecast.months import Months
from models.forecast.shocks import Shocks

__all__ = ["Book", "Consumption", "OpenDeals", "Renewals", "no_consumption", "no_deals", "no_renewals"]

_TIE = 1e-9


@dataclass(frozen=True)
class OpenDeals:
    """Deals open at `as_of`, each by its own id, which also keys its random numbers.

    log_odds: shape (n,), of being won; infinite where it is settled. share_closed: shape (n, m), the share of
    eventual wins that are won by the end of each month, not decreasing. amount: shape (n,). groups: by name
    (region, segment, owner, ...). spread: shape (n,) or a number, the log sd of what a won deal is worth
    against its amount now, its mean held.
    """

    ids: tuple[str, ...]
    log_odds: FloatArray
    share_closed: FloatArray
    amount: FloatArray
    groups: Groups = field(default_factory=dict)
    spread: FloatArray | float = 0.0

    def __post_init__(self) -> None:
        n = len(self.ids)
        _check_ids("open deals", self.ids)
        _check_shapes("open deals", n, self.groups, log_odds=self.log_odds, amount=self.amount)
        shares = self.share_closed
        if shares.ndim != 2 or len(shares) != n:
            raise _shape("open deals", "share_closed", f"({n}, months)", shares.shape)
        _check_numbers("open deals", self.ids, log_odds=self.log_odds)
        falls = np.diff(shares, axis=1, prepend=0.0) < -_TIE
        bad = np.flatnonzero(falls.any(axis=1) | ~(shares <= 1 + _TIE).all(axis=1))
        if bad.size:
            raise ModelContractError(
                f"share_closed: expected shares from 0 to 1 that do not fall from month to month; "
                f"{bad.size} deals differ, first {self.ids[bad[0]]!r}: "
                f"{shares[bad[0]].round(4).tolist()[:6]}. "
                "Ask the timing model again."
            )


@dataclass(frozen=True)
class Renewals:
    """Contracts that wait for their renewal, by id.

    log_odds: shape (n,), of being renewed. due: shape (n,), the place of the month that the term ends in (0
    for an overdue one; the number of months or more where it lies beyond the horizon). committed: shape
    (n,), the amount of the term that ends. ratio, ratio_sd: shape (n,), renewed ÷ committed if renewed, and
    its spread.
    """

    ids: tuple[str, ...]
    log_odds: FloatArray
    due: IntArray
    committed: FloatArray
    ratio: FloatArray
    ratio_sd: FloatArray
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.ids)
        _check_ids("renewals", self.ids)
        columns: dict[str, Any] = {
            "log_odds": self.log_odds, "due": self.due, "committed": self.committed,
            "ratio": self.ratio, "ratio_sd": self.ratio_sd,
        }  # fmt: skip
        _check_shapes("renewals", n, self.groups, **columns)
        _check_numbers("renewals", self.ids, log_odds=self.log_odds, ratio=self.ratio, ratio_sd=self.ratio_sd)
        if (self.ratio_sd < 0).any() or (self.ratio < 0).any() or (self.due < 0).any():
            raise ModelContractError(
                "renewals: expected ratios, their spread and months due of zero or more, found negative "
                "ones. Score the contracts again."
            )


@dataclass(frozen=True)
class Consumption:
    """Series of consumption (account x product), months x money.

    mean: shape (s, m), if every contract goes on. relative_sd: shape (s, m), error of a series on its own,
    relative to its mean. contract: shape (s,), row in `Renewals` that decides what comes after its term, -1
    for none. after_term: shape (s, m), share of the mean that falls after that term. common_sd: shape (m,)
    or None, the relative error that all series share, where the consumption forecast tells it.
    """

    mean: FloatArray
    relative_sd: FloatArray
    contract: IntArray
    after_term: FloatArray
    groups: Groups = field(default_factory=dict)
    common_sd: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.mean)
        _check_shapes("consumption", n, self.groups, contract=self.contract)
        for name, held in (("relative_sd", self.relative_sd), ("after_term", self.after_term)):
            if held.shape != self.mean.shape:
                raise _shape("consumption", name, str(self.mean.shape), held.shape)
        held_all = np.concatenate([self.mean, self.relative_sd, self.after_term], axis=None)
        if not np.isfinite(held_all).all() or (held_all < 0).any() or (self.after_term > 1 + _TIE).any():
            raise ModelContractError(
                "consumption: expected means, errors and shares of zero or more, shares at most 1; found "
                "others or missing ones. Forecast the consumption again."
            )


@dataclass(frozen=True)
class Book:
    """All that is forecast at `months.as_of`, in one currency.

    deals, renewals, consumption may be empty. new: deals not yet created, None where history is too thin.
    left_out: rows that are in no total, by reason in words. price: a factor on all amounts of a part, 1
    unless given (a scenario's).
    """

    months: Months
    currency: str
    deals: OpenDeals
    new: NewBusiness | None
    renewals: Renewals
    consumption: Consumption
    shocks: Shocks = field(default_factory=Shocks)
    left_out: Mapping[str, int] = field(default_factory=dict)
    price: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        m = self.months.count
        for what, held in (("deals", self.deals.share_closed), ("consumption", self.consumption.mean)):
            if len(held) and held.shape[1] != m:
                raise _shape(what, "months", str(m), held.shape)
        contracts = self.consumption.contract
        if contracts.size and not -1 <= contracts.min() <= contracts.max() < len(self.renewals.ids):
            raise ModelContractError(
                f"consumption: expected rows of the {len(self.renewals.ids)} renewals or -1 as contracts, "
                f"found {contracts.min()} to {contracts.max()}."
            )

    @property
    def unpriced(self) -> dict[str, int]:
        """How many rows have no amount in the book's currency, by part; they are in no total."""
        found = {"open deals": self.deals.amount, "renewals": self.renewals.committed}
        counts = {part: int(np.isnan(amount).sum()) for part, amount in found.items()}
        return {part: n for part, n in counts.items() if n}


def no_deals(months: Months) -> OpenDeals:
    """No open deal at all."""
    return OpenDeals((), np.zeros(0), np.zeros((0, months.count)), np.zeros(0))


def no_renewals() -> Renewals:
    """No contract at all."""
    return Renewals((), np.zeros(0), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))


def no_consumption(months: Months) -> Consumption:
    """No series at all."""
    nothing = np.zeros((0, months.count))
    return Consumption(nothing, nothing, np.zeros(0, np.int64), nothing)


def _check_ids(what: str, ids: Sequence[str]) -> None:
    if len(set(ids)) != len(ids):
        raise ModelContractError(f"{what}: expected each id once, found {len(ids) - len(set(ids))} repeated.")


def _check_shapes(what: str, n: int, groups: Mapping[str, Group], **columns: Any) -> None:
    for name, values in (columns | {name: group.codes for name, group in groups.items()}).items():
        if values.shape != (n,):
            raise _shape(what, name, f"({n},)", values.shape)


def _check_numbers(what: str, ids: Sequence[str], **columns: FloatArray) -> None:
    for name, values in columns.items():
        bad = np.flatnonzero(np.isnan(values))
        if bad.size:
            raise ModelContractError(
                f"{what}, {name}: expected a number for each, found {bad.size} missing, first "
                f"{ids[bad[0]]!r}. Score again."
            )


def _shape(what: str, name: str, expected: str, found: object) -> ModelContractError:
    return ModelContractError(f"{what}, {name}: expected {expected}, found {found}.")
