"""What a reader asks of the published consumption forecast: a level's rows, by key and period.

Reads only published files.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import UsageError
from serving.published import Published

__all__ = ["CONSUMPTION", "USE_LEVELS", "UseRow", "has_consumption", "use_rows"]

CONSUMPTION = "consumption_forecast.parquet"
"""Expected use by level, key and period: mean, 80 and 95 % intervals, and how it is paid."""

USE_LEVELS = ("total", "region", "segment", "product", "account", "account_product")
"""The levels of the forecast; on each the rows of a period add up to the total, to the cent."""


@dataclass(frozen=True)
class UseRow:
    """Expected use in one period. Amounts in `currency`; low and high hold 80 and 95 % of what comes.

    drawdown (from commitments), overage, postpay and uncontracted add up to mean; after_term: the part of it
    that needs a renewal not decided yet. Keys that do not tell the level's rows apart are null.
    """

    level: str
    account_id: str | None
    product: str | None
    region: str | None
    segment: str | None
    period_start: date
    mean: float
    low80: float
    high80: float
    low95: float
    high95: float
    drawdown: float
    overage: float
    postpay: float
    uncontracted: float
    after_term: float
    currency: str | None
    model: str


def has_consumption(published: Published) -> bool:
    """Whether the run forecast consumption."""
    return CONSUMPTION in published.manifest["files"]


def use_rows(
    published: Published, level: str = "total", *, account_id: str | None = None
) -> tuple[UseRow, ...]:
    """A level's rows as published, those of one account where it is given; none where the run has none.

    Raises UsageError for another level.
    """
    if level not in USE_LEVELS:
        raise UsageError(f"level: expected one of {', '.join(USE_LEVELS)}, found {level!r}.")
    if not has_consumption(published):
        return ()
    rows: Any = published.table(CONSUMPTION)
    rows = rows.filter(pc.equal(rows["level"], pa.scalar(level)))
    if account_id is not None:
        rows = rows.filter(pc.equal(rows["account_id"], pa.scalar(account_id)))
    return tuple(UseRow(**row) for row in rows.to_pylist())
