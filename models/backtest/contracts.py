"""Contracts as they were known at any instant, and what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np

from models.arrays import DAY_US, NEVER, BoolArray, FloatArray, IntArray, micros, to_micros
from models.backtest.history import Texts, account_groups, months_after, texts

__all__ = ["Contracts", "read_contracts"]

_WAIT_QUANTILE = 0.98


@dataclass(frozen=True)
class Contracts:
    """Contracts known before `as_of`, by id; times in microseconds.

    end: NEVER without a term's end. decided, renewed, renewed_amount: NEVER, False and NaN unless decided by
    then. Amounts in each contract's own currency.
    """

    as_of: datetime
    ids: Texts
    accounts: Texts
    currency: Texts
    known: IntArray
    end: IntArray
    decided: IntArray
    renewed: BoolArray
    committed: FloatArray
    renewed_amount: FloatArray
    groups: Mapping[str, Texts]

    def __len__(self) -> int:
        return self.ids.size

    def waiting_at(self, origin: datetime, *, overdue_days: int) -> BoolArray:
        """Contracts with a term's end that at an origin were known, undecided, and not overdue for longer."""
        at = to_micros(origin)
        still = (self.end < NEVER) & (self.end >= at - overdue_days * DAY_US)
        return (self.known < at) & (self.decided >= at) & still

    def month_due(self, origin: datetime) -> IntArray:
        """Months ahead in which each term ends; one overdue is due in the origin's own month."""
        return np.maximum(months_after(self.end, origin), 0)

    def wait(self, *, most_days: int) -> timedelta:
        """How long after the term's end nearly all (98 %) decisions had come, 0 to most_days."""
        seen = (self.decided < NEVER) & (self.end < NEVER)
        late = np.maximum(self.decided[seen] - self.end[seen], 0) / DAY_US
        days = float(np.quantile(late, _WAIT_QUANTILE)) if late.size else float(most_days)
        return timedelta(days=min(days, most_days))


def read_contracts(tables: Mapping[str, ir.Table], as_of: datetime, *, segment: str) -> Contracts:
    """The contracts recorded strictly before as_of, by id, with the outcomes decided by then."""
    table = tables["contracts"]
    names = (
        "contract_id", "account_id", "currency", "committed_amount", "end_at", "outcome", "renewed_amount",
        "decided_at", "known_at",
    )  # fmt: skip
    known = table.filter(table.known_at < ibis.literal(as_of, type="timestamp('UTC')"))
    rows = known.select(*names).order_by("contract_id").to_pyarrow()
    decided, outcome = micros(rows["decided_at"]), texts(rows["outcome"])
    seen = ((outcome == "renewed") | (outcome == "churned")) & (decided < to_micros(as_of))
    accounts = texts(rows["account_id"])
    renewed = seen & (outcome == "renewed")
    amount = np.asarray(rows["renewed_amount"].to_numpy(), dtype=np.float64)
    return Contracts(
        as_of=as_of,
        ids=texts(rows["contract_id"]),
        accounts=accounts,
        currency=texts(rows["currency"]),
        known=micros(rows["known_at"]),
        end=micros(rows["end_at"]),
        decided=np.where(seen, decided, NEVER),
        renewed=renewed,
        committed=np.asarray(rows["committed_amount"].to_numpy(), dtype=np.float64),
        renewed_amount=np.where(renewed, amount, np.nan),
        groups=account_groups(tables, accounts, as_of, segment=segment),
    )
