"""Charts of an evaluation: each is a tidy table, and a drawing of that table.

Drawings become SVG without a network (vl-convert). The win model and the baselines keep one colour and
one line shape each, and the diagonal or the baseline is always drawn.
"""

import resource
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
import vl_convert

from features.feature import FAMILIES, Feature
from models.arrays import FloatArray, deal_codes
from models.baselines import column_numbers
from models.metrics import equal_mass_bins

__all__ = [
    "age_table",
    "can_draw",
    "draw_age",
    "draw_lift",
    "draw_reliability",
    "draw_shap",
    "evaluation_charts",
    "framed",
    "lift_table",
    "reliability_table",
    "shap_table",
    "svg",
]

_ADDRESS_SPACE = 2**37
"""Bytes that may be mapped for the renderer's engine to start; measured between 45 and 80 GB."""
_LABELS = {
    "p_win": "win model",
    "stage_probability": "stage probability",
    "base_rate": "base rate",
    "logistic": "logistic regression",
    "naive_bayes": "naive Bayes score",
}
_COLOURS = ["#0b6e4f", "#c2410c", "#6b7280", "#1d4ed8", "#9333ea"]
_DASHES = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4]]
_WIDTH, _HEIGHT = 520, 300
_Z95 = 1.96


def reliability_table(predictions: pa.Table, *, bins: int = 10) -> pa.Table:
    """Per bin of p_win: mean_p, won_share with low and high, rows, deals; shares 0 to 1.

    The interval is Wilson's at 95 %, counting deals instead of rows, whose outcomes repeat.
    """
    y, p, weight = (column_numbers(predictions, name) for name in ("y", "p_win", "weight"))
    deal = deal_codes(predictions)
    found: dict[str, list[float]] = {
        name: [] for name in ("mean_p", "won_share", "low", "high", "rows", "deals")
    }
    chosen = equal_mass_bins(p, weight, bins) if weight.sum() > 0 else np.zeros(len(p), dtype=np.int64)
    for level in np.unique(chosen):
        part = chosen == level
        if weight[part].sum() <= 0:
            continue
        share = float(np.average(y[part], weights=weight[part]))
        deals = len(np.unique(deal[part]))
        low, high = _wilson(share, deals)
        row = (float(np.average(p[part], weights=weight[part])), share, low, high, int(part.sum()), deals)
        for name, value in zip(found, row, strict=True):
            found[name].append(value)
    return pa.table({name: pa.array(values, pa.float64()) for name, values in found.items()})


def draw_reliability(table: pa.Table, caption: str) -> Any:
    """Share won against predicted probability, with intervals, counts and the diagonal."""
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("mean_p:Q", title="predicted probability of winning", scale=scale)
    base = alt.Chart(_inline(table))
    diagonal = alt.Chart(_rows([{"a": 0.0}, {"a": 1.0}])).mark_line(strokeDash=[4, 4], color="#6b7280")
    layers = [
        diagonal.encode(x=alt.X("a:Q", scale=scale), y=alt.Y("a:Q", scale=scale)),
        base.mark_rule(color=_COLOURS[0], opacity=0.6).encode(
            x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"
        ),
        base.mark_circle(color=_COLOURS[0], opacity=1).encode(
            x=x,
            y=alt.Y("won_share:Q", title="share won", scale=scale),
            size=alt.Size(
                "deals:Q", title="deals", scale=alt.Scale(range=[30, 260]), legend=alt.Legend(columns=6)
            ),
        ),
    ]
    return framed(alt.layer(*layers), "Dots on the dashed line are calibrated", caption)


def lift_table(predictions: pa.Table, *, points: int = 50) -> pa.Table:
    """Share of rows looked at, best first, and share of won rows found so far; per model, 0 to 1."""
    y, weight = (column_numbers(predictions, name) for name in ("y", "weight"))
    rows: list[dict[str, Any]] = []
    if (y * weight).sum() <= 0:
        return _table(rows, "model", "looked_at", "wins_found")
    for name in ("p_win", "stage_probability", "logistic"):
        p = column_numbers(predictions, name)
        seen, found = _gain(p, weight), _gain(p, weight * y)
        for at in np.linspace(0, 1, points + 1):
            share = float(np.interp(at, seen, found))
            rows.append({"model": _LABELS[name], "looked_at": float(at), "wins_found": share})
    return _table(rows, "model", "looked_at", "wins_found")


def draw_lift(table: pa.Table, caption: str) -> Any:
    """Cumulative gain: the diagonal is a list in no order."""
    scale = alt.Scale(domain=[0, 1])
    diagonal = alt.Chart(_rows([{"a": 0.0}, {"a": 1.0}])).mark_line(strokeDash=[4, 4], color="#6b7280")
    lines = (
        alt.Chart(_inline(table))
        .mark_line()
        .encode(
            x=alt.X("looked_at:Q", title="share of deals looked at, best first", scale=scale),
            y=alt.Y("wins_found:Q", title="share of wins found", scale=scale),
            **_by_model(table),
        )
    )
    guide = diagonal.encode(x=alt.X("a:Q", scale=scale), y=alt.Y("a:Q", scale=scale))
    return framed(alt.layer(guide, lines), "The higher the curve, the sooner the wins are found", caption)


def age_table(by_age: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Log-loss per span of deal age and model, from an evaluation's `by_age`; nats."""
    rows = []
    for order, part in enumerate(by_age):
        losses = {"p_win": part["log_loss"], **part["baseline_log_loss"]}
        for name in _LABELS:
            if losses[name] is not None:
                rows.append(
                    {
                        "order": order,
                        "age": f"{_span(part['age_from_days'], part['age_to_days'])} (n={part['deals']})",
                        "model": _LABELS[name],
                        "log_loss": losses[name],
                    }
                )
    return _table(rows, "order", "age", "model", "log_loss")


def draw_age(table: pa.Table, caption: str) -> Any:
    """Log-loss by deal age, the model beside its baselines; lower is better."""
    chart = (
        alt.Chart(_inline(table))
        .mark_line(point=True)
        .encode(
            x=alt.X("age:N", title="deal age, days (n: deals)", sort=alt.SortField("order"), axis=_flat()),
            y=alt.Y("log_loss:Q", title="log-loss, nats", scale=alt.Scale(zero=False)),
            **_by_model(table),
        )
    )
    return framed(chart, "Below the base rate's line, the model helps at that age", caption)


def shap_table(contributions: FloatArray, names: Sequence[str], features: Sequence[Feature]) -> pa.Table:
    """Mean |contribution| in log-odds per feature, largest first, with its driver's title.

    contributions: shape (rows, features), the columns in the order of `names`.
    """
    families = {feature.name: FAMILIES[feature.family].title for feature in features}
    sizes = np.abs(contributions).mean(axis=0) if len(contributions) else np.zeros(len(names))
    order = np.lexsort((np.asarray(names, dtype=str), -sizes))
    rows = [
        {"feature": names[i], "driver": families.get(names[i], "Other"), "mean_abs_log_odds": float(sizes[i])}
        for i in order
    ]
    return _table(rows, "feature", "driver", "mean_abs_log_odds")


def draw_shap(table: pa.Table, caption: str, *, top: int = 20) -> Any:
    """The features that move predictions most, coloured by driver."""
    chart = (
        alt.Chart(_inline(table.slice(0, top)))
        .mark_bar()
        .encode(
            x=alt.X("mean_abs_log_odds:Q", title="mean |contribution|, log-odds"),
            y=alt.Y("feature:N", title=None, sort=None, axis=alt.Axis(labelLimit=240)),
            color=alt.Color("driver:N", title="driver", scale=alt.Scale(scheme="tableau10")),
        )
    )
    return framed(
        chart, "What moves the probability most", caption, height=18 * min(top, table.num_rows) + 20
    )


def evaluation_charts(predictions: pa.Table, document: Mapping[str, Any]) -> dict[str, str]:
    """SVG texts by name: reliability, lift, by_age; empty where nothing could be scored."""
    if document["metrics"]["win"]["log_loss"] is None:
        return {}
    test = document["test"]
    caption = (
        f"Test {test['as_of_min'][:10]} to {test['as_of_max'][:10]}, {test['deals']} deals, {test['rows']} "
        f"snapshots; model {document['model_version']}; as of {document['as_of'][:10]}"
    )
    charts = {"reliability": draw_reliability(reliability_table(predictions), caption)}
    lift, age = lift_table(predictions), age_table(document["by_age"])
    if lift.num_rows:
        charts["lift"] = draw_lift(lift, caption)
    if age.num_rows:
        charts["by_age"] = draw_age(age, caption)
    return {name: svg(chart) for name, chart in charts.items()}


def can_draw() -> bool:
    """Whether drawings can be made: the renderer reserves address space, and ends the process without."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return limit == resource.RLIM_INFINITY or limit >= _ADDRESS_SPACE


def svg(chart: Any) -> str:
    """The chart as SVG text, rendered without a network."""
    return str(vl_convert.vegalite_to_svg(chart.to_json(), allowed_base_urls=[]))


def _gain(p: FloatArray, mass: FloatArray) -> FloatArray:
    """Cumulated shares of mass from the highest p down, equal p taken together; begins at 0."""
    _, level = np.unique(-p, return_inverse=True)
    return np.r_[0.0, np.cumsum(np.bincount(level, mass)) / mass.sum()]


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n."""
    centre = (share + _Z95**2 / (2 * n)) / (1 + _Z95**2 / n)
    half = _Z95 / (1 + _Z95**2 / n) * np.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _span(low: float, high: float | None) -> str:
    return f"{low:g}+" if high is None else f"{low:g}-{high:g}"


def _by_model(table: pa.Table) -> dict[str, Any]:
    """Colour and dash by model, the same in every chart."""
    shown = set(table["model"].to_pylist())
    kept = [i for i, label in enumerate(_LABELS.values()) if label in shown]
    domain = [list(_LABELS.values())[i] for i in kept]
    colours = alt.Scale(domain=domain, range=[_COLOURS[i] for i in kept])
    dashes = alt.Scale(domain=domain, range=[_DASHES[i] for i in kept])
    return {
        "color": alt.Color("model:N", title=None, scale=colours),
        "strokeDash": alt.StrokeDash("model:N", title=None, scale=dashes),
    }


def _flat() -> Any:
    return alt.Axis(labelAngle=-30, labelOverlap=False)


def framed(chart: Any, title: str, caption: str, *, height: int = _HEIGHT) -> Any:
    """A chart with its title and caption, in the size and colours that all charts share."""
    heading = alt.TitleParams(title, subtitle=caption, anchor="start", fontSize=14, subtitleFontSize=11)
    return (
        chart.properties(width=_WIDTH, height=height, title=heading)
        .configure(background="#ffffff", font="Arial, Liberation Sans, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(gridColor="#e5e7eb", domainColor="#9ca3af", tickColor="#9ca3af")
        .configure_legend(orient="bottom", columns=3, labelLimit=0, symbolLimit=0, titleAnchor="start")
    )


def _table(rows: list[dict[str, Any]], *names: str) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows]) for name in names})


def _inline(table: pa.Table) -> Any:
    return _rows(table.to_pylist())


def _rows(rows: list[dict[str, Any]]) -> Any:
    return alt.Data(values=rows)
