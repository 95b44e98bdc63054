"""What a simulation gives: draws by part, level, key and month, and their summary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import UsageError
from models.arrays import FloatArray
from models.forecast.book import Book
from models.forecast.expected import Expected
from models.forecast.groups import TOTAL
from models.forecast.lots import CENTS, Sums
from models.forecast.months import Months
from models.forecast.shocks import BOOKINGS, NOT_YET_CREATED, OPEN_DEALS

__all__ = ["COLUMNS", "QUANTILES", "Draws", "PartDraws"]

QUANTILES = (0.1, 0.5, 0.9)

COLUMNS: Mapping[str, Any] = {
    "part": pa.string(), "level": pa.string(), "key": pa.string(),
    "period_kind": pa.string(), "period": pa.string(),
    "mean": pa.float64(), "p10": pa.float64(), "p50": pa.float64(), "p90": pa.float64(),
    "currency": pa.string(),
}  # fmt: skip
"""The columns of a summary."""


@dataclass(frozen=True)
class PartDraws:
    """One part's draws. keys: by level. sums: hundredths by level (see `Sums`), before the common factor
    and the price. factor: shape (draws,) or (months, draws), mean 1. price: one factor for all."""

    keys: Mapping[str, tuple[str, ...]]
    sums: Sums
    factor: FloatArray
    price: float = 1.0

    def money(self, level: str, place: int) -> FloatArray:
        """Amounts of a key in each month and draw, shape (months, draws)."""
        return self.sums[level][place] * (self.factor * (self.price / CENTS))


@dataclass(frozen=True)
class Draws:
    """The draws of a book: `draws` of them, from `seed`. by: the levels that were kept.

    expected: the exact mean of each figure. parts: by name; a part without rows is absent.
    """

    book: Book
    draws: int
    seed: int
    by: tuple[str, ...]
    parts: Mapping[str, PartDraws]
    expected: Expected

    @property
    def months(self) -> Months:
        """The months that are forecast."""
        return self.book.months

    def keys(self, part: str, level: str) -> tuple[str, ...]:
        """The keys of a part at a level; none where the part has no such level."""
        found = [one.keys.get(level, ()) for one in self._made_of(part)]
        return tuple(sorted({key for keys in found for key in keys}))

    def money(self, part: str, level: str = TOTAL, key: str = TOTAL) -> FloatArray:
        """Amounts in each month and draw, shape (months, draws), before the part's width is applied.

        Draws of a level's keys add up to those of the total, where the part has the level.
        """
        total = np.zeros((self.months.count, self.draws))
        for one in self._made_of(part):
            if key in one.keys.get(level, ()):
                total += one.money(level, one.keys[level].index(key))
        return total

    def figures(self, by: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Mean and quantiles by part, level, key and period, in the book's currency, column by column.

        Columns: part, level (total or one of `by`), key, period_kind (month, quarter, horizon), period,
        mean (exact), p10, p50, p90 (of the draws' sums, widened by the part's factor, never below zero),
        currency. by: levels, by default all that were kept. Raises UsageError for one that was not.
        """
        levels = self.by if by is None else tuple(by)
        unknown = [level for level in levels if level not in self.by]
        if unknown:
            raise UsageError(
                f"by: the forecast was not simulated by {', '.join(unknown)}; it has "
                f"{', '.join(self.by) or 'totals alone'}. Simulate it again with `by`."
            )
        wanted = [(part, level) for part in self._present() for level in (TOTAL, *levels)]
        rows = [row for part, level in wanted for row in self._rows(part, level)]
        columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        return {name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}

    def summary(self, by: Sequence[str] | None = None) -> pa.Table:
        """The figures as a table. Making one imports pandas (Arrow does); readers that should not wait ask
        for the figures."""
        figures = self.figures(by)
        return pa.table([pa.array(figures[name], kind) for name, kind in COLUMNS.items()], names=[*COLUMNS])

    def _rows(self, part: str, level: str) -> Iterator[tuple[Any, ...]]:
        width = self.book.shocks.width_of(part)
        for key in self.keys(part, level):
            money, mean = self.money(part, level, key), self.expected.months(part, level, key)
            for period in self.months.periods:
                held = list(period.months)
                expected = float(mean[held].sum())
                spread = np.quantile(money[held].sum(axis=0), QUANTILES)
                quantiles = np.maximum(expected + width * (spread - expected), 0.0)
                yield (
                    part, level, key, period.kind, period.name, expected,
                    *map(float, quantiles), self.book.currency,
                )  # fmt: skip

    def _present(self) -> list[str]:
        """The parts that have rows; bookings where open deals or those to come have any."""
        bookings = [BOOKINGS] if {OPEN_DEALS, NOT_YET_CREATED} & set(self.parts) else []
        ranks = [OPEN_DEALS, NOT_YET_CREATED]
        return [p for p in ranks if p in self.parts] + bookings + [p for p in self.parts if p not in ranks]

    def _made_of(self, part: str) -> list[PartDraws]:
        names = (OPEN_DEALS, NOT_YET_CREATED) if part == BOOKINGS else (part,)
        return [self.parts[name] for name in names if name in self.parts]
