"""The tables behind the charts, by hand; and that every drawing is complete without another address."""

import json
import math
from datetime import UTC, datetime

import pytest

from serving.api.forecast_parts import ChangePart, ChangeTerm, Figure
from serving.pages.deal_charts import timing_chart, timing_rows, waterfall_chart, waterfall_rows
from serving.pages.forecast_charts import change_chart, change_rows, fan_chart, fan_rows, scenario_chart
from serving.pages.step_charts import step_rows

_LINE = (("use", 0.5), ("people", -1.0))


def test_a_waterfall_goes_from_the_base_to_the_whole() -> None:
    rows = waterfall_rows("base", 0.0, _LINE, "deal")
    assert [(row["step"], row["low"], row["high"], row["way"], row["label"]) for row in rows] == [
        ("base", 0.0, 0.0, "whole", "50\u00a0%"),
        ("use", 0.0, 0.5, "for", "+0.50"),
        ("people", -0.5, 0.5, "against", "−1.00"),
        ("deal", -0.5, -0.5, "whole", "38\u00a0%"),
    ]
    assert rows[-1]["p"] == pytest.approx(1 / (1 + math.exp(0.5)))


def test_a_curve_is_dated_from_the_day_of_the_scores() -> None:
    rows = timing_rows(datetime(2026, 1, 30, 23, tzinfo=UTC), (0, 7), (0.0, 0.25))
    assert rows == [{"days": 0, "on": "2026-01-30", "p": 0.0}, {"days": 7, "on": "2026-02-06", "p": 0.25}]


def test_a_curve_ends_soon_after_it_has_arrived() -> None:
    as_of = datetime(2026, 1, 1, tzinfo=UTC)
    rows = timing_rows(as_of, (0, 91, 182, 730), (0.0, 0.3, 0.5, 0.5))
    made = timing_chart(rows, p_win=0.5, expected_close_on=None)
    drawn = [row["days"] for row in made.spec["datasets"]["rows"] if "days" in row]
    assert drawn == [0, 91, 182]
    assert [row["days"] for row in made.cells] == [0, 91, 182, 730]


def test_steps_add_up_and_say_their_sign() -> None:
    rows = step_rows(("before", 100.0), (("won", 40.0), ("lost", -90.0), ("nothing", 0.0)), ("after", 50.0))
    assert [(row["low"], row["high"], row["label"]) for row in rows] == [
        (100.0, 100.0, "100"), (100.0, 140.0, "+40"), (50.0, 140.0, "−90"), (50.0, 50.0, "0"),
        (50.0, 50.0, "50"),
    ]  # fmt: skip


def test_a_fan_holds_the_total_of_one_part_and_kind_of_period() -> None:
    assert fan_rows(_figures(), "bookings", "month") == [
        {"label": "Jan 2026", "mean": 10.0, "p10": 5.0, "p50": 9.0, "p90": 20.0}
    ]


def test_a_figure_that_is_withheld_is_not_drawn() -> None:
    assert fan_rows(_figures(), "renewals", "month") == []


def test_a_change_of_forecast_is_drawn_from_run_to_run() -> None:
    rows = change_rows(_change())
    assert [(row["step"], row["value"]) for row in rows] == [
        ("Run before", 100.0), ("New deals", 30.0), ("Lost", -50.0), ("This run", 80.0),
    ]  # fmt: skip


def test_every_chart_says_what_to_see_has_units_and_asks_for_nothing_else() -> None:
    rows = fan_rows(_figures(), "bookings", "month")
    curve = timing_rows(datetime(2026, 1, 1, tzinfo=UTC), (0, 7), (0.0, 0.25))
    charts = [
        waterfall_chart(waterfall_rows("base", 0.0, _LINE, "deal"), title="What to see", note="How"),
        timing_chart(curve, p_win=0.3, expected_close_on="2026-01-05"),
        fan_chart(rows, "bookings", _figures()[0], "EUR"),
        change_chart(_change(), "EUR"),
        scenario_chart(rows, rows, "bookings", "EUR"),
    ]
    for made in charts:
        text = json.dumps(made.spec)
        assert made.title
        assert made.note
        assert made.cells
        assert {key for key, _, _ in made.columns} <= set(made.cells[0])
        assert "http" not in text.replace("https://vega.github.io/schema/", "")
        assert '"url"' not in text


def _figures() -> tuple[Figure, ...]:
    base = {"level": "total", "key": "total", "period": "2026-01", "period_kind": "month", "hidden": False}
    told = {"mean": 10.0, "p10": 5.0, "p50": 9.0, "p90": 20.0}
    empty = dict.fromkeys(told)
    return (
        Figure(part="bookings", **base, **told),
        Figure(part="bookings", **{**base, "period": "2026-Q1", "period_kind": "quarter"}, **told),
        Figure(part="bookings", **{**base, "level": "region", "key": "north"}, **told),
        Figure(part="renewals", **{**base, "hidden": True}, **empty),
    )


def _change() -> ChangePart:
    def term(name: str, title: str, amount: float) -> ChangeTerm:
        return ChangeTerm(
            term=name,
            title=title,
            amount=amount,
            items=1,
            largest_id=None,
            largest_amount=None,
            sentence=title,
        )

    return ChangePart(
        part="bookings", before=100.0, after=80.0, headline="Down.",
        terms=(term("new", "new deals", 30.0), term("lost", "lost", -50.0)),
    )  # fmt: skip
