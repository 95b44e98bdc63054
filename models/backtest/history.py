"""Deals as the CRM's histories tell them, at any instant: what forecasts are compared with, and made from.

Only this module and `models.labels` look past an instant; each function says up to where.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from data.currency import Rates
from data.schema import SOURCE_ROW
from features.accounts import accounts_known
from models.arrays import NEVER, BoolArray, FloatArray, IntArray, micros, to_micros

__all__ = [
    "Deals",
    "History",
    "Texts",
    "account_groups",
    "in_currency",
    "months_after",
    "numbers",
    "read_deals",
    "texts",
]

Texts = npt.NDArray[np.object_]

_FIELDS = ("amount", "close_date", "forecast_category", "stage")


@dataclass(frozen=True)
class History:
    """Changes of one field, in the order in which they hold: deal (row number), at (microseconds), value."""

    deal: IntArray
    at: IntArray
    value: Texts

    def before(self, instant: datetime, deals: int) -> Texts:
        """Each deal's value known strictly before an instant, shape (deals,); None where there is none."""
        return self.before_each(np.full(deals, to_micros(instant), dtype=np.int64))

    def before_each(self, at: IntArray) -> Texts:
        """Each deal's value known strictly before an instant of its own, shape (deals,)."""
        known = np.flatnonzero(self.at < at[self.deal])
        found = np.full(at.size, None, dtype=object)
        # of repeated places numpy keeps the last value, which is the latest change
        found[self.deal[known]] = self.value[known]
        return found


@dataclass(frozen=True)
class Deals:
    """Deals known before `as_of`, row for row: times in microseconds, `closed` NEVER unless decided by then.

    groups: the present region and segment of each deal's account, by level; missing is "".
    """

    as_of: datetime
    ids: Texts
    accounts: Texts
    kind: Texts
    currency: Texts
    created: IntArray
    closed: IntArray
    won: BoolArray
    groups: Mapping[str, Texts]
    histories: Mapping[str, History]

    def __len__(self) -> int:
        return self.ids.size

    def open_at(self, instant: datetime) -> BoolArray:
        """Deals that exist and are not known to be closed at an instant."""
        at = to_micros(instant)
        return (self.created < at) & (self.closed >= at)

    def amounts_at(self, instant: datetime) -> FloatArray:
        """Amounts known strictly before an instant, in each deal's own currency; NaN where unknown."""
        return numbers(self.histories["amount"].before(instant, len(self)))

    def booked_amounts(self, now: datetime) -> FloatArray:
        """The amounts that closed deals were booked at: known at the close, NaN where the deal is open.

        A value typed in at the very instant of the close counts. now: up to where changes are read.
        """
        at = np.minimum(self.closed, to_micros(now) - 1) + 1
        return np.where(self.closed < NEVER, numbers(self.histories["amount"].before_each(at)), np.nan)


def read_deals(tables: Mapping[str, ir.Table], as_of: datetime, *, segment: str) -> Deals:
    """The deals created strictly before as_of, by id, with what was known of them by then."""
    instant = ibis.literal(as_of, type="timestamp('UTC')")
    deals = tables["opportunities"]
    rows = (
        deals.filter(deals.created_at < instant)
        .select("opportunity_id", "account_id", "type", "currency", "created_at", "closed_at", "outcome")
        .order_by("opportunity_id")
        .to_pyarrow()
    )
    end = to_micros(as_of)
    closed, outcome = micros(rows["closed_at"]), texts(rows["outcome"])
    decided = ((outcome == "won") | (outcome == "lost")) & (closed < end)
    accounts = texts(rows["account_id"])
    return Deals(
        as_of=as_of,
        ids=texts(rows["opportunity_id"]),
        accounts=accounts,
        kind=texts(rows["type"]),
        currency=texts(rows["currency"]),
        created=micros(rows["created_at"]),
        closed=np.where(decided, closed, NEVER),
        won=decided & (outcome == "won"),
        groups=account_groups(tables, accounts, as_of, segment=segment),
        histories=_histories(tables["opportunity_changes"], as_of, rows["opportunity_id"]),
    )


def account_groups(
    tables: Mapping[str, ir.Table], accounts: Texts, as_of: datetime, *, segment: str
) -> dict[str, Texts]:
    """The region and the segment of given accounts recorded before as_of, as they stand; "" where unknown."""
    table = accounts_known(tables, as_of)
    columns = {"region": "region", "segment": segment}
    wanted = [name for name in dict.fromkeys(columns.values()) if name in table.columns]
    rows = table.select("account_id", *wanted).to_pyarrow()
    place = {name: row for row, name in enumerate(rows["account_id"].to_pylist())}
    row = np.array([place.get(name, -1) for name in accounts], dtype=np.int64)
    found = {}
    for level, column in columns.items():
        values = texts(pc.cast(rows[column], "string")) if column in wanted else texts(rows["account_id"])
        every = np.append(np.where(values == None, "", values), "")  # noqa: E711
        found[level] = every[row] if column in wanted else np.full(row.size, "", dtype=object)
    return found


def in_currency(amounts: FloatArray, currencies: Texts, rates: Rates, at: datetime) -> FloatArray:
    """Amounts in the reporting currency at the rate known at an instant; NaN without a rate."""
    return rates.convert(amounts, list(currencies), at).amounts


def months_after(at: IntArray, origin: datetime) -> IntArray:
    """Calendar months from the one that holds `origin` to each time's (microseconds); 0 for its own.

    A time that never came is further than any month.
    """
    come = at < NEVER
    month = np.where(come, at, 0).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    first = (origin.year - 1970) * 12 + origin.month - 1
    return np.where(come, month - first, np.iinfo(np.int32).max)


def texts(column: Any) -> Texts:
    """A text column as objects, None where it is null."""
    return np.array(column.to_pylist(), dtype=object)


def numbers(values: Texts) -> FloatArray:
    """Texts as numbers; NaN where there is none, or the text is no number."""
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: str | None) -> float:
    try:
        return float(value) if value is not None else np.nan
    except ValueError:
        return np.nan


def _histories(changes: ir.Table, as_of: datetime, ids: Any) -> dict[str, History]:
    known = changes.filter(
        changes.field.isin(_FIELDS), changes.changed_at < ibis.literal(as_of, type="timestamp('UTC')")
    )
    order = [name for name in ("changed_at", SOURCE_ROW) if name in known.columns]
    rows = known.order_by(order).select("opportunity_id", "field", "new_value", "changed_at").to_pyarrow()
    place: Any = pc.fill_null(pc.index_in(rows["opportunity_id"], value_set=ids.combine_chunks()), -1)
    deal = np.asarray(place, dtype=np.int64)
    at, value, field = micros(rows["changed_at"]), texts(rows["new_value"]), texts(rows["field"])
    found = {}
    for name in _FIELDS:
        row = np.flatnonzero((field == name) & (deal >= 0))
        found[name] = History(deal[row], at[row], value[row])
    return found
