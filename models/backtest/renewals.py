"""Renewals at a past origin: the book as it would have stood, what came, and what baselines say."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.currency import Rates
from models.arrays import BoolArray, FloatArray, IntArray, to_micros
from models.backtest.actuals import Actuals
from models.backtest.baselines import renewal_baselines
from models.backtest.contracts import Contracts
from models.backtest.history import Texts, in_currency
from models.backtest.rows import Cells, Forecast, by_period, cell_sums
from models.backtest.shocks import Shift, logit_shift
from models.forecast.book import Renewals
from models.forecast.groups import grouped
from models.forecast.months import Months
from models.renewal.model import RenewalModel

__all__ = ["RenewalsAt"]

_SD_OF_80 = 2 * 1.2816


@dataclass(frozen=True)
class RenewalsAt:
    """Renewals of one origin. contracts: as known at the backtest's end. rates: known at the origin."""

    contracts: Contracts
    months: Months
    rates: Rates
    overdue_days: int

    @property
    def waiting(self) -> BoolArray:
        """Contracts that wait for their decision at the origin."""
        return self.contracts.waiting_at(self.months.as_of, overdue_days=self.overdue_days)

    @property
    def due_accounts(self) -> set[str]:
        """Accounts with a contract that falls due within the months, at an amount that can be forecast."""
        due = self.waiting & (self.contracts.month_due(self.months.as_of) < self.months.count)
        due &= ~np.isnan(self.committed)
        return set(self.contracts.accounts[due])

    @property
    def committed(self) -> FloatArray:
        """Committed amounts in the reporting currency; NaN where unknown."""
        contracts = self.contracts
        return in_currency(contracts.committed, contracts.currency, self.rates, self.months.as_of)

    def book(self, frame: pa.Table, model: RenewalModel) -> Renewals:
        """The waiting contracts as the model sees them. frame: the feature rows of the origin's instant."""
        row = self._rows(frame)
        mean, low, high = model.ratio_if_renewed(frame)
        groups = {
            level: grouped([key or None for key in of[row]]) for level, of in self.contracts.groups.items()
        }
        return Renewals(
            ids=tuple(self.contracts.ids[row]),
            log_odds=model.chance.log_odds(frame),
            due=np.minimum(self.contracts.month_due(self.months.as_of)[row], self.months.count),
            committed=self.committed[row],
            ratio=np.maximum(mean, 0.0),
            ratio_sd=np.maximum(high - low, 0.0) / _SD_OF_80,
            groups=groups,
        )

    def frame_at(self, frame: pa.Table) -> pa.Table:
        """The feature rows of the origin's instant and of contracts that wait."""
        now = frame.filter(pc.equal(frame["as_of"], pa.scalar(self.months.as_of, frame["as_of"].type)))
        waiting = pa.array(self.contracts.ids[self.waiting], pa.string())
        return now.filter(pc.is_in(now["contract_id"], value_set=waiting))

    def actual(self, book: Renewals) -> Actuals:
        """What the contracts of the book renewed for."""
        counted = np.isin(self.contracts.ids.astype(str), np.array(book.ids, dtype=str))
        return Actuals.renewed(self.contracts, self.months.as_of, self.rates, counted=counted)

    def baselines(self, book: Renewals, keys: Texts, cells: Cells) -> list[Forecast]:
        """Point forecasts of the cells. keys: of each contract at the cells' level."""
        rows = self._places(book.ids)
        due = self.contracts.month_due(self.months.as_of)[rows]
        found = []
        for name, ratio in renewal_baselines(self.contracts, self.months.as_of).items():
            amount = (ratio * self.committed)[rows]
            sums = cell_sums(
                keys[rows], due, amount, level=cells.level, order=cells.keys, months=self.months.count
            )
            found.append(Forecast(name, by_period(sums.amounts, self.months)))
        return found

    def shifts(self, book: Renewals) -> dict[str, Shift | None]:
        """How far the chances were from what happened, over contracts that fell due and were decided."""
        rows = self._places(book.ids)
        due = (book.due < self.months.count) & (
            self.contracts.decided[rows] < to_micros(self.contracts.as_of)
        )
        return {
            "renewal_logit_sd": logit_shift(
                book.log_odds[due], float(self.contracts.renewed[rows][due].sum())
            )
        }

    def accounts_of(self, book: Renewals) -> list[str]:
        """The account of each contract of the book."""
        return list(self.contracts.accounts[self._places(book.ids)])

    def _rows(self, frame: pa.Table) -> IntArray:
        return self._places(frame["contract_id"].to_pylist())

    def _places(self, ids: "list[str] | tuple[str, ...]") -> IntArray:
        place = {name: row for row, name in enumerate(self.contracts.ids)}
        return np.array([place[name] for name in ids], dtype=np.int64)
