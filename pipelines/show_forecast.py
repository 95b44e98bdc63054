"""How a forecast looks on a terminal: parts side by side, by period and key, and what moved them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.forecast.groups import TOTAL
from models.forecast.months import HORIZON
from models.forecast.shocks import BOOKINGS, CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS
from pipelines.forecast import Forecasted
from pipelines.show import MISSING, when
from pipelines.what_if import Asked
from serving.forecast import Forecast
from serving.text import printable

__all__ = ["forecast_view"]

_TITLES = {
    OPEN_DEALS: "open deals",
    NOT_YET_CREATED: "not yet created",
    BOOKINGS: "bookings",
    RENEWALS: "renewals",
    CONSUMPTION: "consumption",
}
_SCALES = {1e6: "million ", 1e3: "thousand ", 1.0: ""}
_PLACES = {1e6: 1, 1e3: 0, 1.0: 0}
Figures = dict[str, list[Any]]
_Key = tuple[str, str, str]


def forecast_view(found: Forecasted, asked: Asked) -> RenderableType:
    """The forecast as asked, what is in no total, and what moved it since the run before."""
    published, made, base = found.published, found.made, found.base
    figures = made.figures(asked.levels)
    scale = _scale_of(figures)
    rows = _rows(figures, asked, scale)
    parts = [part for part in _TITLES if any(part in row for row in rows.values())]
    shown: list[RenderableType] = [_table(made, rows, parts, asked, scale, scenario=base is not None)]
    if base is not None:
        shown += [Text(""), _difference(base, made, asked, parts, scale)]
    said = [
        *(f"{n:,} {reason}" for reason, n in made.left_out.items()),
        *found.notes,
        f"common shocks: {made.standing.book.shocks.source}",
    ]
    shown.append(Text("\nIn no total, or to be known:", "bold"))
    shown += [Text(f"  {printable(one, longest=400)}") for one in said]
    shown += list(_changes(found.change, str(published.manifest["about"].get("previous_run_id"))))
    shown.append(
        Text(
            f"\nas of {when(published.as_of)} · run {published.run_id} · {made.draws.draws:,} draws, seed "
            f"{made.draws.seed} · bookings and consumption measure different things and are never added up",
            "dim",
        )
    )
    return Group(*shown)


def _table(
    made: Forecast,
    rows: Mapping[_Key, dict[str, Text]],
    parts: Sequence[str],
    asked: Asked,
    scale: float,
    *,
    scenario: bool,
) -> RenderableType:
    unit = f" in {_SCALES[scale]}{printable(made.currency, longest=8)}".rstrip().removesuffix(" in")
    table = Table(
        title=f"{'Scenario' if scenario else 'Forecast'}{unit}: mean (P10 to P90)", box=None, pad_edge=False,
        title_justify="left", header_style="bold",
    )  # fmt: skip
    for name in (*(("by", "key") if asked.levels else ()), "period"):
        table.add_column(name, overflow="fold", max_width=28)
    for part in parts:
        table.add_column(_TITLES[part], justify="right", no_wrap=True)
    for (level, key, period), cells in rows.items():
        named = [level if level != TOTAL else "", printable(key) if level != TOTAL else "total"]
        style = "bold" if ".." in period else ""
        table.add_row(
            *(named if asked.levels else []),
            "all months" if ".." in period else period,
            *(cells.get(part, Text(MISSING)) for part in parts),
            style=style,
        )
    return table


def _rows(figures: Figures, asked: Asked, scale: float) -> dict[_Key, dict[str, Text]]:
    """Cells by level, key and period, then part, in the figures' order."""
    rows: dict[_Key, dict[str, Text]] = {}
    for row in _each(figures, asked):
        mean, low, high = (f"{row[name] / scale:,.{_PLACES[scale]}f}" for name in ("mean", "p10", "p90"))
        cell = Text.assemble(mean, (f" ({low} to {high})", "dim"))
        rows.setdefault((row["level"], row["key"], row["period"]), {})[row["part"]] = cell
    order = {level: place for place, level in enumerate((TOTAL, *asked.levels))}
    return dict(sorted(rows.items(), key=lambda held: order[held[0][0]]))


def _scale_of(figures: Figures) -> float:
    """The unit of the table: one that leaves its largest mean some four figures."""
    largest = max(figures["mean"], default=0.0)
    return next((scale for scale in _SCALES if largest >= 200 * scale), 1.0)


def _each(figures: Figures, asked: Asked) -> Iterator[dict[str, Any]]:
    for place, kind in enumerate(figures["period_kind"]):
        if kind in (*asked.periods, HORIZON):
            yield {name: values[place] for name, values in figures.items()}


def _difference(
    base: Forecast, made: Forecast, asked: Asked, parts: Sequence[str], scale: float
) -> RenderableType:
    """Means with the scenario less those without, totals alone."""
    means = [
        {(row["part"], row["period"]): row["mean"] for row in _each(one.figures([]), asked)}
        for one in (base, made)
    ]
    table = Table(
        title="What the scenario changes (mean)", box=None, pad_edge=False, title_justify="left",
        header_style="bold",
    )  # fmt: skip
    table.add_column("period")
    for part in parts:
        table.add_column(_TITLES[part], justify="right", no_wrap=True)
    periods = list(dict.fromkeys(period for _, period in means[1]))
    for period in periods:
        cells = []
        for part in parts:
            before, after = (held.get((part, period), 0.0) for held in means)
            moved = after - before
            told = f"{moved / scale:+,.{_PLACES[scale]}f}"
            cells.append(Text("=" if float(told.replace(",", "")) == 0 else told))
        table.add_row("all months" if ".." in period else period, *cells)
    return table


def _changes(change: Mapping[str, Sequence[str]], before: str) -> Iterator[RenderableType]:
    if not change:
        return
    yield Text(f"\nSince run {before}", "bold")
    for lines in change.values():
        for place, line in enumerate(lines):
            yield Text(f"  {'' if place == 0 else '  '}{printable(line, longest=400)}")
