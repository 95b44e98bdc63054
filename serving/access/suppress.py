"""Figures that rest on too few deals, and those that would give them away, left out of what finance sees.

Which cells are hidden follows from the deals behind them alone, never from the figures: a scenario, another
horizon and an export of the same run hide the same cells, so that none tells what another hides.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from models.forecast.groups import TOTAL
from models.forecast.shocks import BOOKINGS, OPEN_DEALS
from models.forecast.telling import money
from serving.access.cells import hidden_jointly, hidden_keys
from serving.access.gate import Seen
from serving.forecast_book import ABOUT, standing_of
from serving.live import HeldRun

__all__ = ["LEVELS", "hidden_cells", "is_hidden", "seen_figures", "seen_terms", "suppress"]

T = TypeVar("T")
Row = dict[str, Any]

LEVELS = ("region", "segment")
"""The levels at which finance sees figures of deals. Owners and accounts are a few deals each."""

_OF_DEALS = (OPEN_DEALS, BOOKINGS)
"""Parts whose figures rest on open deals. Bookings are these and deals not yet created, which rest on rates
learnt over all deals and are shown: a group's bookings would give its open deals away."""
_FIGURES = ("mean", "p10", "p50", "p90")


def suppress(cells: Mapping[str, T], counts: Mapping[str, int], minimum: int) -> dict[str, T | None]:
    """The cells of one level whose total is shown, None for those hidden; see `hidden_keys`.

    counts: deals behind each; a cell without a count is hidden.
    """
    hidden = hidden_keys(counts, minimum)
    return {key: None if key in hidden or key not in counts else value for key, value in cells.items()}


def hidden_cells(seen: Seen) -> Mapping[str, frozenset[str]]:
    """By level the keys whose open deals, and so bookings, the viewer may not see; all levels together hide
    enough that no sum or difference of what is shown rests on fewer deals than the scope's minimum."""
    minimum = seen.scope.min_cell
    return seen.run.memo(("hidden cells", minimum), lambda: _hidden(seen.run, minimum))


def is_hidden(seen: Seen, part: str, level: str, key: str, *, changed: Collection[str] | None = None) -> bool:
    """Whether the viewer may not see the forecast's figures of that part, level and key.

    changed: in a scenario the levels by whose keys it changes something; without a word about them it shows
    deals by their total alone. What is changed by region and shown by segment would tell of the few deals
    that the two share.
    """
    if seen.scope.single_deals or part not in _OF_DEALS:
        return False
    hidden = hidden_cells(seen)
    if level == TOTAL or TOTAL in hidden:
        return TOTAL in hidden
    return level not in _levels_shown(seen, changed) or key in hidden.get(level, ())


def seen_figures(seen: Seen, rows: Iterable[Row], *, changed: Collection[str] | None = None) -> list[Row]:
    """Rows of a forecast (part, level, key, ... mean, p10, p50, p90) as the viewer may see them.

    Every row stays, with `hidden` said of each; the figures of a hidden one are None. changed: see
    `is_hidden`.
    """
    found = []
    for row in rows:
        hidden = is_hidden(seen, row["part"], row["level"], row["key"], changed=changed)
        found.append({**row, **(dict.fromkeys(_FIGURES) if hidden else {}), "hidden": hidden})
    return found


def seen_terms(seen: Seen, rows: Iterable[Row]) -> list[Row]:
    """Rows of a forecast's change (see `models.forecast.telling.change_table`) as the viewer may see them.

    Who sees no single deal reads no deal's name or amount, and terms of too few deals are added up to one
    row, "other_terms"; the terms of a part still add up to its change. Where all deals, or all that moved
    bookings, are too few even so, nothing is told of bookings: before and after would give them away.
    """
    listed = list(rows)
    if seen.scope.single_deals:
        return listed
    counts = {row["term"]: int(row["items"] or 0) for row in listed if row["part"] == BOOKINGS}
    hidden = hidden_keys(counts, seen.scope.min_cell)
    moved_by = sum(counts[term] for term in hidden)
    if TOTAL in hidden_cells(seen) or 0 < moved_by < seen.scope.min_cell:
        return [row for row in listed if row["part"] != BOOKINGS]
    merged = [row for row in listed if row["part"] == BOOKINGS and row["term"] in hidden]
    found = []
    for row in listed:
        if row["part"] != BOOKINGS:
            found.append(row)
        elif row["term"] not in hidden:
            found.append(_unnamed(row))
        elif row is merged[-1]:
            sums = {name: sum(one[name] for one in merged) for name in ("items", "amount")}
            found.append(_unnamed({**row, "term": "other_terms", "title": "other changes", **sums}))
    return found


def _levels_shown(seen: Seen, changed: Collection[str] | None) -> Collection[str]:
    """The levels beside the total at which deals are shown."""
    if seen.scope.action != "scenario":
        return LEVELS
    keyed = {TOTAL} if changed is None else set(changed) - {TOTAL}
    return [level for level in LEVELS if keyed <= {level}]


def _unnamed(row: Row) -> Row:
    """The row without the deal that moved the most."""
    amount, items = row["amount"], row["items"]
    sentence = row["sentence"]
    if row["term"] not in ("before", "after") and amount:
        of = "" if items is None else f" ({items} {'deal' if items == 1 else 'deals'})"
        way = "Up" if amount > 0 else "Down"
        sentence = f"{way} {money(abs(amount), row['currency'])}: {row['title']}{of}."
    return {**row, "largest_id": None, "largest_amount": None, "sentence": sentence}


def _hidden(run: HeldRun, minimum: int) -> Mapping[str, frozenset[str]]:
    """By level the hidden keys; the level "total" is named where all deals together are too few."""
    about = run.manifest["about"].get(ABOUT)
    if about is None:
        return {TOTAL: frozenset({TOTAL})}
    deals = standing_of(lambda name: run.table(name) if run.has(name) else None, run.as_of, about).book.deals
    rows = np.flatnonzero(np.isfinite(deals.amount))
    if len(rows) < minimum:
        return {TOTAL: frozenset({TOTAL})}
    first, second = (
        [deals.groups[level].keys[code] for code in deals.groups[level].codes[rows]]
        if level in deals.groups
        else [TOTAL] * len(rows)
        for level in LEVELS
    )
    return dict(zip(LEVELS, hidden_jointly(first, second, minimum), strict=True))
