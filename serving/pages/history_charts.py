"""Charts of a deal over the runs: its probability with what happened meanwhile, and what changed it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import altair as alt

from serving.api.changes import DealChangeView, HistoryView
from serving.pages import words
from serving.pages.charting import FOR, Chart, Row, base, filled, spec_of
from serving.pages.step_charts import CHANCE, step_rows, step_spec
from serving.text import printable

__all__ = ["change_chart", "change_rows", "event_rows", "history_chart", "history_rows"]

_LANES: Mapping[str, tuple[str, str, float]] = {
    "moment": ("diamond", "var(--third)", 0.03),
    "promise": ("triangle-up", "var(--against)", 0.08),
    "meeting": ("circle", "var(--other)", 0.13),
    "pipeline": ("square", "var(--second)", 0.18),
}
"""What is recorded: its shape, its colour and its height on the chart."""


def history_rows(held: HistoryView) -> list[dict[str, Any]]:
    """The deal's probability at each run that scored it, oldest first."""
    return [{"at": one.as_of.isoformat(), "p": one.p_win, "run": one.run_id} for one in held.points]


def event_rows(held: HistoryView) -> list[dict[str, Any]]:
    """What happened between the first run and the last: when, what, side (see _LANES), lane."""
    rows = []
    for one in held.events:
        side = one.kind if one.kind in _LANES else "pipeline"
        when = one.happened_at.isoformat()
        rows.append({"when": when, "what": printable(one.text), "side": side, "lane": _LANES[side][2]})
    return rows


def history_chart(held: HistoryView) -> Chart | None:
    """The probability run by run, with what happened meanwhile below it; None for a single run."""
    rows = history_rows(held)
    if len(rows) < 2:
        return None
    moved = rows[-1]["p"] - rows[0]["p"]
    title = f"{words.points(moved).capitalize()} since {words.day(rows[0]['at'])}"
    note = "Dots are runs that scored the deal; marks below are what was recorded meanwhile."
    columns = (("at", "Run as of", "when"), ("p", "Probability", "percent"), ("run", "Run", ""))
    events = event_rows(held)
    spec = filled(_history(with_events=bool(events)), [*rows, *events])
    return Chart("history", title, note, spec, columns, rows)


def change_rows(change: DealChangeView) -> list[dict[str, Any]]:
    """The steps from the probability of the run compared with to this run's, driver by driver."""
    terms = [(one.title, one.points / 100) for one in change.drivers]
    before, after = ("Then", change.p_before or 0.0), ("Now", change.p_after)
    return step_rows(before, terms, after, whole=words.percent, part=_points)


def change_chart(change: DealChangeView) -> Chart | None:
    """What moved the probability since the run compared with; None where only the whole is known."""
    if change.points is None or not change.drivers:
        return None
    rows = change_rows(change)
    first = change.drivers[0]
    title = f"{first.title} moves it most: {words.points(first.points / 100)}"
    columns = (("step", "Driver", ""), ("label", "Points", ""))
    note = "Each driver’s part of the change, in percentage points; together they are the whole."
    return Chart("change", title, note, step_spec(rows, CHANCE), columns, rows)


def _points(change: float) -> str:
    """Percentage points without the word."""
    return words.points(change, 1).partition(" ")[0]


@cache
def _history(*, with_events: bool) -> Row:
    def drawn() -> Any:
        when = alt.Axis(format="%-d %b %Y", labelOverlap=True, grid=False, tickCount=6)
        share = alt.Axis(format=".0%", tickCount=5)
        x = alt.X("at:T", title=None, axis=when)
        y = alt.Y("p:Q", title="probability of being won", scale=alt.Scale(domain=[0, 1]), axis=share)
        tips = [
            alt.Tooltip("at:T", title="run as of", format="%-d %b %Y"),
            alt.Tooltip("p:Q", title="probability", format=".1%"),
        ]
        scored = base(x=x, y=y, tooltip=tips).transform_filter("isValid(datum.p)")
        line = scored.mark_line(color=FOR, strokeWidth=2.5, point={"color": FOR, "size": 70, "filled": True})
        names, two_columns = list(_LANES), alt.Legend(columns=2)
        shapes = alt.Scale(domain=names, range=[shape for shape, _, _ in _LANES.values()])
        colours = alt.Scale(domain=names, range=[colour for _, colour, _ in _LANES.values()])
        events = (
            base(
                x="when:T",
                y="lane:Q",
                shape=alt.Shape("side:N", title=None, scale=shapes, legend=two_columns),
                color=alt.Color("side:N", title=None, scale=colours, legend=two_columns),
                tooltip=[alt.Tooltip("when:T", title="on", format="%-d %b %Y"), alt.Tooltip("what:N")],
            )
            .transform_filter("isValid(datum.when)")
            .mark_point(size=55, filled=True, opacity=0.9)
        )
        return alt.layer(line, events) if with_events else line

    return spec_of(drawn, height=240)
