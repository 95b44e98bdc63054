"""How a forecast looks at the width of a terminal."""

import io
from datetime import date
from pathlib import Path

from rich.console import Console

from pipelines.forecast import exported, published_forecast
from pipelines.show_forecast import forecast_view
from pipelines.what_if import asked_of, changes_of
from tests.serving.forecast_runs import about, deal, published, renewal, tables, used

FIGURES = "50 (0 to 100)"


def shown(workspace: Path, width: int, horizon: int | None = None) -> list[str]:
    held = tables([deal("D1", days=1)], [renewal("K1")], [used(date(2026, 12, 1), 80.0)])
    run = published(workspace, "20261121T000000Z-000001", held, facts=about(horizon_months=5))
    found = published_forecast(run, horizon=horizon)
    console = Console(file=io.StringIO(), width=width)
    console.print(forecast_view(found, asked_of("quarter")))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def test_a_wide_terminal_shows_parts_side_by_side(tmp_path: Path) -> None:
    lines = shown(tmp_path, 150)
    assert lines[0] == "Forecast in EUR: mean (P10 to P90)"
    assert lines[1].split() == ["period", "open", "deals", "bookings", "renewals", "consumption"]
    assert any(line.startswith("all months") and FIGURES in line for line in lines)


def test_a_narrow_terminal_loses_neither_the_period_nor_a_figure(tmp_path: Path) -> None:
    lines = shown(tmp_path, 60)
    assert lines[0] == "Forecast in EUR: mean (P10 to P90)"
    assert lines[1].split() == ["period", "part", "mean", "P10", "P90"]
    whole = [line.split() for line in lines if line.startswith("all months")]
    assert ["all", "months", "open", "deals", "50", "0", "100"] in whole
    assert not any("…" in line for line in lines)


def test_a_quarter_that_the_forecast_holds_in_part_names_its_months(tmp_path: Path) -> None:
    periods = [line[:20].strip() for line in shown(tmp_path, 150)[2:5]]
    assert periods == ["2026-Q4 (Nov to Dec)", "2027-Q1", "all months"]
    assert "2027-Q1 (Jan)" in "\n".join(shown(tmp_path / "short", 150, horizon=3))


def test_a_scenario_says_what_it_changes_on_the_terminal_and_in_an_export(tmp_path: Path) -> None:
    held = tables([deal("D1"), deal("D2", amount=None)])
    run = published(tmp_path, "20261121T000000Z-000001", held)
    found = published_forecast(run, changes=changes_of(lost=["D1"], price=["1.1"]))
    file = io.StringIO()
    Console(file=file, width=80).print(forecast_view(found, asked_of("quarter")))
    assert file.getvalue().splitlines()[1:3] == ["  deal D1 is lost", "  prices × 1.1"]
    assert found.as_dict()["scenario"] == ["deal D1 is lost", "prices × 1.1"]
    exported(found, tmp_path / "out")
    said = (tmp_path / "out" / "about.csv").read_text(encoding="utf-8-sig")
    assert "scenario: deal D1 is lost" in said
    assert "in no total: open deals without an amount: 1" in said
