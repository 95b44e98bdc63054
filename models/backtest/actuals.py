"""What really came after an origin, cell by cell, as known at the backtest's end.

Amounts stand in the reporting currency at the rate known at the origin, so that a forecast is not blamed for
what currencies did. Bookings count in the month of their close, told apart by whether the deal existed at the
origin; renewals in the month in which the term ends; a contract past its wait counts as not renewed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from data.currency import Rates
from models.arrays import BoolArray, FloatArray, IntArray, to_micros
from models.backtest.contracts import Contracts
from models.backtest.history import Deals, Texts, in_currency, months_after
from models.backtest.rows import Cells, cell_sums, group_keys
from models.forecast.groups import TOTAL
from models.forecast.months import Months

__all__ = ["Actuals", "ended_months"]


@dataclass(frozen=True)
class Actuals:
    """The amounts that count after one origin, and where: row for row with deals or contracts.

    month: months ahead. amount: NaN where nothing came or nothing can be said in the reporting currency.
    levels: the keys of each level, in the order of the cells.
    """

    month: IntArray
    amount: FloatArray
    keys: Mapping[str, Texts]
    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def booked(cls, deals: Deals, origin: datetime, rates: Rates, *, counted: BoolArray) -> "Actuals":
        """What the counted deals booked from the origin on. deals: as known at the backtest's end."""
        won = counted & deals.won & (deals.closed >= to_micros(origin))
        amount = in_currency(deals.booked_amounts(deals.as_of), deals.currency, rates, origin)
        return cls._of(months_after(deals.closed, origin), np.where(won, amount, np.nan), deals.groups)

    @classmethod
    def renewed(
        cls, contracts: Contracts, origin: datetime, rates: Rates, *, counted: BoolArray
    ) -> "Actuals":
        """What the counted contracts renewed for; a renewal without an amount is as committed."""
        told = np.where(np.isnan(contracts.renewed_amount), contracts.committed, contracts.renewed_amount)
        amount = in_currency(np.where(contracts.renewed, told, 0.0), contracts.currency, rates, origin)
        return cls._of(contracts.month_due(origin), np.where(counted, amount, np.nan), contracts.groups)

    @classmethod
    def _of(cls, month: IntArray, amount: FloatArray, groups: Mapping[str, Texts]) -> "Actuals":
        keys = group_keys(groups, amount.size)
        levels = {level: tuple(sorted(set(of))) for level, of in keys.items()} | {TOTAL: (TOTAL,)}
        return cls(month, amount, keys, levels)

    def cells(self, level: str, *, months: int, order: Sequence[str] | None = None) -> Cells:
        """The amounts by key and month ahead at a level. order: the keys; all that occur unless given."""
        return cell_sums(
            self.keys[level],
            self.month,
            self.amount,
            level=level,
            order=self.levels[level] if order is None else order,
            months=months,
        )


def ended_months(origin: datetime, by: datetime, *, at_most: int) -> int:
    """How many months ahead, from the origin's own, had wholly ended by an instant.

    >>> from datetime import UTC
    >>> ended_months(datetime(2025, 1, 6, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC), at_most=6)
    3
    """
    return sum(1 for end in Months(origin, at_most).edges[1:] if end <= by)
