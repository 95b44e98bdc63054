"""Which contract is looked at, at which instant: at set distances before its term ends, and today."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.errors import UsageError
from features.snapshots import DAY, Calendar

__all__ = ["HORIZONS", "OVERDUE_DAYS", "ContractSnapshots", "contract_snapshots"]

HORIZONS = (180, 120, 90, 60, 30)
"""Days before the end of the term at which a renewal is judged."""
OVERDUE_DAYS = 90
"""How long a contract past its term waits for its outcome."""
_TIMES = ("start", "end", "decided", "known")


@dataclass(frozen=True)
class ContractSnapshots:
    """The spine: `table` has contract_id, account_id, slot and horizon, one row per snapshot.

    The calendar steps by one second, so that a slot is an instant's epoch second. horizon: the days before
    the end of the term that the snapshot was drawn at; null for one that was drawn because of its date.
    """

    table: ir.Table
    calendar: Calendar

    def instants(self, slots: pa.ChunkedArray) -> pa.Array:
        """Slots as timestamps."""
        seconds = slots.to_numpy()
        return pa.array(seconds * 1_000_000 + self.calendar.shift_us, pa.timestamp("us", "UTC"))

    def keys(self) -> pa.Table:
        """contract_id, as_of, horizon (days; null for a date's), sorted by the first two."""
        found = self.table.order_by("contract_id", "slot").to_pyarrow()
        columns = {"contract_id": found["contract_id"], "as_of": self.instants(found["slot"])}
        return pa.table({**columns, "horizon": found["horizon"].cast(pa.int64())})


def contract_snapshots(
    tables: Mapping[str, ir.Table], as_of: datetime, horizons: Iterable[int] = HORIZONS,
    also_at: Iterable[datetime] = (), *, overdue_days: int = OVERDUE_DAYS,
) -> ContractSnapshots:  # fmt: skip
    """Each contract so many days before its term ends, and at `as_of` and each instant of `also_at`.

    A contract is looked at only once it is recorded (strictly before) and until its outcome is: one decided
    exactly at the instant is still open. Those at a horizon lie before as_of and not before the term begins;
    a contract without an end has none. At `as_of` and `also_at` stand all contracts, begun or not, that did
    not end more than `overdue_days` before. Instants are cut down to whole seconds on as_of's clock.

    Raises UsageError for an instant of `also_at` after as_of, or a horizon that is not whole days above zero.
    """
    calendar = Calendar(as_of, 1)
    facts = _facts(tables["contracts"], calendar)
    parts = [_before_the_end(facts, days, calendar) for days in sorted({*map(_checked, horizons)})]
    for instant in sorted({as_of, *also_at}):
        if instant > as_of:
            raise UsageError(
                f"also_at: expected instants up to as_of ({as_of}), found {instant}. Move as_of."
            )
        slot = calendar.anchor_s + (instant - as_of) // timedelta(seconds=1)
        parts.append(_on_a_date(facts, slot, overdue_days))
    drawn = ibis.union(*parts) if len(parts) > 1 else parts[0]
    table = drawn.group_by("contract_id", "account_id", "slot").agg(horizon=drawn.horizon.max())
    return ContractSnapshots(table, calendar)


def _checked(days: int) -> int:
    if days != int(days) or days < 1:
        raise UsageError(f"horizons: expected whole days above zero, found {days}. Leave it out.")
    return int(days)


def _facts(contracts: ir.Table, calendar: Calendar) -> ir.Table:
    return contracts.select(
        "contract_id", "account_id",
        **{f"{name}_s": calendar.seconds(contracts[f"{name}_at"]) for name in _TIMES},
    )  # fmt: skip


def _open(facts: ir.Table) -> ir.Table:
    """Those recorded before their slot, and not decided before it."""
    return facts.filter(
        (facts.known_s < facts.slot) & (facts.decided_s.isnull() | (facts.decided_s >= facts.slot))
    )


def _before_the_end(facts: ir.Table, days: int, calendar: Calendar) -> ir.Table:
    facts = facts.filter(facts.end_s.notnull()).mutate(slot=facts.end_s - days * DAY)
    facts = facts.filter(facts.start_s.isnull() | (facts.start_s <= facts.slot))
    facts = _open(facts.filter(facts.slot < calendar.anchor_s))
    return facts.select("contract_id", "account_id", "slot", horizon=ibis.literal(days, "int64"))


def _on_a_date(facts: ir.Table, slot: int, overdue_days: int) -> ir.Table:
    facts = facts.mutate(slot=ibis.literal(slot, "int64"))
    facts = _open(facts.filter(facts.end_s.isnull() | (facts.end_s >= slot - overdue_days * DAY)))
    return facts.select("contract_id", "account_id", "slot", horizon=ibis.null("int64"))
