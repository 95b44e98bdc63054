"""The chart of what an account is expected to use, period by period."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from serving.api.renewal_parts import UseAnswer
from serving.pages import words
from serving.pages.charting import FOR, Chart, Row, base, filled, spec_of

__all__ = ["use_chart", "use_table"]


def use_table(use: Sequence[UseAnswer]) -> list[dict[str, Any]]:
    """By product and period: mean and the ends of the 80 % interval, in the account's currency."""
    return [
        {
            "product": one.product or "(no product)", "from": one.period_start.isoformat(),
            "mean": one.mean, "low": one.low80, "high": one.high80, "after_term": one.after_term,
        }
        for one in use
    ]  # fmt: skip


def use_chart(use: Sequence[UseAnswer]) -> Chart:
    """Expected use by product, with 80 % intervals."""
    rows = use_table(use)
    currency = next((one.currency for one in use if one.currency), None)
    waiting = sum(one.after_term for one in use)
    title = f"{words.short_money(sum(one.mean for one in use), currency)} of use expected"
    note = f"Line: mean by period, in {currency or 'the account’s currency'}. Band: 80 % of what may come."
    if waiting:
        note += f" {words.short_money(waiting, currency)} of it needs this renewal or another."
    columns = (
        ("product", "Product", ""), ("from", "Period from", "day"), ("mean", "Mean", "money"),
        ("low", "Low (80 %)", "money"), ("high", "High (80 %)", "money"),
    )  # fmt: skip
    return Chart("use", title, note, filled(_drawn(), rows), columns, rows)


@cache
def _drawn() -> Row:
    def drawn() -> Any:
        x = alt.X(
            "from:T", title=None, axis=alt.Axis(format="%b %Y", labelOverlap=True, grid=False, tickCount=6)
        )
        axis = alt.Axis(format="~s", tickCount=4)
        band = base(x=x, y=alt.Y("low:Q", title="expected use", axis=axis), y2="high:Q").mark_area(
            color=FOR, opacity=0.18
        )
        tips = [
            alt.Tooltip("product:N", title="product"),
            alt.Tooltip("from:T", title="from", format="%-d %b %Y"),
            *(alt.Tooltip(f"{name}:Q", title=name, format=",.0f") for name in ("mean", "low", "high")),
        ]
        line = base(x=x, y="mean:Q", tooltip=tips).mark_line(
            color=FOR, strokeWidth=2.5, point={"color": FOR, "size": 30}
        )
        return alt.layer(band, line).encode(detail="product:N")

    return spec_of(drawn, height=220)
