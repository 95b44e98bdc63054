"""Charts of one deal, or one contract: what its probability is made of, and by when it is won."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import altair as alt

from serving.pages import words
from serving.pages.charting import AGAINST, FOR, MUTED, Chart, Row, base, filled, spec_of, with_room

__all__ = ["timing_chart", "timing_rows", "waterfall_chart", "waterfall_rows"]

_TICKS = tuple(
    math.log(percent / (100 - percent)) for percent in (1, 2, 3, 5, 7, *range(10, 95, 5), 95, 97, 98, 99)
)
_AS_PROBABILITY = "format(1 / (1 + exp(-datum.value)), '.0%')"
_ROW_HEIGHT = 26


def waterfall_rows(
    start: str, base_log_odds: float, terms: Sequence[tuple[str, float]], end: str
) -> list[dict[str, Any]]:
    """The steps from the base to the whole, in log-odds: step, low, high, value, way, label, p after it.

    terms: title and log-odds of each step, in the order of the drawing.
    """
    rows = [_step(start, base_log_odds, base_log_odds, base_log_odds, "whole")]
    at = base_log_odds
    for title, value in terms:
        rows.append(_step(title, at, at + value, value, "for" if value >= 0 else "against"))
        at += value
    rows.append(_step(end, at, at, at, "whole"))
    return [{**row, "place": place} for place, row in enumerate(rows)]


def waterfall_chart(rows: Sequence[Row], *, title: str, note: str, key: str = "waterfall") -> Chart:
    """How the probability comes about, term by term; the scale is log-odds, marked in probabilities."""
    drawn = with_room(_waterfall(), min(row["low"] for row in rows), max(row["high"] for row in rows))
    spec = filled(drawn, rows, height=_ROW_HEIGHT * len(rows) + 10)
    columns = (
        ("step", "Term", ""),
        ("value", "Log-odds", "log_odds"),
        ("p", "Probability so far", "percent"),
    )
    return Chart(key, title, note, spec, columns, rows)


def timing_rows(as_of: datetime, days: Sequence[int], p_won_by: Sequence[float]) -> list[dict[str, Any]]:
    """The curve's points: days from as_of, the date, and the probability of being won by then."""
    return [
        {"days": passed, "on": (as_of + timedelta(days=passed)).date().isoformat(), "p": p}
        for passed, p in zip(days, p_won_by, strict=True)
    ]


def timing_chart(rows: Sequence[Row], *, p_win: float, expected_close_on: str | None) -> Chart:
    """The probability of being won by each date, which rises to the probability of being won at all."""
    until = _horizon(rows, p_win)
    shown = [*(row for row in rows if row["days"] <= until), {"limit": p_win}]
    if expected_close_on and any(row["on"] >= expected_close_on for row in rows if row["days"] <= until):
        shown.append({"planned": expected_close_on, "text": f"planned {words.day(expected_close_on)}"})
    title = _timing_title(rows, p_win)
    note = f"Probability of being won by the date; the dashed line is {words.percent(p_win)}, by any date."
    columns = (("on", "By", "day"), ("p", "Probability of being won", "percent"))
    return Chart("timing", title, note, filled(_timing(), shown, height=220), columns, rows)


@cache
def _waterfall() -> Row:
    colour = alt.Color(
        "way:N", legend=None,
        scale=alt.Scale(domain=["for", "against", "whole"], range=[FOR, AGAINST, MUTED]),
    )  # fmt: skip
    y = alt.Y(
        "step:N",
        sort=alt.EncodingSortField("place", op="min"),
        title=None,
        axis=alt.Axis(labelLimit=200, ticks=False, domain=False),
    )
    axis = alt.Axis(values=list(_TICKS), labelExpr=_AS_PROBABILITY, labelOverlap=True)
    x = alt.X("low:Q", title="probability (log-odds scale)", axis=axis)
    tips = [alt.Tooltip("step:N", title="term"), alt.Tooltip("label:N", title="log-odds"),
            alt.Tooltip("p:Q", title="probability so far", format=".1%")]  # fmt: skip

    def drawn() -> Any:
        rows = base(y=y)
        bars = (
            rows.transform_filter("datum.way != 'whole'")
            .mark_bar(height=15, cornerRadius=2)
            .encode(x=x, x2="high:Q", color=colour, tooltip=tips)
        )
        ends = (
            rows.transform_filter("datum.way == 'whole'")
            .mark_point(shape="diamond", size=110, filled=True)
            .encode(x=x, color=colour, tooltip=tips)
        )
        right = rows.mark_text(align="left", dx=7).encode(x="right:Q", text="label:N")
        return alt.layer(bars, ends, right)

    return spec_of(drawn, height=200)


@cache
def _timing() -> Row:
    def drawn() -> Any:
        x = alt.X(
            "on:T", title=None, axis=alt.Axis(format="%b %Y", labelOverlap=True, grid=False, tickCount=6)
        )
        y = alt.Y("p:Q", title="probability of being won", scale=alt.Scale(domain=[0, 1]),
                  axis=alt.Axis(format=".0%", tickCount=5))  # fmt: skip
        tips = [alt.Tooltip("on:T", title="by", format="%-d %b %Y"),
                alt.Tooltip("p:Q", title="probability of being won", format=".0%")]  # fmt: skip
        points = base().transform_filter("isValid(datum.days)")
        area = points.mark_area(color=FOR, opacity=0.16).encode(x=x, y=y)
        line = points.mark_line(
            color=FOR, strokeWidth=2.5, point={"color": FOR, "size": 40, "filled": True}
        ).encode(x=x, y=y, tooltip=tips)
        limit = (
            base(y="limit:Q")
            .transform_filter("isValid(datum.limit)")
            .mark_rule(strokeDash=[5, 4], color=MUTED)
        )
        planned = base(x="planned:T").transform_filter("isValid(datum.planned)")
        rule = planned.mark_rule(color=AGAINST, strokeDash=[2, 2], strokeWidth=1.5)
        said = planned.mark_text(align="left", dx=5, y=10).encode(text="text:N")
        return alt.layer(area, line, limit, rule, said)

    return spec_of(drawn, height=220)


def _step(title: str, begins: float, ends: float, value: float, way: str) -> dict[str, Any]:
    p = 1 / (1 + math.exp(-ends))
    label = words.percent(p) if way == "whole" else words.log_odds(value)
    low, high = min(begins, ends), max(begins, ends)
    return {
        "step": title,
        "low": low,
        "high": high,
        "right": high,
        "value": value,
        "way": way,
        "label": label,
        "p": p,
    }


def _horizon(rows: Sequence[Row], p_win: float) -> int:
    """Days until the curve has all but arrived, so that the drawing does not end in a long flat line."""
    near = [row["days"] for row in rows if row["p"] >= 0.995 * p_win]
    return max(near[0] if near else rows[-1]["days"], 91)


def _timing_title(rows: Sequence[Row], p_win: float) -> str:
    half = next((row for row in rows if row["p"] >= p_win / 2), rows[-1])
    return f"If it is won, half of the chance lies before {words.day(half['on'])}"
