"""A chart of steps from one figure to another, each step a cause: what moved a forecast, or a chance."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import altair as alt

from serving.pages import words
from serving.pages.charting import AGAINST, FOR, MUTED, Row, base, filled, spec_of, with_room

__all__ = ["AMOUNT", "CHANCE", "step_rows", "step_spec"]

AMOUNT, CHANCE = "amount", "probability of being won"
"""What the axis counts: money, or a probability from 0 to 1."""
_FORMATS = {AMOUNT: "~s", CHANCE: ".1~%"}
_LABELS = {AMOUNT: "datum.label", CHANCE: "datum.value < 0 || datum.value > 1 ? '' : datum.label"}
"""The room for labels may lie where no probability can."""
_ROW_HEIGHT = 26
Shown = Callable[[float], str]


def step_rows(
    before: tuple[str, float], terms: Sequence[tuple[str, float]], after: tuple[str, float],
    *, whole: Shown = words.short_money, part: Shown = words.short_money,
) -> list[dict[str, Any]]:  # fmt: skip
    """The steps: step, low, high, value, way (for, against, whole), label, place.

    before, after, terms: title and figure of each; before + Σ terms = after. whole, part: how the ends and
    the steps are written; a plus is put before a step that has no sign.
    """
    rows = [_row(before[0], before[1], before[1], before[1], "whole", whole(before[1]))]
    at = before[1]
    for title, value in terms:
        said = part(value)
        label = said if value <= 0 or said[0] in "+±" else f"+{said}"
        rows.append(_row(_capital(title), at, at + value, value, "for" if value >= 0 else "against", label))
        at += value
    rows.append(_row(after[0], after[1], after[1], after[1], "whole", whole(after[1])))
    return [{**row, "place": place} for place, row in enumerate(rows)]


def step_spec(rows: Sequence[Row], unit: str) -> Row:
    """The drawing of the steps, on an axis of that unit."""
    drawn = with_room(_drawn(unit), min(row["low"] for row in rows), max(row["high"] for row in rows))
    return filled(drawn, rows, height=_ROW_HEIGHT * len(rows) + 10)


@cache
def _drawn(unit: str) -> Row:
    def drawn() -> Any:
        scale = alt.Scale(domain=["for", "against", "whole"], range=[FOR, AGAINST, MUTED])
        colour = alt.Color("way:N", legend=None, scale=scale)
        y = alt.Y("step:N", sort=alt.EncodingSortField("place", op="min"), title=None,
                  axis=alt.Axis(labelLimit=260, ticks=False, domain=False))  # fmt: skip
        axis = alt.Axis(format=_FORMATS[unit], tickCount=5, labelExpr=_LABELS[unit])
        x = alt.X("low:Q", title=unit, axis=axis)
        tips = [alt.Tooltip("step:N", title="cause"), alt.Tooltip("label:N", title="moves it by")]
        rows = base(y=y)
        bars = rows.transform_filter("datum.way != 'whole'").mark_bar(height=15, cornerRadius=2)
        ends = rows.transform_filter("datum.way == 'whole'").mark_point(
            shape="diamond", size=110, filled=True
        )
        said = rows.mark_text(align="left", dx=7).encode(x="high:Q", text="label:N")
        return alt.layer(
            bars.encode(x=x, x2="high:Q", color=colour, tooltip=tips),
            ends.encode(x=x, color=colour, tooltip=tips),
            said,
        )

    return spec_of(drawn, height=200)


def _row(step: str, begins: float, ends: float, value: float, way: str, label: str) -> dict[str, Any]:
    low, high = min(begins, ends), max(begins, ends)
    return {"step": step, "low": low, "high": high, "value": value, "way": way, "label": label}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
