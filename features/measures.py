"""The words that family modules are written in: counts, recency, shares, as-of values."""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

from features.feature import Formula, Measure, Where
from features.snapshots import DAY

__all__ = [
    "all_of",
    "count",
    "current",
    "days_ahead",
    "days_since",
    "distinct",
    "is_any",
    "last",
    "number",
    "ratio",
    "total",
]


def count(stream: str, days: int | None = None, **where: str | bool | tuple[str, ...]) -> Measure:
    """How many rows, ever or within `days`."""
    return Measure(stream, "count", "", _where(where), days)


def total(
    stream: str, column: str, days: int | None = None, **where: str | bool | tuple[str, ...]
) -> Measure:
    """The sum of an integer column."""
    return Measure(stream, "sum", column, _where(where), days)


def distinct(stream: str, days: int | None = None) -> Measure:
    """How many distinct members."""
    return Measure(stream, "distinct", "", (), days)


def last(stream: str, column: str = "at_s", **where: str | bool | tuple[str, ...]) -> Measure:
    """The largest value so far; by default the latest time."""
    return Measure(stream, "max", column, _where(where))


def current(stream: str, column: str, **where: str | bool | tuple[str, ...]) -> Measure:
    """The value of the row that comes last."""
    return Measure(stream, "current", column, _where(where))


def days_since(time: Measure) -> Formula:
    """Days from a time (epoch seconds) to as_of; null where there is none."""
    return Formula(lambda as_of_s, then: number(as_of_s - then) / number(DAY), (time,))


def days_ahead(time: Measure) -> Formula:
    """Days from as_of to a time that may lie ahead; negative once it has passed."""
    return Formula(lambda as_of_s, then: number(then - as_of_s) / number(DAY), (time,))


def ratio(numerator: Measure, denominator: Measure) -> Formula:
    """A share; null where the denominator is zero."""
    return Formula(lambda _, part, whole: part / whole.nullif(number(0)), (numerator, denominator))


def is_any(measure: Measure) -> Formula:
    """Whether a count is above zero."""
    return Formula(lambda _, n: n > 0, (measure,))


def all_of(compute: Callable[..., ir.Value], *parts: Measure) -> Formula:
    """A formula over measures that does not need as_of."""
    return Formula(lambda _, *values: compute(*values), parts)


def number(value: int | float | ir.NumericValue) -> ir.FloatingValue:
    """As float64 on every engine (some read a plain decimal literal as DECIMAL)."""
    literal = value if isinstance(value, ir.Value) else ibis.literal(value)
    return literal.cast("float64")


def _where(tests: dict[str, str | bool | tuple[str, ...]]) -> Where:
    return tuple(sorted(tests.items()))
