"""The chart of what families are worth: a tidy table, and a drawing of that table."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

from models.charts import framed

__all__ = ["draw_worth", "worth_table"]

_MEASURES = {"left_out": "added to all others", "alone": "added to the baseline"}
_NAMES = ("order", "title", "measure", "difference", "low", "high")


def worth_table(document: Mapping[str, Any]) -> pa.Table:
    """Per family that has a filled column and measure: difference, low, high (nats of log-loss).

    Families in the order of what they add to all others; low and high are null without an interval.
    """
    measured = [one for one in document["families"] if one["left_out"] is not None]
    measured.sort(key=lambda one: -one["left_out"]["difference"])
    rows = []
    for order, one in enumerate(measured):
        for key, said in _MEASURES.items():
            low, high = one[key]["interval"] or (None, None)
            rows.append((order, one["title"], said, one[key]["difference"], low, high))
    columns = list(zip(*rows, strict=True)) or [()] * len(_NAMES)
    kinds = (pa.int64(), pa.string(), pa.string(), pa.float64(), pa.float64(), pa.float64())
    return pa.table({
        name: pa.array(values, kind) for name, values, kind in zip(_NAMES, columns, kinds, strict=True)
    })  # fmt: skip


def draw_worth(table: pa.Table, caption: str) -> Any:
    """Dots with their 95 % intervals beside the line of no worth; one colour and shape per measure."""
    names = list(_MEASURES.values())
    shapes = alt.Scale(domain=names, range=["circle", "square"])
    order = list(dict.fromkeys(table["title"].to_pylist()))
    colour = alt.Color("measure:N", title=None, scale=alt.Scale(domain=names, range=["#0b6e4f", "#c2410c"]))
    rows = alt.Chart(alt.Data(values=table.to_pylist()))
    y = alt.Y("title:N", title=None, sort=order, axis=alt.Axis(labelLimit=240))
    beside = alt.YOffset("measure:N", sort=names)
    zero = alt.Chart(alt.Data(values=[{"zero": 0.0}])).mark_rule(strokeDash=[4, 4], color="#6b7280")
    layers = (
        zero.encode(x="zero:Q"),
        rows.mark_rule().encode(
            x=alt.X("low:Q", title="log-loss saved out of time, nats"), x2="high:Q", y=y, yOffset=beside,
            color=colour,
        ),
        rows.mark_point(filled=True, size=60, opacity=1).encode(
            x="difference:Q", y=y, yOffset=beside, color=colour,
            shape=alt.Shape("measure:N", title=None, scale=shapes),
        ),
    )  # fmt: skip
    return framed(
        alt.layer(*layers), "Right of the dashed line, a family is worth something", caption,
        height=44 * max(len(order), 1),
    )  # fmt: skip
