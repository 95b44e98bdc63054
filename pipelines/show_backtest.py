"""How a backtest looks on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.show import MISSING
from serving.text import printable

__all__ = ["backtest_view"]

_PARTS = {
    "open_deals": "Bookings from open deals",
    "not_yet_created": "Bookings from deals not yet created",
    "bookings": "All bookings of new business",
    "renewals": "Renewals",
    "consumption": "Consumption",
}
_OURS = "dealcast"
_LEGEND = (
    "cells: periods, of each group and origin, that could be judged · WAPE: sum of errors ÷ sum of what came,"
    " with its 95 % interval · bias: above (+) or below (-) what came · 80 % covers: how often what came lay "
    "from P10 to P90; 80 % is right · zeros evened: the same, with cells in which nothing came counted in "
    "part · pinball: error of P10, P50 and P90, as a share of what came; less is better"
)
_FIGURES = ("cells", "WAPE", "bias", "80 % covers", "zeros evened", "pinball")


def backtest_view(document: Mapping[str, Any]) -> RenderableType:
    """What the totals say, then for each part a table by level, beside the baselines, and by month ahead."""
    origins = document["origins"]
    said = Text(
        f"{len(origins)} origins, {origins[0][:10]} to {origins[-1][:10]}, {document['horizon_months']} "
        f"months ahead; models {document['models']}; amounts in {document['currency'] or 'no named currency'}"
    )
    parts: list[RenderableType] = [said, Text()]
    parts += [Text(f"• {sentence}") for sentence in document["headline"]]
    scores = document["scores"]
    for part, title in _PARTS.items():
        of_part = [one for one in scores if one["part"] == part]
        if of_part:
            parts += [Text(), _beside(title, of_part), Text(), _ahead(of_part)]
    return Group(*parts, Text(), _shocks(document["shocks"]), Text(f"\n{_LEGEND}", "dim"))


def _beside(title: str, scores: Sequence[Mapping[str, Any]]) -> Table:
    """Our forecast beside the baselines, by level and kind of period."""
    table = _table(title, ("level", "period", "forecast"), _FIGURES)
    for one in scores:
        if one["months_ahead"] is not None or (one["model"] != _OURS and one["level"] != "total"):
            continue
        style = "bold" if one["model"] == _OURS else ""
        names = (one["level"], one["period_kind"], one["model"].replace("_", " "))
        table.add_row(*(printable(name) for name in names), f"{one['cells']:,}", *_figures(one), style=style)
    return table


def _ahead(scores: Sequence[Mapping[str, Any]]) -> Table:
    """Our total by month ahead."""
    table = _table("", ("months ahead",), _FIGURES)
    for one in scores:
        if one["months_ahead"] is not None and one["model"] == _OURS and one["level"] == "total":
            table.add_row(str(one["months_ahead"]), f"{one['cells']:,}", *_figures(one))
    return table


def _table(title: str, names: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(title=title or None, box=None, title_justify="left", pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _figures(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _percent(one["wape"], one["wape_interval"]),
        MISSING if one["bias"] is None else f"{100 * one['bias']:+.0f} %",
        _percent(one["coverage"], one["coverage_interval"]),
        _percent(one["evened_coverage"], None),
        MISSING if one["pinball"] is None else f"{one['pinball']:.3f}",
    )


def _percent(share: float | None, interval: Sequence[float] | None) -> str:
    """A share in percent, with its 95 % interval where there is one."""
    if share is None:
        return MISSING
    ends = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})" if interval else ""
    return f"{100 * share:.0f} %{ends}"


def _shocks(shocks: Mapping[str, Any]) -> RenderableType:
    sizes = [
        f"{name.removesuffix('_sd').replace('_', ' ')} {value:.2f}"
        for name, value in shocks.items()
        if name.endswith("_sd") and value is not None
    ]
    widths = [f"{part.replace('_', ' ')} {factor:.2f}" for part, factor in shocks["width"].items()]
    said = f"Common shocks (standard deviations, from a {shocks['source']}): {', '.join(sizes)}."
    return Text(f"{said} Intervals widened by: {', '.join(widths)}." if widths else said)
