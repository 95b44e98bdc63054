"""The past instants that a backtest stands at: on the calendar, once in so many months."""

from datetime import UTC, datetime

from data.errors import UsageError
from features.snapshots import Calendar

__all__ = ["choose_origins", "origin_slots"]


def choose_origins(
    calendar: Calendar, *, count: int, every: int, horizon: int, first: datetime | None = None
) -> tuple[datetime, ...]:
    """At most `count` of the calendar's instants, each the first at or after a month's start, oldest first.

    every: months from one to the next. horizon: months that the last origin's forecast runs, all of which end
    by the calendar's as_of. first: none before it. Raises UsageError if there is none at all.
    """
    end = calendar.as_of
    backs = range(horizon, horizon + count * every, every)
    starts = [_month(end.year * 12 + end.month - 1 - back) for back in backs]
    slots = [calendar.last_slot - _steps_back(calendar, start) for start in starts]
    instants = [calendar.instant(slot) for slot in slots if slot >= 0]
    found = [origin for origin in instants if first is None or origin >= first]
    if not found:
        raise UsageError(
            f"backtest: expected an instant from {first or calendar.instant(0):%Y-%m-%d} on with {horizon} "
            f"months after it, found none up to {end:%Y-%m-%d}. Ask for a shorter --horizon, or load more "
            "history."
        )
    return tuple(sorted(found))


def origin_slots(calendar: Calendar, origins: tuple[datetime, ...]) -> tuple[int, ...]:
    """The slots of origins."""
    return tuple(calendar.slot_of(origin) for origin in origins)


def _month(number: int) -> datetime:
    """The first instant of a month counted from year 0."""
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _steps_back(calendar: Calendar, start: datetime) -> int:
    """Whole steps from the calendar's end back to the first instant at or after a time."""
    return int((calendar.as_of - start).total_seconds() // calendar.step_s)
