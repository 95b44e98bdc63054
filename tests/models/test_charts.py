"""The tables behind the charts, worked out by hand, and drawings that need no network."""

import re
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from features.feature import Feature, Measure
from models.charts import (
    age_table,
    draw_age,
    draw_lift,
    draw_reliability,
    draw_shap,
    lift_table,
    reliability_table,
    shap_table,
    svg,
)


def _predictions(y, p, deals=None, **columns):
    n = len(y)
    other = {name: [0.5] * n for name in ("base_rate", "stage_probability", "naive_bayes", "logistic")}
    return pa.table(
        {
            "opportunity_id": deals or [f"d{i}" for i in range(n)],
            "as_of": pa.array([datetime(2025, 1, 6, tzinfo=UTC)] * n, pa.timestamp("us", "UTC")),
            "y": pa.array(y, pa.int8()),
            "weight": [1.0] * n,
            "p_win": p,
            **other,
            **columns,
        }
    )


def test_the_reliability_table_holds_share_won_counts_and_an_interval_per_bin():
    table = reliability_table(_predictions([0, 0, 0, 1, 1, 1, 1, 0], [0.25] * 4 + [0.75] * 4), bins=2)
    assert table["mean_p"].to_pylist() == [0.25, 0.75]
    assert table["won_share"].to_pylist() == [0.25, 0.75]
    assert table["deals"].to_pylist() == [4, 4]
    # Wilson's interval for 1 of 4
    assert table["low"][0].as_py() == pytest.approx(0.0456, abs=1e-3)
    assert table["high"][0].as_py() == pytest.approx(0.6994, abs=1e-3)


def test_snapshots_of_one_deal_do_not_narrow_its_interval():
    many = reliability_table(_predictions([1, 1, 0, 0] * 5, [0.5] * 20, deals=["a", "a", "b", "b"] * 5))
    few = reliability_table(_predictions([1, 0], [0.5] * 2, deals=["a", "b"]))
    assert many["low"].to_pylist() == few["low"].to_pylist()


def test_the_lift_table_finds_all_wins_first_for_a_perfect_order_and_follows_the_diagonal_for_none():
    table = lift_table(_predictions([1, 0, 0, 0], [0.9, 0.3, 0.2, 0.1]), points=4).to_pylist()
    curves = {}
    for row in table:
        curves.setdefault(row["model"], []).append(row["wins_found"])
    assert curves["win model"] == pytest.approx([0, 1, 1, 1, 1])
    assert curves["stage probability"] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_the_age_table_has_one_row_per_span_and_model_that_was_scored():
    losses = {"base_rate": 0.7, "stage_probability": 0.6, "naive_bayes": None, "logistic": 0.55}
    part = {"age_from_days": 0, "age_to_days": 7, "deals": 12, "log_loss": 0.5, "baseline_log_loss": losses}
    rows = age_table([part, {**part, "age_from_days": 365, "age_to_days": None}]).to_pylist()
    assert [(r["age"], r["model"], r["log_loss"]) for r in rows[:2]] == [
        ("0-7 (n=12)", "win model", 0.5),
        ("0-7 (n=12)", "stage probability", 0.6),
    ]
    assert len(rows) == 8
    assert rows[-1]["age"] == "365+ (n=12)"


def _feature(name, family):
    return Feature(name, family, "number", "", "", "", "depends", "", "", Measure("deals", "current", name))


def test_the_shap_table_ranks_features_by_mean_absolute_contribution_with_their_driver():
    contributions = np.array([[0.1, -2.0], [-0.3, 1.0]])
    features = [_feature("a", "momentum"), _feature("b", "promises")]
    rows = shap_table(contributions, ["a", "b"], features).to_pylist()
    assert rows[0] == {"feature": "b", "driver": "Promised features", "mean_abs_log_odds": 1.5}
    assert rows[1] == {"feature": "a", "driver": "Momentum", "mean_abs_log_odds": pytest.approx(0.2)}


def test_every_drawing_becomes_svg_with_its_title_and_caption_and_no_address_to_load():
    predictions = _predictions([1, 0, 1, 0], [0.9, 0.3, 0.6, 0.1])
    losses = dict.fromkeys(("base_rate", "stage_probability", "naive_bayes", "logistic"), 0.7)
    week = {"age_from_days": 0, "age_to_days": 7, "deals": 4, "log_loss": 0.5, "baseline_log_loss": losses}
    charts = [
        draw_reliability(reliability_table(predictions), "the caption"),
        draw_lift(lift_table(predictions), "the caption"),
        draw_age(age_table([week]), "the caption"),
        draw_shap(shap_table(np.ones((2, 1)), ["a"], [_feature("a", "momentum")]), "the caption"),
    ]
    for chart in charts:
        drawing = svg(chart)
        assert drawing.startswith("<svg")
        assert "the caption" in drawing
        addresses = re.findall(r"https?://[^\"' )]+", drawing)
        assert set(addresses) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_no_chart_is_drawn_where_the_renderer_could_not_start() -> None:
    code = (
        "import resource; from models.charts import can_draw; before = can_draw(); "
        "resource.setrlimit(resource.RLIMIT_AS, (2**35, 2**35)); print(before, can_draw())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]
