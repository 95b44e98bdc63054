"""The forecast of a published run, worked out by hand from its tables."""

import subprocess
import sys
from datetime import UTC, date, datetime

import numpy as np
import pytest

from data.errors import PublishError, UsageError
from data.warehouse import memory_tables
from models.forecast.arrivals import NewBusiness
from models.forecast.scenario import DealLost, PriceChange
from models.forecast.shocks import BOOKINGS, CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS, Shocks
from serving.closings import closed_deals
from serving.forecast import (
    BOOKINGS_FILE,
    CHANGE_FILE,
    SUMMARY_FILE,
    forecast,
    forecast_change,
    has_forecast,
)
from serving.forecast_book import rates_at, standing_of
from tests.models.forecast_books import new_deals
from tests.serving.forecast_runs import AS_OF, about, closed, deal, published, renewal, tables, used

FIRST, SECOND = "20261121T000000Z-00000a", "20261128T000000Z-00000b"
LATER = datetime(2026, 11, 28, tzinfo=UTC)
# 10, 41 and 72 days from as_of to the ends of the three months; a deal is won evenly over 120 days
BY_MONTH = np.array([10, 31, 31]) / 120


def book_of(*args, **facts):
    return standing_of(tables(*args).get, AS_OF, about(**facts)).book


def months(run, part, level="total", key="total"):
    return run.draws.expected.months(part, level, key)


def test_an_open_deal_is_booked_by_its_published_curve_in_the_reporting_currency(tmp_path):
    held = tables([deal("a", 0.5, 200.0, currency="USD"), deal("b", 0.25, 100.0, region="south")])
    run = forecast(published(tmp_path, FIRST, held))
    assert months(run, OPEN_DEALS) == pytest.approx((0.5 * 100 + 0.25 * 100) * BY_MONTH, rel=1e-9)
    assert months(run, OPEN_DEALS, "region", "south") == pytest.approx(25 * BY_MONTH, rel=1e-9)
    assert months(run, OPEN_DEALS, "owner", "Ann") == pytest.approx(75 * BY_MONTH, rel=1e-9)


def test_what_has_no_rate_or_no_amount_is_in_no_total_and_counted():
    held = book_of(
        [deal("a"), deal("b", amount=None), deal("c", currency="JPY")], [renewal("k", currency="JPY")]
    )
    assert held.left_out == {
        "open deals without an amount": 1,
        "open deals without an exchange rate": 1,
        "contracts due without an exchange rate": 1,
    }
    assert np.isnan(held.deals.amount).tolist() == [False, True, True]


def test_a_renewal_deal_is_left_out_where_its_account_has_a_contract_due_within_the_horizon():
    contracts = [
        renewal("soon", account="acme"),
        renewal("later", end=date(2027, 6, 1), account="beta"),
        renewal("overdue", end=date(2026, 10, 1), account="gamma"),
    ]
    open_deals = [
        deal("a", kind="renewal", account="acme"),
        deal("b", kind="renewal", account="beta"),
        deal("c", kind="renewal", account="gamma"),
        deal("d", kind="expansion", account="acme"),
    ]
    held = book_of(open_deals, contracts)
    assert held.deals.ids == ("b", "d")
    assert held.left_out == {"renewal deals, forecast as renewals of their account's contract": 2}


def test_a_renewal_deal_is_booked_where_its_contract_has_no_amount_to_be_forecast_by():
    contracts = [
        renewal("bare", committed=None, account="acme"),
        renewal("unrated", currency="JPY", account="beta"),
    ]
    open_deals = [deal("a", kind="renewal", account="acme"), deal("b", kind="renewal", account="beta")]
    held = book_of(open_deals, contracts)
    assert held.deals.ids == ("a", "b")
    assert held.left_out == {
        "contracts due without a committed amount": 1,
        "contracts due without an exchange rate": 1,
    }


def test_renewals_fall_due_in_the_month_their_term_ends_and_overdue_ones_now(tmp_path):
    held = tables([], [renewal("a"), renewal("b", 0.5, date(2026, 10, 3), 100.0), renewal("c", end=None)])
    run = forecast(published(tmp_path, FIRST, held))
    assert months(run, RENEWALS) == pytest.approx([0.5 * 110, 0.8 * 1100, 0])
    assert run.left_out == {"contracts without an end": 1}


def test_use_after_the_term_counts_as_far_as_the_contract_of_the_account_renews(tmp_path):
    rows = [used(date(2026, 11, 1), 10.0), used(date(2026, 12, 1), 10.0, after=4.0)]
    rows += [used(date(2026, 12, 1), 99.0, account=None, product=None, level="total")]
    contracts = [
        renewal("a", 0.8),
        renewal("big", 0.1, date(2029, 1, 1), 1e6),
        renewal("small", 0.2, committed=1.0),
    ]
    run = forecast(published(tmp_path, FIRST, tables([], contracts, rows)))
    assert months(run, CONSUMPTION) == pytest.approx([10, 6 + 4 * 0.8, 0])


def test_weeks_of_consumption_are_shared_out_by_their_days():
    # the week from Monday, 30 November has one day in November
    used_up = book_of([], [], [used(date(2026, 11, 23), 70.0), used(date(2026, 11, 30), 70.0)]).consumption
    assert used_up.mean.tolist() == [pytest.approx([80.0, 60.0, 0.0])]


def test_what_is_in_no_known_region_goes_by_one_name_in_every_part():
    row = {**used(date(2026, 11, 1), 10.0), "region": "unknown", "segment": "unknown"}
    held = book_of([deal("a", region=None)], [], [row])
    assert held.consumption.groups["region"].keys == held.deals.groups["region"].keys == ("(unknown)",)
    assert held.consumption.groups["account"].keys == ("acme",)


def test_errors_of_series_come_from_their_intervals_and_what_is_shared_from_the_total():
    rows = [used(date(2026, 11, 1), 100.0, product=name, half=12.815515655446) for name in ("core", "extra")]
    rows.append(
        used(date(2026, 11, 1), 200.0, account=None, product=None, level="total", half=2 * 12.815515655446)
    )
    held = book_of([], [], rows).consumption
    assert held.relative_sd[:, 0] == pytest.approx([0.1, 0.1])
    # of the total's 20 the series' own errors explain 10·√2, so the rest is shared: √(400 - 200) of 200
    assert held.common_sd[0] == pytest.approx(np.sqrt(200) / 200)


def test_amounts_drift_as_past_deals_did():
    held = book_of([deal("a", amount=100.0)], amount_drift=(0.9, 0.2))
    assert held.deals.amount.tolist() == [90.0]
    assert held.deals.spread == 0.2


def test_a_reader_who_asks_again_gets_the_published_figures(tmp_path):
    open_deals = [deal(f"d{i}", 0.1 + 0.08 * i, 100.0 * (i + 1)) for i in range(10)]
    facts = about(shocks=Shocks(), new=new_deals(region=("north",)))
    run = published(tmp_path, FIRST, tables(open_deals, [renewal("a", account="other")]), facts=facts)
    figures = forecast(run).draws.summary().to_pylist()
    booked = run.table(BOOKINGS_FILE).to_pylist()
    told = run.table(SUMMARY_FILE).to_pylist()
    assert booked == [row for row in figures if row["part"] in (OPEN_DEALS, NOT_YET_CREATED, BOOKINGS)]
    assert told == [row for row in figures if row["part"] == RENEWALS or row["level"] == "total"]
    assert {row["part"] for row in told} == {OPEN_DEALS, NOT_YET_CREATED, BOOKINGS, RENEWALS}


def test_deals_to_come_are_read_back_from_the_manifest(tmp_path):
    new = new_deals()
    run = forecast(published(tmp_path, FIRST, tables([deal("a")]), facts=about(new=new)))
    assert isinstance(run.standing.book.new, NewBusiness)
    assert months(run, BOOKINGS) == pytest.approx(months(run, OPEN_DEALS) + months(run, NOT_YET_CREATED))


def test_a_scenario_answers_from_the_published_run(tmp_path):
    run = forecast(published(tmp_path, FIRST, tables([deal("a"), deal("b", 0.3)])))
    after = run.scenario([DealLost("a"), PriceChange(2.0)])
    assert months(after, OPEN_DEALS) == pytest.approx(0.3 * 200 * BY_MONTH)
    with pytest.raises(UsageError, match="no deal 'z'"):
        run.scenario([DealLost("z")])


def test_a_shorter_horizon_can_be_asked_for_and_a_longer_one_not(tmp_path):
    run = published(tmp_path, FIRST, tables([deal("a")]))
    assert forecast(run, horizon_months=1).draws.months.names == ("2026-11",)
    with pytest.raises(PublishError, match="1 to 3 months, found 4"):
        forecast(run, horizon_months=4)


def test_a_run_without_anything_to_forecast_has_empty_tables(tmp_path):
    run = published(tmp_path, FIRST, tables())
    assert run.table(BOOKINGS_FILE).num_rows == run.table(SUMMARY_FILE).num_rows == 0
    assert has_forecast(run)


def test_without_close_timing_no_deal_is_forecast_and_that_is_said():
    held = {name: table for name, table in tables([deal("a")]).items() if name != "win_timing.parquet"}
    assert standing_of(held.get, AS_OF, about()).book.left_out == {"open deals without a time of closing": 1}


def test_the_change_since_the_run_before_is_published_and_adds_up(tmp_path):
    before = published(tmp_path, FIRST, tables([deal("a", 0.5), deal("b", 0.4, 1000.0), deal("c", 0.9)]))
    held = tables([deal("a", 0.6)], closed=[closed("b", False, None), closed("c", True, 180.0, "USD")])
    after = published(tmp_path, SECOND, held, as_of=LATER, before=before)
    change = forecast_change(before, after)
    booked = next(part for part in change.parts if part.part == BOOKINGS)
    terms = {term.name: term for term in booked.terms}
    assert booked.before + sum(term.amount for term in booked.terms) == pytest.approx(booked.after, rel=1e-9)
    assert terms["lost"].amount == pytest.approx(-0.4 * 1000 * BY_MONTH.sum())
    assert terms["won"].booked == 90.0
    # a week later a week less is left of the months that both forecast
    assert terms["timing"].amount == pytest.approx(0.5 * 100 * -7 / 120)
    assert terms["probability"].amount == pytest.approx(0.1 * 100 * 65 / 120)
    assert after.table(CHANGE_FILE).to_pylist() == change.table().to_pylist()
    assert change.sentences()[BOOKINGS][1].startswith("Down 240 EUR: lost (1 deal, Deal b)")


def test_the_first_run_and_one_in_another_currency_have_no_change(tmp_path):
    before = published(tmp_path, FIRST, tables([deal("a")]))
    other = about(currency="USD", rates={"EUR": 2.0, "USD": 1.0})
    after = published(tmp_path, SECOND, tables([deal("a")]), as_of=LATER, facts=other, before=before)
    assert CHANGE_FILE not in before.manifest["files"]
    assert CHANGE_FILE not in after.manifest["files"]
    with pytest.raises(UsageError, match="EUR, found 2026-11-28 in USD"):
        forecast_change(before, after)


def test_a_manifest_without_what_a_forecast_needs_is_refused():
    with pytest.raises(PublishError, match="'shocks'"):
        standing_of(tables().get, AS_OF, {name: held for name, held in about().items() if name != "shocks"})


def test_rates_are_kept_by_code_where_there_is_one():
    known = {"usd": 0.9, "EUR": 1.0}
    assert rates_at(lambda one: known.get(one, float("nan")), ["usd", "EUR", "JPY", None]) == {
        "EUR": 1.0,
        "USD": 0.9,
    }


def test_reading_and_asking_what_if_imports_nothing_heavy(tmp_path):
    published(tmp_path, FIRST, tables([deal("a")], [renewal("k")], [used(date(2026, 11, 1), 5.0)]))
    code = (
        "import sys; from pathlib import Path\n"
        "from serving.forecast import forecast; from serving.published import open_published\n"
        "from models.forecast.scenario import DealWon\n"
        f"run = forecast(open_published(Path({str(tmp_path)!r})))\n"
        "run.scenario([DealWon('a')]).figures()\n"
        "print([name for name in ('pandas', 'ibis', 'mlflow', 'prefect', 'lightgbm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_deals_that_closed_lately_are_told_with_the_amount_known_before_as_of():
    def at(day, month=11):
        return datetime(2026, month, day, tzinfo=UTC)

    def row(one, outcome, closed_at):
        return {
            "opportunity_id": one, "account_id": "A", "currency": "EUR", "created_at": at(1, 1),
            "outcome": outcome, "closed_at": closed_at,
        }  # fmt: skip

    def amount(one, value, day):
        return {"opportunity_id": one, "field": "amount", "new_value": value, "changed_at": at(day)}

    held = memory_tables({
        "accounts": [{"account_id": "A"}],
        "opportunities": [
            row("won", "won", at(20)), row("lost", "lost", at(3)), row("open", None, None),
            row("at as_of", "won", at(21)), row("long ago", "won", datetime(2025, 11, 1, tzinfo=UTC)),
        ],
        "opportunity_changes": [amount("won", "100", 5), amount("won", "90", 20), amount("won", "1", 21)],
    })  # fmt: skip
    found = closed_deals(held, AS_OF).to_pylist()
    assert [(row["opportunity_id"], row["won"], row["amount"]) for row in found] == [
        ("lost", False, None),
        ("won", True, 90.0),
    ]
