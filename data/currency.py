"""Amounts in one reporting currency, at the rate that was known at an instant.

Rows of `exchange_rates` say what one unit of a currency is worth in another, from `rate_date` until the
pair's next rate. At an instant the rate of a pair is, of its rows with `rate_date` at or before the instant
and `known_at` before it, the one of the latest `rate_date`; of several of one date (a correction), the one
known last, then the one that stands last in the source. So what is recorded later changes nothing about an
earlier instant. A row counts in both directions; the direction of the source goes first where both are told
of the same date and time. Where a pair has no rate yet, it is crossed through one third currency that has
both legs, the first by name. What has no rate is never converted, and so never summed with other currencies.

Codes are compared without regard to case and surrounding blanks. An amount without a currency counts as one
in the reporting currency only if no deal and no contract known by then names any; else it has no rate.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.schema import SOURCE_ROW, TABLES

__all__ = ["NO_CURRENCY", "Converted", "Rates", "reporting_currency"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Instants = datetime | Sequence[datetime] | npt.NDArray[np.datetime64]

NO_CURRENCY = "(none)"
"""What amounts that name no currency are counted under."""

_WITH_CURRENCY = ("opportunities", "contracts")


@dataclass(frozen=True)
class Converted:
    """amounts: in the reporting currency, NaN without a rate or an amount. missing: rows that have an
    amount but no rate, by currency."""

    amounts: Floats
    missing: dict[str, int]


@dataclass(frozen=True)
class _Pair:
    """The rates of one pair, by the instant from which they stand: since_us rising, in epoch microseconds."""

    since_us: Ints
    rate: Floats

    def at(self, us: Ints) -> Floats:
        """The rate at each instant; NaN before the first."""
        place = np.searchsorted(self.since_us, us, side="right") - 1
        return np.where(place >= 0, self.rate[np.maximum(place, 0)], np.nan)


@dataclass(frozen=True)
class Rates:
    """The exchange rates known before an instant, and the currency that amounts are converted to.

    currency: the reporting currency, "" where the source names none. pairs: rates by (from, to), both ways.
    names_currencies: whether any deal or contract known before the instant names its currency.
    """

    currency: str
    names_currencies: bool
    pairs: Mapping[tuple[str, str], _Pair]

    @classmethod
    def read(cls, tables: Mapping[str, ir.Table], as_of: datetime) -> "Rates":
        """The rates recorded strictly before as_of, to the commonest currency until `to` says another."""
        counts = _currency_counts(tables, as_of)
        return cls(_commonest(counts), bool(counts), _pairs(_known_rates(tables, as_of)))

    def to(self, currency: str) -> "Rates":
        """The same rates, converting to another currency."""
        return replace(self, currency=_code(currency))

    def convert(self, amounts: npt.ArrayLike, currencies: Iterable[str | None], at: Instants) -> Converted:
        """The amounts, shape (n,), in the reporting currency, at the rate known at `at`.

        currencies: the code of each amount; an Arrow column will do. at: one instant for all, or one for
        each amount; an instant without a zone counts as UTC.
        """
        values = np.array(amounts, dtype=np.float64)
        names, places = _coded(currencies)
        instants = np.broadcast_to(_microseconds(at), values.shape)
        result = np.full(len(values), np.nan)
        missing: dict[str, int] = {}
        for place, code in enumerate(names):
            rows = np.flatnonzero(places == place)
            result[rows] = values[rows] * self._rates(code, instants[rows])
            lost = int((np.isnan(result[rows]) & ~np.isnan(values[rows])).sum())
            if lost:
                missing[code] = lost
        return Converted(result, missing)

    def rate(self, currency: str | None, at: datetime) -> float:
        """What one unit of a currency is worth at `at` in the reporting currency; NaN without a rate."""
        return float(self.convert([1.0], [currency], at).amounts[0])

    def _rates(self, code: str, us: Ints) -> Floats:
        if code == self.currency or (code == NO_CURRENCY and not self.names_currencies):
            return np.ones(len(us))
        direct = self.pairs.get((code, self.currency))
        found = direct.at(us) if direct else np.full(len(us), np.nan)
        for there in sorted({other for start, other in self.pairs if start == code}):
            if (there, self.currency) in self.pairs:
                crossed = self.pairs[code, there].at(us) * self.pairs[there, self.currency].at(us)
                found = np.where(np.isnan(found), crossed, found)
        return found


def reporting_currency(tables: Mapping[str, ir.Table], as_of: datetime, setting: str | None) -> str:
    """The currency to report in: the setting, else the commonest of deals and contracts known before as_of.

    Of equally common ones the first by name; "" where the source names none.
    """
    return _code(setting) if setting else _commonest(_currency_counts(tables, as_of))


def _commonest(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda code: (-counts[code], code), default="")


def _currency_counts(tables: Mapping[str, ir.Table], as_of: datetime) -> Counter[str]:
    """Deals and contracts known before as_of, by currency."""
    counts: Counter[str] = Counter()
    for name in _WITH_CURRENCY:
        table = tables[name]
        known = table.filter(_before(table[str(TABLES[name].clock)], as_of) & table.currency.notnull())
        found = known.group_by("currency").agg(n=lambda rows: rows.count()).to_pyarrow()
        for code, n in zip(_codes(found["currency"]), found["n"].to_pylist(), strict=True):
            counts[code] += n
    return counts


def _known_rates(tables: Mapping[str, ir.Table], as_of: datetime) -> pa.Table:
    """The rates recorded before as_of, worst first: by date, time of recording, then source order."""
    table = tables["exchange_rates"]
    known = table.filter(_before(table.known_at, as_of))
    order = [(name, "ascending") for name in ("rate_date", "known_at", SOURCE_ROW, "rate")]
    return known.to_pyarrow().sort_by(order)


def _before(clock: ir.Column, as_of: datetime) -> ir.BooleanValue:
    return clock < ibis.literal(as_of, type="timestamp('UTC')")


def _pairs(rows: pa.Table) -> dict[tuple[str, str], _Pair]:
    """The rates by (from, to), each row in both directions."""
    start, end = _codes(rows["from_currency"]), _codes(rows["to_currency"])
    rate = rows["rate"].to_numpy()
    dated, known = (_arrow_microseconds(rows[name]) for name in ("rate_date", "known_at"))
    first = np.maximum(dated, known + 1)
    # of one date and time the source's own direction goes first
    place = np.unique(np.stack([dated, known]), axis=1, return_inverse=True)[1].reshape(-1)
    found = {}
    both = {*zip(start, end, strict=True), *zip(end, start, strict=True)}
    for a, b in sorted(pair for pair in both if pair[0] != pair[1]):
        direct, inverse = (np.flatnonzero((start == x) & (end == y)) for x, y in ((a, b), (b, a)))
        row = np.concatenate([inverse, direct])
        worth = np.concatenate([1 / rate[inverse], rate[direct]])
        precedence = np.argsort(place[row], kind="stable")
        found[a, b] = _stand(first[row[precedence]], worth[precedence])
    return found


def _stand(first_us: Ints, rate: Floats) -> _Pair:
    """The rates as they take each other's place. Given worst first, with the instant each may count from."""
    order = np.argsort(first_us, kind="stable")
    best = np.maximum.accumulate(order)
    return _Pair(first_us[order], rate[best])


def _code(text: str) -> str:
    return text.strip().upper()


def _codes(values: Any) -> npt.NDArray[np.object_]:
    """The codes, shape (n,), in capitals; NO_CURRENCY where there is none."""
    names, places = _coded(values)
    return np.array([*names, ""], dtype=object)[places]


def _coded(values: Any) -> tuple[list[str], Ints]:
    """The distinct codes by name, and the place among them of each value, shape (n,)."""
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
    clean = pc.utf8_upper(pc.utf8_trim_whitespace(values.cast(pa.string())))
    known = pc.if_else(pc.equal(clean, ""), None, clean).fill_null(NO_CURRENCY)
    names = sorted(pc.unique(known).to_pylist())
    return names, pc.index_in(known, value_set=pa.array(names, pa.string())).to_numpy().astype(np.int64)


def _microseconds(at: Instants) -> Ints:
    """Epoch microseconds of one instant, shape (), or of many, shape (n,)."""
    if isinstance(at, np.ndarray):
        return at.astype("datetime64[us]").astype(np.int64)
    if isinstance(at, datetime):
        utc = at.astimezone(UTC) if at.tzinfo else at
        return np.array(utc.replace(tzinfo=None), dtype="datetime64[us]").astype(np.int64)
    return np.array([int(_microseconds(one)) for one in at], dtype=np.int64)


def _arrow_microseconds(column: "pa.ChunkedArray[Any]") -> Ints:
    return column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
