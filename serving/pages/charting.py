"""What every chart shares: a title that says what to see, a table of the same numbers, and its colours.

Specifications are drawn once with Altair and get their rows per request. Colours are the style sheet's names,
so that charts follow light, dark and print with everything else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

__all__ = ["AGAINST", "FOR", "INK", "MUTED", "ROWS", "Chart", "Row", "base", "filled", "spec_of", "with_room"]

Row = Mapping[str, Any]

ROWS = "rows"
"""The name of the dataset that a request fills."""
FOR, AGAINST, INK, MUTED = "var(--for)", "var(--against)", "var(--ink)", "var(--muted)"

_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, DejaVu Sans, sans-serif"
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": "var(--grid)",
        "domainColor": "var(--line-strong)",
        "tickColor": "var(--line-strong)", "titleFontWeight": 500, "labelFontSize": 12, "titleFontSize": 12,
        "labelLimit": 190, "titlePadding": 8,
    },
    "legend": {
        "labelColor": INK, "titleColor": MUTED, "orient": "top", "labelFontSize": 12, "titleFontSize": 12,
        "titleFontWeight": 500, "symbolStrokeWidth": 2, "labelLimit": 220,
    },
    "header": {"labelColor": INK, "titleColor": MUTED},
    "text": {"color": INK, "fontSize": 12},
    "rule": {"color": MUTED},
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A chart and its table. columns: of the table, as (key, heading, filter of `words` or "").

    title: what to see. note: how to read it. spec: Vega-Lite, complete with its rows. cells: the table's
    rows. key: its name on the page.
    """

    key: str
    title: str
    note: str
    spec: Mapping[str, Any]
    columns: Sequence[tuple[str, str, str]]
    cells: Sequence[Row]


def base(**encodings: Any) -> Any:
    """A chart of the request's rows, as wide as its place."""
    return alt.Chart(alt.NamedData(ROWS)).encode(**encodings)


def spec_of(draw: Callable[[], Any], *, height: int | Mapping[str, int]) -> Mapping[str, Any]:
    """The specification of a drawing, without rows."""
    made: dict[str, Any] = draw().properties(width="container", height=height).to_dict()
    made.pop("datasets", None)
    return {
        **made,
        "config": _CONFIG,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "usermeta": {},
    }


def filled(spec: Row, rows: Sequence[Row], *, height: int | None = None) -> Mapping[str, Any]:
    """The specification with a request's rows."""
    whole = {**spec, "datasets": {ROWS: list(rows)}}
    return whole if height is None else {**whole, "height": height}


def with_room(spec: Row, low: float, high: float) -> Row:
    """The layered specification with its shared x axis from low to high, and room for labels on the right."""
    width = (high - low) or abs(high) or 1.0
    scale = {"domain": [low - 0.04 * width, high + 0.3 * width], "nice": False, "zero": False}
    layers = [
        {**layer, "encoding": {**layer["encoding"], "x": {**layer["encoding"]["x"], "scale": scale}}}
        for layer in spec["layer"]
    ]
    return {**spec, "layer": layers}
