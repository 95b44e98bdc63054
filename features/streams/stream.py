"""What a stream is: the rows of one kind of event, ready for running aggregates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Literal

import ibis
import ibis.expr.types as ir

from features.gate import Known

__all__ = ["DATE_PATTERN", "Entity", "Stream", "as_count", "day_number", "known_once", "numeric_text"]

DATE_PATTERN = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([ T].*)?$"

Entity = Literal["deal", "opportunity", "account", "owner", "all"]


@dataclass(frozen=True)
class Stream:
    """Rows of one kind of event.

    rows(known) gives, per row: `key` (of the entity), `seen_s` (the second from which it may be seen:
    recorded, and happened unless it is a plan), `row_id` (in `source`, for evidence), and as it needs
    `at_s` (happened), `until_s` (counts until then), `prev_at_s` (the same member's latest earlier
    row), `rank` (order for "current") and value columns. Anything a row says of earlier rows looks back
    in the order of `seen_s` only, so that it is known whenever the row is.
    single: one row per key, so its columns are read directly.
    """

    name: str
    entity: Entity
    source: str
    description: str
    rows: Callable[[Known], ir.Table]
    single: bool = False


def known_once(name: str) -> Callable[[Callable[[Known], ir.Table]], Callable[[Known], ir.Table]]:
    """Rows that several streams are made of: read from the known tables where they stand there as `name`."""

    def of(rows: Callable[[Known], ir.Table]) -> Callable[[Known], ir.Table]:
        @wraps(rows)
        def read(known: Known) -> ir.Table:
            return known[name] if name in known else rows(known)

        return read

    return of


def as_count(condition: ir.BooleanValue) -> ir.IntegerValue:
    """1 where true, 0 where false or null."""
    return ibis.ifelse(condition, ibis.literal(1, "int64"), ibis.literal(0, "int64"))


def numeric_text(text: ir.StringValue) -> ir.FloatingValue:
    """The number that a text holds, null where it holds none."""
    is_number = text.re_search(r"^\s*[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,2})?\s*$")
    return ibis.ifelse(is_number, text, ibis.null("string")).cast("float64")


def day_number(text: ir.StringValue) -> ir.IntegerValue:
    """Days since 1970-01-01 of an ISO date at the start of a text, null where there is none.

    By arithmetic, since a cast of a date like 2025-02-31 stops some engines. Source: days from civil,
    Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    is_date = text.re_search(DATE_PATTERN)
    date = ibis.ifelse(is_date, text, ibis.null("string"))
    year, month = date.substr(0, 4).cast("int64"), date.substr(5, 2).cast("int64")
    day = date.substr(8, 2).cast("int64")
    shifted = year - ibis.ifelse(month <= 2, 1, 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
