"""The forecast, simulated: every part of a book, drawn many times with the same common shocks.

20,000 open deals and 10,000 draws are two hundred million chances. They are quick because a common shock
takes few levels (chances are worked out per level, not per draw), because losers cost one comparison, and
because deals of one cell are summed before they are added to each level (`benchmarks/forecast_speed.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import UsageError
from models.arrays import FloatArray
from models.forecast.book import Book
from models.forecast.by_month import (
    coming_by_month,
    consumption_by_month,
    deal_lots,
    deals_by_month,
    renewal_lots,
    renewals_by_month,
)
from models.forecast.chance import factors, level_shocks
from models.forecast.coming import Coming, add_new_business
from models.forecast.draws import Draws, PartDraws
from models.forecast.expected import Expected, by_level
from models.forecast.groups import TOTAL, UNASSIGNED, Cells, Group, Groups, cells_of
from models.forecast.lots import Shocked, Sums, add_lots, empty_sums
from models.forecast.shocks import CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS
from models.forecast.using import Usage, add_consumption, common_factor

__all__ = ["DEFAULT_DRAWS", "LEVELS", "Setup", "expect", "setup_of", "simulate", "usage_of"]

DEFAULT_DRAWS = 10_000
LEVELS = ("region", "segment", "owner", "product")
"""What a forecast is broken down by unless it is said otherwise."""

_CHANCE_LEVELS, _TIMING_LEVELS = 40, 10
_AT_MOST = 200
"""Keys of a level that are told apart; those with the fewest rows beyond them are one of others."""


@dataclass(frozen=True)
class Setup:
    """What draws of a book have in common, whatever its amounts: cells by part, and the shocks' levels."""

    cells: dict[str, Cells]
    deals: Shocked
    renewals: Shocked


def simulate(
    book: Book, *, draws: int = DEFAULT_DRAWS, seed: int = 0, by: Sequence[str] | None = None
) -> Draws:
    """So many draws of all that the book forecasts; the same bits for the same book, draws and seed.

    by: levels to keep beside the total, by default those of `LEVELS` that the book has. A level of many keys
    (accounts) costs memory: 1 MB a key, 12 months and 10,000 draws.
    Raises UsageError for a level that no part has, or without draws.
    """
    levels = _levels(book, by)
    if draws < 1:
        raise UsageError(f"draws: expected one or more, found {draws}.")
    setup = setup_of(book, levels, draws, seed)
    drawn = {OPEN_DEALS: _deals, NOT_YET_CREATED: _coming, RENEWALS: _renewals, CONSUMPTION: _consumption}
    parts = {part: draw(book, setup) for part, draw in drawn.items()}
    held = {part: made for part, made in parts.items() if made is not None}
    return Draws(book, draws, seed, levels, held, expect(book, setup))


def setup_of(book: Book, levels: Sequence[str], draws: int, seed: int) -> Setup:
    """The cells and the levels of the shocks."""
    coming: dict[str, Group] = dict(book.new.groups) if book.new else {}
    for level in levels:
        if book.new is not None and level in book.deals.groups and level not in coming:
            coming[level] = Group(np.zeros(book.new.rate.size, dtype=np.int64), (UNASSIGNED,))
    sizes: list[tuple[str, Groups, int]] = [
        (OPEN_DEALS, book.deals.groups, len(book.deals.ids)),
        (NOT_YET_CREATED, coming, book.new.rate.size if book.new else 0),
        (RENEWALS, book.renewals.groups, len(book.renewals.ids)),
        (CONSUMPTION, book.consumption.groups, len(book.consumption.mean)),
    ]
    cells = {part: cells_of(groups, levels, n, at_most=_AT_MOST) for part, groups, n in sizes}
    shocks, counts = book.shocks, (_CHANCE_LEVELS, _TIMING_LEVELS)
    deals = level_shocks(draws, shocks.logit_sd, shocks.timing_sd, seed, "market", counts)
    renewals = level_shocks(draws, shocks.renewal_logit_sd, 0.0, seed, "renewal", counts)
    return Setup(cells, Shocked(*deals, seed), Shocked(*renewals, seed))


def expect(book: Book, setup: Setup) -> Expected:
    """The exact means of the book's parts, by the levels of the cells."""
    rows = {
        OPEN_DEALS: deals_by_month(book),
        NOT_YET_CREATED: coming_by_month(book),
        RENEWALS: renewals_by_month(book),
        CONSUMPTION: consumption_by_month(book),
    }
    means = {part: by_level(held, setup.cells[part]) for part, held in rows.items()}
    return Expected(means, {part: _keys(cells) for part, cells in setup.cells.items()})


def _deals(book: Book, setup: Setup) -> PartDraws | None:
    if not len(book.deals.ids):
        return None
    cells = setup.cells[OPEN_DEALS]
    sums = empty_sums(cells, book.months.count, setup.deals.draws)
    add_lots(deal_lots(book.deals), cells, setup.deals, sums)
    return _part(book, OPEN_DEALS, cells, sums, _amount_factor(book, setup.deals, "amounts"))


def _coming(book: Book, setup: Setup) -> PartDraws | None:
    if book.new is None:
        return None
    cells = setup.cells[NOT_YET_CREATED]
    sums = empty_sums(cells, book.months.count, setup.deals.draws)
    add_new_business(book.new, Coming(book.months, book.shocks, setup.deals), cells, sums)
    return _part(book, NOT_YET_CREATED, cells, sums, _amount_factor(book, setup.deals, "amounts"))


def _renewals(book: Book, setup: Setup) -> PartDraws | None:
    if not len(book.renewals.ids):
        return None
    cells = setup.cells[RENEWALS]
    sums = empty_sums(cells, book.months.count, setup.renewals.draws)
    add_lots(renewal_lots(book.renewals, book.months.count), cells, setup.renewals, sums)
    return _part(book, RENEWALS, cells, sums, _amount_factor(book, setup.renewals, "renewed amounts"))


def _consumption(book: Book, setup: Setup) -> PartDraws | None:
    if not len(book.consumption.mean):
        return None
    cells = setup.cells[CONSUMPTION]
    sums = empty_sums(cells, book.months.count, setup.renewals.draws)
    add_consumption(usage_of(book), setup.renewals, cells, sums)
    factor = common_factor(book.consumption, book.shocks, setup.renewals.draws, setup.renewals.seed)
    return _part(book, CONSUMPTION, cells, sums, factor)


def usage_of(book: Book) -> Usage:
    """The book's series, and what their renewals hang on."""
    return Usage(book.consumption, book.renewals, book.shocks)


def _amount_factor(book: Book, shocked: Shocked, kind: str) -> FloatArray:
    """The common factor on amounts, shape (draws,)."""
    return factors(shocked.draws, book.shocks.amount_sd, shocked.seed, kind)


def _part(book: Book, part: str, cells: Cells, sums: Sums, factor: FloatArray) -> PartDraws:
    return PartDraws(_keys(cells), sums, factor, book.price.get(part, 1.0))


def _keys(cells: Cells) -> dict[str, tuple[str, ...]]:
    return {TOTAL: (TOTAL,)} | dict(cells.levels)


def _levels(book: Book, by: Sequence[str] | None) -> tuple[str, ...]:
    parts = [book.deals.groups, book.renewals.groups, book.consumption.groups]
    held = {level for groups in parts for level in groups} | set(book.new.groups if book.new else ())
    if by is None:
        return tuple(level for level in LEVELS if level in held)
    unknown = [level for level in by if level not in held]
    if unknown:
        raise UsageError(
            f"by: nothing in the forecast is told apart by {', '.join(unknown)}. Choose among "
            f"{', '.join(sorted(held)) or 'nothing: there are totals alone'}."
        )
    return tuple(dict.fromkeys(by))
