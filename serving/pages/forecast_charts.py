"""Charts of the forecast: fans by period, what moved it since the run before, with and without a scenario."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import altair as alt

from serving.api.forecast_parts import ChangePart, Figure
from serving.pages import words
from serving.pages.charting import FOR, Chart, Row, base, filled, spec_of
from serving.pages.step_charts import AMOUNT, step_rows, step_spec

__all__ = ["PARTS", "change_chart", "change_rows", "fan_chart", "fan_rows", "period_label", "scenario_chart"]

PARTS: Mapping[str, str] = {
    "bookings": "Bookings of new business",
    "open_deals": "of it, deals open today",
    "not_yet_created": "of it, deals not created yet",
    "renewals": "Renewals",
    "consumption": "Consumption",
}
_COLUMNS = (
    ("label", "Period", ""), ("p10", "P10", "money"), ("p50", "P50", "money"), ("mean", "Mean", "money"),
    ("p90", "P90", "money"),
)  # fmt: skip
_AXIS = alt.Axis(format="~s", tickCount=5)


def period_label(period: str) -> str:
    """A month, a quarter or a span of months as people read it.

    >>> period_label("2026-03"), period_label("2026-Q1"), period_label("2026-01..2026-12")
    ('Mar 2026', 'Q1 2026', 'Jan 2026 to Dec 2026')
    """
    if ".." in period:
        first, _, last = period.partition("..")
        return f"{period_label(first)} to {period_label(last)}"
    year, _, rest = period.partition("-")
    if rest.startswith("Q"):
        return f"{rest} {year}"
    return f"{date(int(year), int(rest), 1):%b %Y}" if rest.isdigit() else period


def fan_rows(figures: Sequence[Figure], part: str, period_kind: str) -> list[dict[str, Any]]:
    """The total of a part by period: label, mean, P10, P50 and P90."""
    return [
        {"label": period_label(one.period), "mean": one.mean, "p10": one.p10, "p50": one.p50, "p90": one.p90}
        for one in figures
        if one.part == part and one.level == "total" and one.period_kind == period_kind and not one.hidden
    ]


def fan_chart(rows: Sequence[Row], part: str, whole: Figure | None, currency: str | None) -> Chart:
    """What is expected period by period, with the range that eight in ten outcomes fall into."""
    title = PARTS[part]
    if whole is not None:
        title += f": {words.short_money(whole.mean, currency)} expected"
    note = f"Line: mean. Band: P10 to P90, eight in ten outcomes. In {currency}."
    return Chart(f"fan-{part}", title, note, filled(_fan(), rows), _COLUMNS, rows)


def change_rows(change: ChangePart) -> list[dict[str, Any]]:
    """The steps from the run before to this one; see `serving.pages.step_charts.step_rows`."""
    terms = [(term.title, term.amount) for term in change.terms]
    return step_rows(("Run before", change.before), terms, ("This run", change.after))


def change_chart(change: ChangePart, currency: str | None) -> Chart:
    """What moved a part since the run before, cause by cause."""
    rows = change_rows(change)
    columns = (("step", "Cause", ""), ("value", f"Amount ({currency})", "money"))
    moved = words.money(change.after - change.before, currency, signed=True)
    title = f"{PARTS[change.part]}: {moved} since the run before"
    return Chart(
        f"change-{change.part}",
        title,
        f"In {currency}; from the run before to this one, cause by cause.",
        step_spec(rows, AMOUNT),
        columns,
        rows,
    )


def scenario_chart(without: Sequence[Row], changed: Sequence[Row], part: str, currency: str | None) -> Chart:
    """A part by period with and without the scenario."""
    rows = [
        {**row, "of": name}
        for name, held in (("as it stands", without), ("with the changes", changed))
        for row in held
    ]
    columns = (
        ("label", "Period", ""),
        ("of", "Forecast", ""),
        ("mean", "Mean", "money"),
        ("p10", "P10", "money"),
        ("p90", "P90", "money"),
    )
    note = f"Means by period, in {currency}; bands P10 to P90."
    return Chart(
        "scenario",
        f"{PARTS[part]}, with and without the changes",
        note,
        filled(_scenario(), rows),
        columns,
        rows,
    )


@cache
def _fan() -> Row:
    def drawn() -> Any:
        x = alt.X("label:N", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
        tips = [alt.Tooltip("label:N", title="period"),
                *(alt.Tooltip(f"{name}:Q", title=name.upper() if name != "mean" else name, format=",.0f")
                  for name in ("p10", "p50", "mean", "p90"))]  # fmt: skip
        band = base(x=x, y=alt.Y("p10:Q", title="amount", axis=_AXIS), y2="p90:Q").mark_area(
            color=FOR, opacity=0.18
        )
        middle = base(x=x, y="p50:Q").mark_line(color=FOR, strokeWidth=1, strokeDash=[3, 3])
        line = base(x=x, y="mean:Q", tooltip=tips).mark_line(
            color=FOR, strokeWidth=2.5, point={"color": FOR, "size": 45, "filled": True}
        )
        return alt.layer(band, middle, line)

    return spec_of(drawn, height=220)


@cache
def _scenario() -> Row:
    def drawn() -> Any:
        x = alt.X("label:N", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
        names = ["as it stands", "with the changes"]
        dashes = alt.Scale(domain=names, range=[[4, 3], [1, 0]])
        colour = alt.Color("of:N", title=None, scale=alt.Scale(domain=names, range=["var(--second)", FOR]),
                           legend=alt.Legend(symbolType="stroke", symbolOpacity=1))  # fmt: skip
        band = base(x=x, y=alt.Y("p10:Q", title="amount", axis=_AXIS), y2="p90:Q", color=colour).mark_area(
            opacity=0.14
        )
        line = base(
            x=x, y="mean:Q", color=colour,
            strokeDash=alt.StrokeDash("of:N", title=None, scale=dashes),
            tooltip=[alt.Tooltip("label:N", title="period"), alt.Tooltip("of:N", title="forecast"),
                     alt.Tooltip("mean:Q", title="mean", format=",.0f")],
        ).mark_line(strokeWidth=2.5)  # fmt: skip
        return alt.layer(band, line)

    return spec_of(drawn, height=240)
