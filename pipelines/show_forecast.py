"""How a forecast looks on a terminal: parts side by side, by period and key, and what moved them."""

from calendar import month_abbr
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
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
_ANY_WIDTH = 10_000
_SPAN = ".."
_WHOLE = "all months"
Figures = dict[str, list[Any]]
_Key = tuple[str, str, str]
_Cells = dict[_Key, dict[str, tuple[str, str, str]]]
"""By level, key and period: the mean, P10 and P90 of each part, as texts."""


@dataclass(frozen=True)
class _Fitting:
    """Parts side by side where the terminal is wide enough for that, else a line for each."""

    wide: Table
    narrow: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = Measurement.get(console, options.update(max_width=_ANY_WIDTH), self.wide).maximum
        yield self.wide if needed <= options.max_width else self.narrow


def forecast_view(found: Forecasted, asked: Asked) -> RenderableType:
    """The forecast as asked, what is in no total, and what moved it since the run before."""
    published, made, base = found.published, found.made, found.base
    figures = made.figures(asked.levels)
    scale = _scale_of(figures)
    rows = _rows(figures, asked, scale)
    parts = [part for part in _TITLES if any(part in row for row in rows.values())]
    unit = f" in {_SCALES[scale]}{printable(made.currency, longest=8)}".rstrip().removesuffix(" in")
    shown: list[RenderableType] = [
        Text(f"{'Forecast' if base is None else 'Scenario'}{unit}: mean (P10 to P90)", "italic"),
        *(Text(f"  {printable(change, longest=200)}") for change in found.scenario),
        *_unpriced(made),
        _Fitting(_side_by_side(rows, parts, asked), _below_each_other(rows, parts, asked)),
    ]
    if base is not None:
        shown += [Text("\nWhat the scenario changes (mean)", "italic"),
                  _difference(base, made, asked, parts, scale)]  # fmt: skip
    said = [
        *(f"{reason}: {n:,}" for reason, n in made.left_out.items()),
        *found.notes,
        f"width of intervals (common shocks): {made.standing.book.shocks.source}",
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


def _side_by_side(rows: _Cells, parts: Sequence[str], asked: Asked) -> Table:
    """A column for each part."""
    table = _empty((*(("by", "key") if asked.levels else ()), "period"))
    for part in parts:
        table.add_column(_TITLES[part], justify="right", no_wrap=True)
    for place, cells in rows.items():
        table.add_row(*_named(place, asked), *(_cell(cells.get(part)) for part in parts), style=_style(place))
    return table


def _cell(told: tuple[str, str, str] | None) -> Text:
    if told is None:
        return Text(MISSING)
    mean, low, high = told
    return Text.assemble(mean, (f" ({low} to {high})", "dim"))


def _below_each_other(rows: _Cells, parts: Sequence[str], asked: Asked) -> Table:
    """A line for each part."""
    table = _empty((*(("by", "key") if asked.levels else ()), "period", "part"))
    for name in ("mean", "P10", "P90"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, cells in rows.items():
        for part in parts:
            if part in cells:
                table.add_row(*_named(place, asked), _TITLES[part], *cells[part], style=_style(place))
    return table


def _empty(names: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold", max_width=28)
    return table


def _named(place: _Key, asked: Asked) -> list[str]:
    level, key, period = place
    if not asked.levels:
        return [period]
    return [level, printable(key), period] if level != TOTAL else ["", "total", period]


def _style(place: _Key) -> str:
    return "bold" if place[2] == _WHOLE else ""


def _rows(figures: Figures, asked: Asked, scale: float) -> _Cells:
    """The figures as texts, in their order."""
    rows: _Cells = {}
    for row in _each(figures, asked):
        mean, low, high = (f"{row[name] / scale:,.{_PLACES[scale]}f}" for name in ("mean", "p10", "p90"))
        rows.setdefault((row["level"], row["key"], row["period"]), {})[row["part"]] = mean, low, high
    order = {level: place for place, level in enumerate((TOTAL, *asked.levels))}
    return dict(sorted(rows.items(), key=lambda held: order[held[0][0]]))


def _unpriced(made: Forecast) -> Iterator[RenderableType]:
    """A word above the table on rows whose currency nobody can convert."""
    lost = {reason: n for reason, n in made.left_out.items() if "exchange rate" in reason}
    if lost:
        told = " and ".join(
            f"{n:,} {reason.removesuffix(' without an exchange rate')}" for reason, n in lost.items()
        )
        yield Text(f"Too low: {told} are in no total, for want of an exchange rate.", "yellow")


def _scale_of(figures: Figures) -> float:
    """The unit of the table: one that leaves its largest mean some four figures."""
    largest = max(figures["mean"], default=0.0)
    return next((scale for scale in _SCALES if largest >= 200 * scale), 1.0)


def _each(figures: Figures, asked: Asked) -> Iterator[dict[str, Any]]:
    """The rows of the kinds of period that were asked for, with periods as people read them."""
    whole = next((period for period in figures["period"] if _SPAN in period), "")
    for place, kind in enumerate(figures["period_kind"]):
        if kind in (*asked.periods, HORIZON):
            row = {name: values[place] for name, values in figures.items()}
            yield row | {"period": _WHOLE if kind == HORIZON else _period(row["period"], whole)}


def _period(period: str, whole: str) -> str:
    """A month or quarter; a quarter that the forecast holds in part names its months.

    >>> _period("2026-Q1", "2026-02..2026-12"), _period("2026-Q2", "2026-02..2026-12")
    ('2026-Q1 (Feb to Mar)', '2026-Q2')
    """
    year, _, quarter = period.partition("-Q")
    if not quarter:
        return period
    every = [f"{year}-{month:02}" for month in range(3 * int(quarter) - 2, 3 * int(quarter) + 1)]
    first, _, last = whole.partition(_SPAN)
    held = [month_abbr[int(month[5:])] for month in every if first <= month <= last]
    if len(held) in (0, len(every)):
        return period
    return f"{period} ({held[0] if len(held) == 1 else f'{held[0]} to {held[-1]}'})"


def _difference(
    base: Forecast, made: Forecast, asked: Asked, parts: Sequence[str], scale: float
) -> RenderableType:
    """Means with the scenario less those without, totals alone."""
    means = [
        {(row["part"], row["period"]): row["mean"] for row in _each(one.figures([]), asked)}
        for one in (base, made)
    ]
    table = _empty(("period",))
    for part in parts:
        table.add_column(_TITLES[part], justify="right")
    periods = list(dict.fromkeys(period for _, period in means[1]))
    for period in periods:
        cells = []
        for part in parts:
            before, after = (held.get((part, period), 0.0) for held in means)
            moved = after - before
            told = f"{moved / scale:+,.{_PLACES[scale]}f}"
            cells.append(Text("=" if float(told.replace(",", "")) == 0 else told))
        table.add_row(period, *cells)
    return table


def _changes(change: Mapping[str, Sequence[str]], before: str) -> Iterator[RenderableType]:
    if not change:
        return
    yield Text(f"\nSince run {before}", "bold")
    for lines in change.values():
        for place, line in enumerate(lines):
            yield Text(f"  {'' if place == 0 else '  '}{printable(line, longest=400)}")
