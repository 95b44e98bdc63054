"""Windows that ended some time ago, and the rate of use over one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from features.feature import Formula, Measure
from features.measures import number
from features.snapshots import DAY

__all__ = ["PATIENCE_DAYS", "Past", "Use", "of_use"]

PATIENCE_DAYS = 62
"""Silence for so long may mean that use is not reported yet; beyond it, it means that there was none."""

_LEAST_DAYS = 14
"""Rates over less than this tell nothing."""


@dataclass(frozen=True)
class Past(Measure):
    """A measure of rows that happened more than `ended_days` before as_of (of snapshots of contracts)."""

    ended_days: int = 0


def _use(how: Literal["sum", "max"], column: str, days: int | None = None, ended_days: int = 0) -> Measure:
    return Past("use", how, column, (), days, ended_days)


_AMOUNTS = _use("sum", "has_amount")
_FIRST = _use("max", "earlier_s")
_LAST = _use("max", "at_s")
_FEED = Measure("usage_feed", "max", "at_s")
_BASE = (_AMOUNTS, _FIRST, _LAST, _FEED)


@dataclass(frozen=True)
class Use:
    """What the formulas of use are made of, at one snapshot.

    as_of_s: the snapshot. has_amounts: whether use is recorded in money; else it is counted in units.
    through_s: until when use is taken to be reported. rates: cents (or thousandths of a unit) per day, one
    for each window asked for.
    """

    as_of_s: ir.IntegerValue
    has_amounts: ir.BooleanValue
    through_s: ir.IntegerValue
    rates: tuple[ir.FloatingValue, ...]


def of_use(
    compute: Callable[..., ir.Value], *windows: tuple[int, int], also: tuple[Measure, ...] = ()
) -> Formula:
    """A formula over rates of use: `compute` gets a `Use`, then the value of each measure in `also`.

    windows: (from, to) in days before as_of. A window reaches from the last report before it to the last
    report in it: a missing period counts as no use once later ones are reported, and until then as not
    reported yet. After 62 days of silence, while others report, it counts as no use.
    """
    parts = list(_BASE)
    for days, ended in windows:
        parts += [_use("sum", "cents", days, ended), _use("sum", "milli", days, ended)]
        parts += [_use("max", "at_s", None, days), _use("max", "at_s", None, ended)]

    def value(as_of_s: ir.IntegerValue, *seen: Any) -> ir.Value:
        amounts, earliest, last_s, feed_s = seen[: len(_BASE)]
        silent_s = ibis.least(as_of_s - PATIENCE_DAYS * DAY, feed_s)
        through_s = ibis.greatest(last_s, silent_s)
        has_amounts = (amounts > 0).fill_null(False)
        at, rates = len(_BASE), []
        for _, ended in windows:
            money, units, before_s, end_s = seen[at : at + 4]
            at += 4
            used = ibis.ifelse(has_amounts, money, units).fill_null(0.0)
            end_s = through_s if ended == 0 else end_s
            rates.append(_rate(used, before_s.coalesce(-earliest), end_s))
        return compute(Use(as_of_s, has_amounts, through_s, tuple(rates)), *seen[at:])

    return Formula(value, (*parts, *also))


def _rate(used: ir.FloatingValue, from_s: ir.IntegerValue, to_s: ir.IntegerValue) -> ir.FloatingValue:
    """Net use per day, not below zero; null where fewer than 14 days are reported."""
    days = number(to_s - from_s) / number(DAY)
    net = ibis.ifelse(used > 0, used, number(0))
    return ibis.ifelse(days >= number(_LEAST_DAYS), net / days, ibis.null("float64"))
