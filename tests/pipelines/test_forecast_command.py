"""`dealcast forecast` and `dealcast renewals` on a published run."""

import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from tests.pipelines.conftest import dealcast

pytestmark = pytest.mark.slow
Ran = tuple[Path, dict[str, Any], str]
PARTS = {"open_deals", "not_yet_created", "bookings", "renewals", "consumption"}


def asked(workspace: Path, *options: str) -> dict[str, Any]:
    done = dealcast("forecast", "-w", workspace, "--json", *options)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def means(
    found: dict[str, Any], level: str = "total", field: str = "forecast"
) -> dict[tuple[str, str], float]:
    """Expected amounts by part and period, summed over the level's keys."""
    sums: dict[tuple[str, str], float] = {}
    for row in found[field]:
        if row["level"] == level:
            place = row["part"], row["period"]
            sums[place] = sums.get(place, 0.0) + row["mean"]
    return sums


def test_a_run_publishes_all_parts_of_the_forecast(ran: Ran) -> None:
    workspace, result, _ = ran
    folder = workspace / "published" / result["run_id"]
    for name in (
        "renewal_scores", "renewal_contributions", "consumption_forecast", "bookings_forecast",
        "forecast_summary", "win_timing", "closed_deals",
    ):  # fmt: skip
        assert pq.read_table(folder / f"{name}.parquet").num_rows, name
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {"renewal_scores.parquet", "forecast_summary.parquet"} <= set(manifest["files"])
    summary = pq.read_table(folder / "forecast_summary.parquet").to_pylist()
    assert {row["part"] for row in summary} == PARTS
    assert all(row["p10"] <= row["p50"] <= row["p90"] for row in summary)


def test_asking_again_gives_the_published_figures_again(ran: Ran) -> None:
    workspace, result, _ = ran
    folder = workspace / "published" / result["run_id"]
    published = {
        (row["part"], row["period"]): (row["mean"], row["p10"], row["p90"])
        for row in pq.read_table(folder / "forecast_summary.parquet").to_pylist()
        if row["level"] == "total"
    }
    found = asked(workspace)
    told = {
        (row["part"], row["period"]): (row["mean"], row["p10"], row["p90"])
        for row in found["forecast"]
        if row["level"] == "total"
    }
    assert told == published


def test_expected_amounts_of_keys_add_up_to_the_total_and_bookings_to_their_parts(ran: Ran) -> None:
    found = asked(ran[0], "--by", "region,month")
    total, by_region = means(found), means(found, "region")
    assert set(by_region) == set(total)
    for place, mean in total.items():
        assert by_region[place] == pytest.approx(mean, rel=1e-9, abs=1e-6)
    for part, period in total:
        if part == "bookings":
            parts = total["open_deals", period] + total["not_yet_created", period]
            assert total[part, period] == pytest.approx(parts)


def test_a_scenario_moves_what_it_names_and_nothing_else(ran: Ran) -> None:
    workspace, result, _ = ran
    scores = pq.read_table(workspace / "published" / result["run_id"] / "win_deals.parquet").to_pylist()
    deal = next(row["opportunity_id"] for row in scores if row["amount"] and row["type"] != "renewal")
    found = asked(workspace, "--won", deal, "--usage", "0.5")
    before, after = means(found, field="without_scenario"), means(found)
    whole = next(period for _, period in before if ".." in period)
    assert after["open_deals", whole] > before["open_deals", whole]
    assert after["consumption", whole] == pytest.approx(before["consumption", whole] / 2)
    assert after["renewals", whole] == before["renewals", whole]
    assert after["not_yet_created", whole] == before["not_yet_created", whole]


def test_a_deal_that_is_not_in_the_forecast_is_named(ran: Ran) -> None:
    done = dealcast("forecast", "-w", ran[0], "--lost", "D-nowhere")
    assert done.returncode == 2
    assert "D-nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_workbook_has_a_sheet_for_each_part_and_for_the_scenario(ran: Ran, tmp_path: Path) -> None:
    path = tmp_path / "forecast.xlsx"
    found = asked(ran[0], "--usage", "1.1", "--export", str(path))
    assert found["export"] == str(path)
    book = openpyxl.load_workbook(path)
    assert {"forecast_summary", "renewals", "consumption", "scenario"} <= set(book.sheetnames)
    told = [row[3] for row in book["about"].iter_rows(values_only=True) if row[0] == "note"]
    assert "scenario: use × 1.1" in told
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not any(cell.data_type == "f" for cell in cells)


def test_the_terminal_says_what_is_in_no_total_and_as_of_when(ran: Ran) -> None:
    done = dealcast("forecast", "-w", ran[0], "--by", "segment")
    assert done.returncode == 0, done.stderr
    assert "mean (P10 to P90)" in done.stdout
    assert "In no total, or to be known" in done.stdout
    assert ran[1]["run_id"] in done.stdout


def test_renewals_are_ranked_and_explained_by_contract(ran: Ran) -> None:
    done = dealcast("renewals", "-w", ran[0], "--json", "--top", "5")
    assert done.returncode == 0, done.stderr
    ranked = json.loads(done.stdout)["renewals"]
    assert [one["p_renew"] for one in ranked] == sorted(one["p_renew"] for one in ranked)
    why = dealcast("explain", ranked[0]["contract_id"], "-w", ran[0])
    assert why.returncode == 0, why.stderr
    assert "probability of renewal" in why.stdout


def test_a_forecast_as_of_an_earlier_day_knows_nothing_later_and_publishes_nothing(ran: Ran) -> None:
    workspace, result, _ = ran
    found = asked(workspace, "--as-of", "2025-09-01")
    assert found["as_of"].startswith("2025-09-01")
    assert found["run_id"] != result["run_id"]
    assert (workspace / "published" / "CURRENT").read_text() == result["run_id"]
    folder = workspace / "runs" / found["run_id"] / "published" / found["run_id"]
    closed = pq.read_table(folder / "closed_deals.parquet")["closed_at"].to_pylist()
    assert closed
    assert max(closed).isoformat() < "2025-09-01"
