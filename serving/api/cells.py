"""Which figures of a forecast rest on too few deals for the viewer, and are withheld."""

from collections import Counter
from collections.abc import Iterable, Mapping

from models.forecast.change import Standing
from models.forecast.groups import TOTAL, Groups
from models.forecast.shocks import BOOKINGS, CONSUMPTION, OPEN_DEALS, RENEWALS
from serving.access.gate import Seen
from serving.forecast_book import ABOUT, standing_of
from serving.live import HeldRun

__all__ = ["Withheld", "counts_of", "held_standing", "withheld_keys"]

Withheld = Mapping[tuple[str, str], frozenset[str]]
"""By part and level the keys that are not shown."""


def held_standing(run: HeldRun) -> Standing:
    """The book of the run's forecast, made once. The run has a forecast."""
    return run.memo(
        "standing",
        lambda: standing_of(
            lambda name: run.table(name) if run.has(name) else None, run.as_of, run.manifest["about"][ABOUT]
        ),
        large=True,
    )


def counts_of(standing: Standing, part: str, level: str) -> dict[str, int]:
    """How many deals, contracts or series each key of a level rests on; none where no single row counts."""
    book = standing.book
    groups: Mapping[str, Groups] = {
        OPEN_DEALS: book.deals.groups,
        BOOKINGS: book.deals.groups,
        RENEWALS: book.renewals.groups,
        CONSUMPTION: book.consumption.groups,
    }
    held = groups.get(part, {}).get(level)
    return {} if held is None else dict(Counter(held.named()))


def withheld_keys(seen: Seen, standing: Standing, parts: Iterable[str], levels: Iterable[str]) -> Withheld:
    """The keys whose figures the viewer does not get, by part and level.

    Those under the smallest cell, and with them so many of the next smallest that what is missing in a level
    rests on a whole cell and on two keys at least: the total less what is shown tells of no few deals.
    """
    least = seen.scope.min_cell
    found = {}
    for part in parts:
        for level in levels:
            if level != TOTAL:
                found[part, level] = _withheld(counts_of(standing, part, level), least)
    return found


def _withheld(counts: Mapping[str, int], least: int) -> frozenset[str]:
    """The keys to leave out.

    >>> sorted(_withheld({"a": 3, "b": 9, "c": 20}, 5)), sorted(_withheld({"a": 5, "b": 9}, 5))
    (['a', 'b'], [])
    """
    ranked = sorted(counts, key=lambda key: (counts[key], key))
    n = sum(counts[key] < least for key in ranked)
    if not n:
        return frozenset()
    while n < len(ranked) and (n < 2 or sum(counts[key] for key in ranked[:n]) < least):
        n += 1
    return frozenset(ranked[:n])
