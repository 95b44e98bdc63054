"""Charts of models judged out of time: calibration, and how soon the wins are found."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from serving.api.model_parts import ModelAnswer, WorthPart
from serving.pages.charting import AGAINST, FOR, MUTED, Chart, Row, base, filled, spec_of

__all__ = [
    "lift_chart", "lift_rows", "reliability_chart", "reliability_rows", "worth_chart", "worth_rows",
]  # fmt: skip

CHAMPION, CHALLENGER = "champion", "challenger"
_LIFTED = {"win": "the model", "renewal": "the model"}
_SIDES = alt.Scale(domain=[CHAMPION, CHALLENGER], range=[FOR, "var(--second)"])


def reliability_rows(models: Sequence[tuple[str, ModelAnswer]]) -> list[dict[str, Any]]:
    """Per model and bin: mean_p, share with low and high, cases. models: role and answer of each."""
    return [
        {"of": role, **one.model_dump(include={"mean_p", "share", "low", "high", "cases"})}
        for role, model in models
        for one in model.reliability
    ]


def reliability_chart(rows: Sequence[Row], key: str, happened: str) -> Chart:
    """Share that came true against predicted probability, with intervals and the diagonal."""
    columns = (
        ("of", "Model", ""), ("mean_p", "Predicted", "percent"), ("share", f"Share {happened}", "percent"),
        ("low", "Low (95 %)", "percent"), ("high", "High (95 %)", "percent"), ("cases", "Cases", "number"),
    )  # fmt: skip
    shown = [*rows, {"end": 0.0}, {"end": 1.0}]
    note = f"Each dot: test rows with like predictions; share {happened}, with its 95 % interval."
    title = "Dots on the dashed line are calibrated"
    return Chart(f"reliability-{key}", title, note, filled(_reliability(happened), shown), columns, rows)


def lift_rows(models: Sequence[tuple[str, ModelAnswer]]) -> list[dict[str, Any]]:
    """Per model: looked_at, found. The baselines are those of the first model."""
    rows = []
    for place, (role, model) in enumerate(models):
        for one in model.lift:
            is_model = one.model not in _baselines(model)
            if is_model or place == 0:
                name = role if is_model else one.model
                rows.append({"of": name, "looked_at": one.looked_at, "found": one.found})
    return rows


def lift_chart(rows: Sequence[Row], key: str, happened: str) -> Chart:
    """How many of the wins are found when the likeliest rows are looked at first."""
    columns = (("of", "Ranked by", ""), ("looked_at", "Looked at", "percent"), ("found", "Found", "percent"))
    told = [row for row in rows if round(row["looked_at"] * 100) % 10 == 0]
    third = [row["found"] for row in rows if row["of"] == CHAMPION and row["looked_at"] >= 0.2]
    title = f"The likeliest fifth holds {third[0]:.0%} of those {happened}" if third else "Cumulative gain"
    note = "The dashed line is a list in no order."
    shown = [*rows, {"end": 0.0}, {"end": 1.0}]
    return Chart(f"lift-{key}", title, note, filled(_lift(happened), shown), columns, told)


def worth_rows(parts: Sequence[WorthPart]) -> list[dict[str, Any]]:
    """Per family: title, loss (log-loss lost without it, nats) with low and high, place."""
    held = [(one, one.left_out) for one in parts if one.left_out is not None]
    ranked = sorted(held, key=lambda pair: -pair[1].value)
    return [
        {"title": one.title, "loss": lost.value, "low": lost.low, "high": lost.high, "place": place}
        for place, (one, lost) in enumerate(ranked)
    ]


def worth_chart(rows: Sequence[Row]) -> Chart:
    """What the model loses without each family of features."""
    columns = (
        ("title", "Family", ""), ("loss", "Log-loss lost without it", "fine"), ("low", "Low (95 %)", "fine"),
        ("high", "High (95 %)", "fine"),
    )  # fmt: skip
    note = "Nats of log-loss lost when the family is left out, out of time; right of 0 it helps."
    title = f"“{rows[0]['title']}” is worth most" if rows else "What each family is worth"
    return Chart("worth", title, note, filled(_worth(), rows, height=26 * len(rows) + 20), columns, rows)


def _baselines(model: ModelAnswer) -> frozenset[str]:
    """What the lift calls everything but the model, whose curve comes first."""
    names = list(dict.fromkeys(one.model for one in model.lift))
    return frozenset(names[1:])


@cache
def _reliability(happened: str) -> Row:
    def drawn() -> Any:
        whole, share = alt.Scale(domain=[0, 1]), alt.Axis(format=".0%", tickCount=5)
        x = alt.X("mean_p:Q", title="predicted probability", scale=whole, axis=share)
        colour = alt.Color("of:N", title=None, scale=_SIDES)
        dots = base().transform_filter("isValid(datum.mean_p)")
        rule = dots.mark_rule(opacity=0.6).encode(
            x=x,
            y=alt.Y("low:Q", scale=whole, axis=share, title=f"share {happened}"),
            y2="high:Q",
            color=colour,
        )
        shapes = alt.Scale(domain=[CHAMPION, CHALLENGER], range=["circle", "square"])
        tips = [
            alt.Tooltip("of:N", title="model"),
            alt.Tooltip("mean_p:Q", title="predicted", format=".0%"),
            alt.Tooltip("share:Q", title=happened, format=".0%"),
            alt.Tooltip("cases:Q", title="cases"),
        ]
        points = dots.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, y="share:Q", color=colour, tooltip=tips, shape=alt.Shape("of:N", title=None, scale=shapes)
        )
        return alt.layer(_diagonal(), rule, points)

    return spec_of(drawn, height=260)


@cache
def _lift(happened: str) -> Row:
    def drawn() -> Any:
        whole, share = alt.Scale(domain=[0, 1]), alt.Axis(format=".0%", tickCount=5)
        lines = base(
            x=alt.X("looked_at:Q", title="share looked at, likeliest first", scale=whole, axis=share),
            y=alt.Y("found:Q", title=f"of those {happened}, found", scale=whole, axis=share),
            color=alt.Color(
                "of:N", title=None, sort=None,
                scale=alt.Scale(range=[FOR, AGAINST, "var(--third)", "var(--second)"]),
            ),
            strokeDash=alt.StrokeDash("of:N", title=None, sort=None),
        )  # fmt: skip
        return alt.layer(
            _diagonal(), lines.transform_filter("isValid(datum.found)").mark_line(strokeWidth=2.2)
        )

    return spec_of(drawn, height=260)


@cache
def _worth() -> Row:
    def drawn() -> Any:
        y = alt.Y("title:N", sort=alt.EncodingSortField("place", op="min"), title=None,
                  axis=alt.Axis(labelLimit=220, ticks=False, domain=False))  # fmt: skip
        x = alt.X("loss:Q", title="log-loss lost without it, nats", axis=alt.Axis(tickCount=5))
        bars = base(x=x, y=y).mark_bar(height=12, color=FOR, opacity=0.75)
        ends = base(x="low:Q", x2="high:Q", y=y).mark_rule(color="var(--ink)")
        return alt.layer(bars, ends)

    return spec_of(drawn, height=200)


def _diagonal() -> Any:
    ends = base().transform_filter("isValid(datum.end)")
    return ends.mark_line(strokeDash=[4, 4], color=MUTED).encode(x="end:Q", y="end:Q")
