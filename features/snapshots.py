"""Snapshots: which deal is looked at, at which instant.

Time inside `features` is whole epoch seconds. A calendar's instants are `step` seconds apart and end at
`as_of`; each has a number, its slot, so that "the first snapshot that can see this row" is arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

__all__ = [
    "DAY",
    "Calendar",
    "Snapshots",
    "calendar_step_days",
    "deal_snapshots",
    "default_as_of",
    "snapshots_from_keys",
]

DAY = 86_400
_FAST_CYCLE_DAYS = 28


@dataclass(frozen=True)
class Calendar:
    """Instants `step_s` seconds apart that end at `as_of` (an aware datetime).

    A fraction of a second in `as_of` is kept by shifting every clock by it (`shift_us`), since
    `t < as_of` equals `floor(t - fraction) < floor(as_of)`.
    """

    as_of: datetime
    step_s: int

    @property
    def is_instant(self) -> bool:
        """Whether the calendar has but one slot, so that nothing runs over slots."""
        return False

    @property
    def shift_us(self) -> int:
        """Microseconds of `as_of` beyond its whole second."""
        return self.as_of.microsecond

    @property
    def anchor_s(self) -> int:
        """The whole epoch second of `as_of`."""
        return int(self.as_of.replace(microsecond=0).timestamp())

    @property
    def base_s(self) -> int:
        """The epoch second of slot 0."""
        return self.anchor_s % self.step_s

    @property
    def last_slot(self) -> int:
        """The slot of `as_of` itself."""
        return (self.anchor_s - self.base_s) // self.step_s

    def instant(self, slot: int) -> datetime:
        """The instant of a slot."""
        return self.as_of + timedelta(seconds=(slot - self.last_slot) * self.step_s)

    def slot_of(self, instant: datetime) -> int:
        """The slot of one of the calendar's instants."""
        return self.last_slot + round((instant - self.as_of).total_seconds() / self.step_s)

    def seconds(self, instant: ir.TimestampValue) -> ir.IntegerValue:
        """Whole epoch seconds of a timestamp, on this calendar's clock."""
        if self.shift_us:
            instant = instant - ibis.interval(microseconds=self.shift_us)
        seconds = _epoch(instant) if _is_on_duckdb(instant) else instant.epoch_seconds()
        return seconds.floor().cast("int64")

    def first_slot_after(self, seconds: ir.IntegerValue) -> ir.IntegerValue:
        """The first slot whose instant lies strictly after an epoch second."""
        return (ibis.greatest(seconds, self.base_s - self.step_s) - self.base_s + self.step_s) // self.step_s

    def seconds_of_slot(self, slot: ir.IntegerValue) -> ir.IntegerValue:
        """The epoch second of a slot's instant."""
        return slot * self.step_s + self.base_s


@dataclass(frozen=True)
class Snapshots:
    """The spine: `table` has opportunity_id, account_id and slot, one row per snapshot.

    dense: each deal's slots follow one another without a gap.
    """

    table: ir.Table
    calendar: Calendar
    dense: bool = True


def default_as_of(tables: Mapping[str, ir.Table], now: datetime) -> datetime:
    """The first whole second after the newest time known in the data.

    Counts `known_at`, `changed_at`, `created_at` and the `closed_at` of decided deals, none of them beyond
    `now`: where a source tells no time of recording, a row dated ahead is no sign of how new the data is.
    With no rows at all: `now`.
    """
    newest: list[datetime] = []
    for name, table in tables.items():
        for column in ("known_at", "changed_at", "created_at"):
            if column in table.columns:
                _append(newest, table.filter(table[column] <= now)[column].max().to_pyarrow().as_py())
        if name == "opportunities":
            closed = table.filter(table.outcome.notnull() & (table.closed_at <= now))
            _append(newest, closed.closed_at.max().to_pyarrow().as_py())
    if not newest:
        return now.astimezone(UTC).replace(microsecond=0)
    return max(newest).replace(microsecond=0) + timedelta(seconds=1)


def calendar_step_days(tables: Mapping[str, ir.Table], as_of: datetime) -> int:
    """7, or 1 where the median deal closed before `as_of` lived under four weeks."""
    deals = tables["opportunities"]
    closed = deals.filter(deals.outcome.notnull() & (deals.closed_at < as_of))
    lived = (closed.closed_at.epoch_seconds() - closed.created_at.epoch_seconds()).median()
    seconds = lived.to_pyarrow().as_py()
    return 1 if seconds is not None and seconds < _FAST_CYCLE_DAYS * DAY else 7


def deal_snapshots(
    tables: Mapping[str, ir.Table], calendar: Calendar, *, first_slot: int | None = None
) -> Snapshots:
    """Each instant of the calendar at which a deal is open, from `first_slot` on.

    A deal exists once `created_at < as_of` and is open until its close was known before
    (`closed_at < as_of`, outcome not null): one closed exactly at `as_of` is still open.
    """
    deals = tables["opportunities"]
    closed_s = calendar.seconds(deals.closed_at)
    last = ibis.ifelse(
        deals.outcome.notnull() & deals.closed_at.notnull(),
        ibis.least((closed_s - calendar.base_s) // calendar.step_s, calendar.last_slot),
        calendar.last_slot,
    )
    first = calendar.first_slot_after(calendar.seconds(deals.created_at))
    if first_slot is not None:
        first = ibis.greatest(first, first_slot)
    spans = deals.select("opportunity_id", "account_id", first=first, last=last)
    spans = spans.filter(spans.first <= spans.last)
    slots = spans.mutate(slot=ibis.range(spans.first, spans.last + 1).unnest())
    return Snapshots(slots.select("opportunity_id", "account_id", slot=slots.slot.cast("int64")), calendar)


def snapshots_from_keys(tables: Mapping[str, ir.Table], keys: ir.Table, calendar: Calendar) -> Snapshots:
    """Snapshots at chosen (opportunity_id, slot) pairs, gaps allowed."""
    deals = tables["opportunities"].select("opportunity_id", "account_id")
    table = keys.select("opportunity_id", "slot").inner_join(deals, "opportunity_id")
    return Snapshots(table.select("opportunity_id", "account_id", "slot"), calendar, dense=False)


@ibis.udf.scalar.builtin(name="epoch")
def _epoch(instant: dt.Timestamp(timezone="UTC")) -> float:  # type: ignore[valid-type, empty-body]
    """DuckDB's epoch of a TIMESTAMPTZ: Ibis casts to TIMESTAMP first, which costs six times as much."""


def _is_on_duckdb(expression: ir.Value) -> bool:
    backends, _ = expression._find_backends()
    return [backend.name for backend in backends] == ["duckdb"]


def _append(times: list[datetime], value: datetime | None) -> None:
    if value is not None:
        times.append(value)
