"""The forecast in JSON: published figures, scenarios, a file to download; few deals told to nobody."""

import csv
import io
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from data.errors import UsageError
from serving.access.actor import OWNER
from serving.access.policy import MIN_CELL
from serving.api.exporting import ExportQuery, exported
from serving.api.forecast import forecast_view
from serving.api.forecast_parts import DealMoved, DealWon, Factor, ForecastQuery, ForecastView, ScenarioGiven
from serving.api.scenario import NoForecastError, scenario_view
from serving.app import create_app
from serving.forecast import BOOKINGS_FILE, SUMMARY_FILE
from serving.live import HeldRun, hold
from tests.serving.access_world import Client, person, settings
from tests.serving.access_world import published as small_run
from tests.serving.api_world import ops, viewer
from tests.serving.forecast_runs import closed, deal, published, renewal, tables, used

FIRST, SECOND = "20261114T000000Z-00000a", "20261121T000000Z-00000b"
NORTH = [deal(f"N{n}", amount=100.0 * (n + 1)) for n in range(8)]
SOUTH = [deal(f"S{n}", region="south", account="beta", amount=50.0) for n in range(6)]
EAST = [deal("E1", region="east", account="gamma", amount=900.0)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecast")
    held = tables([*NORTH, *SOUTH], [renewal("K1", end=date(2026, 12, 15))])
    before = published(folder, FIRST, held)
    later = tables(
        [*NORTH[1:], *SOUTH, *EAST],
        [renewal("K1", end=date(2026, 12, 15))],
        [used(date(2026, 12, 1), 40.0), used(date(2026, 12, 1), 40.0, level="total")],
        closed=[closed("N0", True, 100.0)],
    )
    published(folder, SECOND, later, before=before)
    return folder


@pytest.fixture(scope="module")
def run(workspace: Path) -> HeldRun:
    return hold(workspace)


@pytest.fixture(scope="module")
def app(workspace: Path) -> FastAPI:
    return create_app(settings(workspace))


def by_place(view: ForecastView) -> dict[tuple[str, str, str, str], float | None]:
    return {(one.part, one.level, one.key, one.period): one.mean for one in view.figures}


def test_the_figures_are_the_published_ones_each_once(run: HeldRun) -> None:
    view = forecast_view(ops(run, "forecast"), ForecastQuery(by=("region", "segment", "owner")))
    rows = run.table(BOOKINGS_FILE).to_pylist()
    rows += [row for row in run.table(SUMMARY_FILE).to_pylist() if row["part"] in ("renewals", "consumption")]
    wanted = {
        (row["part"], row["level"], row["key"], row["period"]): row["mean"]
        for row in rows
        if row["level"] in ("total", "region", "segment", "owner")
    }
    assert by_place(view) == wanted
    assert len(view.figures) == len(wanted)
    assert (view.currency, view.horizon_months, view.draws, view.withheld) == ("EUR", 3, 200, 0)


def test_figures_are_cut_to_what_was_asked_for(run: HeldRun) -> None:
    view = forecast_view(ops(run, "forecast"), ForecastQuery(period=("horizon",), part=("open_deals",)))
    (figure,) = view.figures
    # seven northern deals of 200 to 800, six southern of 50, one eastern of 900: half of each, if they close
    assert (figure.part, figure.level, figure.period_kind) == ("open_deals", "total", "horizon")
    assert figure.mean == pytest.approx(0.5 * (3500 + 300 + 900) * _closed_by_end(run), rel=1e-6)
    assert figure.p10 is not None
    assert figure.p10 <= (figure.p50 or 0.0)


def _closed_by_end(run: HeldRun) -> float:
    """The share of wins that fall into the three months: deals are won evenly over 120 days."""
    return (date(2027, 2, 1) - run.as_of.date()).days / 120


def test_a_shorter_horizon_is_simulated_and_ends_earlier(run: HeldRun) -> None:
    whole = forecast_view(ops(run, "forecast"), ForecastQuery(period=("month",), part=("open_deals",)))
    short = forecast_view(
        ops(run, "forecast"), ForecastQuery(period=("month",), part=("open_deals",), horizon=2)
    )
    assert short.horizon_months == 2
    assert [one.period for one in short.figures] == ["2026-11", "2026-12"]
    assert [one.mean for one in short.figures] == pytest.approx([one.mean for one in whole.figures[:2]])


def test_a_horizon_beyond_the_runs_own_is_refused(run: HeldRun) -> None:
    with pytest.raises(UsageError, match="expected 1 to 3 months"):
        forecast_view(ops(run, "forecast"), ForecastQuery(horizon=4))


def test_the_change_since_the_run_before_adds_up(run: HeldRun) -> None:
    view = forecast_view(ops(run, "forecast"), ForecastQuery())
    parts = {one.part: one for one in view.change}
    assert {"bookings", "renewals"} <= set(parts)
    for one in view.change:
        assert one.before + sum(term.amount for term in one.terms) == pytest.approx(one.after, abs=1e-6)
        sizes = [abs(term.amount) for term in one.terms]
        assert sizes == sorted(sizes, reverse=True)
    won = next(term for term in parts["bookings"].terms if term.term == "won")
    assert (won.items, won.largest_id) == (1, "N0")


def test_finance_reads_no_figure_of_few_deals_and_no_name_of_one(run: HeldRun) -> None:
    finance = viewer(run, "forecast", "F1", "finance")
    assert finance.scope.min_cell == MIN_CELL
    view = forecast_view(finance, ForecastQuery(by=("region",)))
    hidden = {(one.part, one.key) for one in view.figures if one.hidden}
    assert ("open_deals", "east") in hidden
    assert len({key for part, key in hidden if part == "open_deals"}) >= 2
    assert all(one.mean is None and one.p10 is None for one in view.figures if one.hidden)
    assert view.withheld == sum(one.hidden for one in view.figures) > 0
    text = view.model_dump_json()
    assert not [one["opportunity_id"] for one in NORTH if one["opportunity_id"] in text]
    for one in view.change:
        assert one.before + sum(term.amount for term in one.terms) == pytest.approx(one.after, abs=1e-6)


def test_a_price_changes_what_it_names_and_nothing_else(run: HeldRun) -> None:
    seen = ops(run, "scenario")
    view = scenario_view(
        seen, ScenarioGiven(price=(Factor(factor=2.0, level="region", key="north"),), by=("region",))
    )
    without = {(one.part, one.level, one.key, one.period): one.mean for one in view.without}
    for one in view.figures:
        before = without[one.part, one.level, one.key, one.period]
        if one.part == "open_deals" and one.level == "region":
            factor = 2.0 if one.key == "north" else 1.0
            assert one.mean == pytest.approx((before or 0.0) * factor)
    assert view.changes == ("prices × 2 of region north",)
    published_means = by_place(forecast_view(ops(run, "forecast"), ForecastQuery(by=("region",))))
    assert without == pytest.approx(published_means)


def test_a_deal_won_counts_in_full_and_one_lost_not_at_all(run: HeldRun) -> None:
    given = ScenarioGiven(won=(DealWon(deal="E1", month="2026-12"),), lost=("N7",), by=("region",))
    view = scenario_view(ops(run, "scenario"), given)
    east = next(
        one for one in view.figures
        if (one.part, one.key, one.period_kind) == ("open_deals", "east", "horizon")
    )  # fmt: skip
    assert east.mean == pytest.approx(900.0)
    assert view.changes == ("deal E1 is won in 2026-12", "deal N7 is lost")


def test_finance_changes_prices_and_use_alone_and_of_no_few_deals(run: HeldRun) -> None:
    finance = viewer(run, "scenario", "F1", "finance")
    scenario_view(finance, ScenarioGiven(price=(Factor(factor=1.1),)))
    for given, said in (
        (ScenarioGiven(lost=("N1",)), "not single deals"),
        (ScenarioGiven(lost=("no such deal",)), "not single deals"),
        (ScenarioGiven(churned=("K1",)), "not single deals"),
        (ScenarioGiven(price=(Factor(factor=2.0, level="region", key="east"),)), "too few deals"),
        (ScenarioGiven(usage=(Factor(factor=2.0, level="account", key="acme"),)), "one level at a time"),
        (
            ScenarioGiven(price=(Factor(factor=2.0, level="region", key="north"),
                                 Factor(factor=2.0, level="segment", key="retail"))),
            "one level at a time",
        ),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            scenario_view(finance, given)


def test_finance_changes_what_rests_on_enough_deals_and_sees_deals_by_that_level_alone(run: HeldRun) -> None:
    finance = viewer(run, "scenario", "F1", "finance")
    view = scenario_view(
        finance,
        ScenarioGiven(price=(Factor(factor=2.0, level="segment", key="retail"),), by=("segment", "region")),
    )
    before, after = (
        {
            (one.level, one.key): one.mean
            for one in figures
            if (one.part, one.period_kind) == ("open_deals", "horizon") and not one.hidden
        }
        for figures in (view.without, view.figures)
    )
    assert set(before) == set(after) == {("total", "total"), ("segment", "retail")}
    assert all(after[one] == pytest.approx(2 * before[one]) for one in before)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"price": [{"factor": -1}]}, "greater than or equal to 0"),
        ({"price": [{"factor": 2, "level": "region"}]}, "expected a key for a level"),
        ({"price": [{"factor": 2, "key": "north"}]}, "expected a key for a level"),
        ({"moved": [{"deal": "N1"}]}, "expected a month or days"),
        ({"won": [{"deal": "N1", "month": "2026-13"}]}, "pattern"),
        ({"won": [{"deal": "N1"}], "lost": ["N1"]}, "expected one of the two"),
        ({"renewed": ["K1"], "churned": ["K1"]}, "expected one of the two"),
        ({"prices": []}, "Extra inputs"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(body: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ScenarioGiven.model_validate(body)


def test_a_scenario_of_nothing_or_of_unknown_deals_says_so(app: FastAPI) -> None:
    owner = Client(app, OWNER)
    empty = owner.post("/api/v1/forecast/scenario", json={})
    assert (empty.status_code, "found nothing" in empty.text) == (400, True)
    unknown = owner.post("/api/v1/forecast/scenario", json={"lost": ["N11"]})
    assert unknown.status_code == 400
    assert "Near matches" in unknown.json()["error"]["message"]


def test_a_deal_moved_by_days_shifts_its_months(run: HeldRun) -> None:
    view = scenario_view(
        ops(run, "scenario"), ScenarioGiven(moved=(DealMoved(deal="E1", month="2027-01"),), by=("region",))
    )
    months = {
        one.period: one.mean for one in view.figures
        if (one.part, one.key, one.period_kind) == ("open_deals", "east", "month")
    }  # fmt: skip
    assert months == pytest.approx({"2026-11": 0.0, "2026-12": 0.0, "2027-01": 450.0})


def test_the_workbook_holds_what_the_run_published(run: HeldRun) -> None:
    file = exported(ops(run, "export"), ExportQuery())
    assert file.name == f"dealcast-forecast-{SECOND}.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(file.content))
    assert {"about", "forecast_summary", "bookings_forecast", "renewals", "open_deals", "change"} <= set(
        book.sheetnames
    )
    assert book["open_deals"].max_row - 1 == len(run.deals)


def test_finance_downloads_no_single_deal(run: HeldRun) -> None:
    file = exported(viewer(run, "export", "F1", "finance"), ExportQuery(format="csv"))
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        names = set(archive.namelist())
        everything = "\n".join(archive.read(name).decode() for name in names)
        rows = list(csv.reader(io.StringIO(archive.read("bookings_forecast.csv").decode("utf-8-sig"))))
    assert "open_deals.csv" not in names
    assert not [one for one in (*NORTH, *SOUTH, *EAST) if one["name"] in everything]
    assert not [row for row in rows if "open_deals" in row and "east" in row]
    assert [row for row in rows if "not_yet_created" in row or "open_deals" in row]


def test_one_part_comes_as_one_csv_and_an_unknown_part_is_refused(app: FastAPI) -> None:
    owner = Client(app, OWNER)
    answer = owner.get("/api/v1/forecast/export?format=csv&part=renewals")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="dealcast-forecast-{SECOND}-renewals.csv"'
    )
    assert "K1" in answer.text
    for part in ("../../etc/passwd", "nothing"):
        refused = owner.get("/api/v1/forecast/export", params={"format": "csv", "part": part})
        assert (refused.status_code, "expected one of about" in refused.text) == (400, True)
    both = owner.get("/api/v1/forecast/export?part=renewals")
    assert (both.status_code, "expected format=csv" in both.text) == (400, True)


def test_formulas_in_crm_texts_stay_texts_in_the_download(tmp_path: Path) -> None:
    held = tables([deal(f"D{n}", account="=HYPERLINK(1)") for n in range(5)])
    published(tmp_path, FIRST, held)
    file = exported(ops(hold(tmp_path), "export"), ExportQuery(format="csv", part="open_deals"))
    assert "'=Hyperlink(1)" in file.content.decode("utf-8-sig")


def test_a_run_without_a_forecast_says_so_and_offers_none(tmp_path: Path) -> None:
    small_run(tmp_path)
    run = hold(tmp_path)
    view = forecast_view(ops(run, "forecast"), ForecastQuery())
    assert (view.published, view.figures, view.change, view.currency) == (False, (), (), None)
    with pytest.raises(NoForecastError, match="holds no forecast"):
        scenario_view(ops(run, "scenario"), ScenarioGiven(price=(Factor(factor=2.0),)))
    with pytest.raises(NoForecastError):
        exported(ops(run, "export"), ExportQuery())


def test_reps_are_told_that_there_is_nothing(app: FastAPI) -> None:
    rep = Client(app, person("U1", "rep"))
    for path in ("forecast", "forecast/export", "renewals", "models"):
        assert rep.get(f"/api/v1/{path}").status_code == 404, path
    assert rep.post("/api/v1/forecast/scenario", json={"price": [{"factor": 2}]}).status_code == 404


def test_a_count_of_few_deals_that_are_in_no_total_is_not_told_to_finance(tmp_path: Path) -> None:
    held = [deal(f"D{n}") for n in range(9)]
    counted: dict[int, list[tuple[str, int]]] = {}
    for n in (4, 5):
        without = [deal(f"X{place}", amount=None) for place in range(n)]
        due = [renewal("K1", committed=None)]
        published(tmp_path / str(n), "20261121T000000Z-00000a", tables([*held, *without], due))
        run = hold(tmp_path / str(n))
        view = forecast_view(viewer(run, "forecast", "F1", "finance"), ForecastQuery())
        counted[n] = [(one.reason, one.rows) for one in view.left_out]
        every = forecast_view(ops(run, "forecast"), ForecastQuery()).left_out
        assert ("open deals without an amount", n) in [(one.reason, one.rows) for one in every]
    few = [("contracts due without a committed amount", 1)]
    assert counted == {4: few, 5: [*few, ("open deals without an amount", 5)]}
