"""Deals and contracts at past instants, what came of them, and the baselines beside the forecast."""

from datetime import UTC, datetime
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pytest

from data.currency import Rates
from data.warehouse import memory_tables
from models.arrays import NEVER, to_micros
from models.backtest.actuals import Actuals, ended_months
from models.backtest.baselines import (
    expected_month,
    past_baselines,
    past_of_new_deals,
    renewal_baselines,
    rep_baselines,
    stage_baseline,
)
from models.backtest.bookings import BookingsAt, amount_drift
from models.backtest.contracts import read_contracts
from models.backtest.history import Deals, months_after, read_deals
from models.backtest.rows import Forecast, cell_sums, forecast_rows
from models.forecast.months import Months

NOW = datetime(2025, 7, 1, tzinfo=UTC)
ORIGIN = datetime(2025, 3, 3, tzinfo=UTC)


def on(month: int, day: int = 1, year: int = 2025) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def deal(
    name: str, created: datetime, closed: datetime | None = None, outcome: str | None = None
) -> dict[str, Any]:
    return {
        "opportunity_id": name, "account_id": "north" if name < "c" else "south", "created_at": created,
        "closed_at": closed, "outcome": outcome, "currency": "EUR", "type": "new",
    }  # fmt: skip


def change(name: str, field: str, value: str, when: datetime) -> dict[str, Any]:
    return {"opportunity_id": name, "field": field, "new_value": value, "changed_at": when}


ACCOUNTS = [
    {"account_id": "north", "region": "N", "industry": "retail", "known_at": on(1)},
    {"account_id": "south", "region": "S", "industry": None, "known_at": on(1)},
]
DEALS = [
    deal("a", on(1, 5), on(3, 20), "won"),
    deal("b", on(2, 5), on(4, 10), "lost"),
    deal("c", on(4, 5), on(5, 10), "won"),
    deal("d", on(2, 1), on(2, 20), "won"),
    deal("e", on(2, 1)),
]
CHANGES = [
    change("a", "amount", "100", on(1, 6)),
    change("a", "amount", "90", on(3, 3)),  # at the origin itself: not known there yet
    change("a", "amount", "80", on(3, 20)),  # typed in at the close
    change("a", "amount", "5", on(3, 21)),  # after it
    change("b", "amount", "1000", on(2, 6)),
    change("c", "amount", "300", on(4, 6)),
    change("d", "amount", "7", on(2, 2)),
    change("e", "amount", "50", on(2, 2)),
    change("a", "close_date", "2025-04-15", on(1, 6)),
    change("b", "close_date", "2025-01-15", on(2, 6)),
    change("a", "forecast_category", "Commit", on(2, 6)),
    change("b", "forecast_category", "Pipeline", on(2, 6)),
    change("a", "stage", "Proposal", on(2, 6)),
]


def world(**more: list[dict[str, Any]]) -> dict[str, ir.Table]:
    return memory_tables(
        {"accounts": ACCOUNTS, "opportunities": DEALS, "opportunity_changes": CHANGES, **more}
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, ir.Table]:
    return world()


@pytest.fixture(scope="module")
def deals(tables: dict[str, ir.Table]) -> Deals:
    return read_deals(tables, NOW, segment="industry")


@pytest.fixture(scope="module")
def bookings(deals: Deals, tables: dict[str, ir.Table]) -> BookingsAt:
    return BookingsAt.of(deals, Months(ORIGIN, 3), Rates.read(tables, ORIGIN), due=None)


def test_an_amount_changed_at_the_origin_is_not_known_there(deals: Deals) -> None:
    known = dict(zip(deals.ids, deals.amounts_at(ORIGIN), strict=True))
    assert known["a"] == 100.0
    assert np.isnan(known["c"])


def test_a_deal_is_booked_at_the_amount_typed_in_with_its_close(deals: Deals) -> None:
    booked = dict(zip(deals.ids, deals.booked_amounts(NOW), strict=True))
    assert booked["a"] == 80.0
    assert np.isnan(booked["e"])


def test_a_close_at_the_end_of_the_backtest_is_not_known_by_then(tables: dict[str, ir.Table]) -> None:
    assert read_deals(tables, on(3, 20), segment="industry").closed[0] == NEVER


def test_deals_are_open_from_their_creation_to_their_close(deals: Deals) -> None:
    assert deals.ids[deals.open_at(ORIGIN)].tolist() == ["a", "b", "e"]


def test_bookings_are_told_apart_by_whether_the_deal_existed_at_the_origin(bookings: BookingsAt) -> None:
    assert bookings.actual("open_deals").cells("total", months=3).amounts.tolist() == [[80.0, 0.0, 0.0]]
    assert bookings.actual("not_yet_created").cells("total", months=3).amounts.tolist() == [[0.0, 0.0, 300.0]]
    assert bookings.actual("bookings").cells("total", months=3).amounts.tolist() == [[80.0, 0.0, 300.0]]


def test_a_renewal_that_a_contract_tells_of_is_no_booking_too() -> None:
    rows = [{**one, "type": "renewal"} if one["opportunity_id"] in "ac" else one for one in DEALS]
    tables = world(opportunities=rows)
    known = read_deals(tables, NOW, segment="industry")
    rates, months = Rates.read(tables, ORIGIN), Months(ORIGIN, 3)
    # "a" is open at the origin, of the north; "c" is created later, of the south
    of_north = BookingsAt.of(known, months, rates, due={"north"}).actual("bookings")
    of_others = BookingsAt.of(known, months, rates, due={"south"}).actual("bookings")
    assert of_north.cells("total", months=3).amounts.tolist() == [[0.0, 0.0, 0.0]]
    assert of_others.cells("total", months=3).amounts.tolist() == [[80.0, 0.0, 0.0]]


def test_bookings_are_grouped_by_region_and_segment_and_those_without_stand_apart(
    bookings: BookingsAt,
) -> None:
    actual = bookings.actual("bookings")
    region, segment = actual.cells("region", months=3), actual.cells("segment", months=3)
    assert (region.keys, region.amounts.tolist()) == (("N", "S"), [[80.0, 0.0, 0.0], [0.0, 0.0, 300.0]])
    assert segment.keys == ("(unknown)", "retail")


def test_months_count_from_the_calendar_month_of_the_origin() -> None:
    times = np.array([to_micros(on(3, 1)), to_micros(on(2, 28)), to_micros(on(1, 1, 2026)), NEVER])
    assert months_after(times, ORIGIN).tolist()[:3] == [0, -1, 10]
    assert months_after(times, ORIGIN)[3] > 1000


def test_only_months_that_have_ended_are_scored() -> None:
    assert ended_months(ORIGIN, on(6, 30), at_most=6) == 3
    keys, months = np.array(["x"], dtype=object), Months(ORIGIN, 3)
    cells = cell_sums(keys, np.array([0]), np.array([5.0]), level="total", order=["x"], months=3)
    rows = forecast_rows(months, "bookings", cells, [Forecast("m", np.ones((1, 6)))], ended=2)
    assert rows["period"].to_pylist() == ["2025-03", "2025-04"]
    assert rows["months_ahead"].to_pylist() == [0, 1]
    assert rows["month"].to_pylist() == [on(3), on(4)]
    assert rows["actual"].to_pylist() == [5.0, 0.0]
    assert rows["p10"].null_count == 2


def test_a_quarter_is_scored_once_its_last_month_has_ended_and_holds_the_sum() -> None:
    keys, months = np.array(["x", "x"], dtype=object), Months(ORIGIN, 4)
    cells = cell_sums(keys, np.array([1, 3]), np.array([5.0, 2.0]), level="total", order=["x"], months=4)
    rows = forecast_rows(months, "bookings", cells, [Forecast("m", np.ones((1, 7)))], ended=4).to_pylist()
    quarter = [row for row in rows if row["period_kind"] == "quarter"]
    assert [(row["period"], row["months_ahead"], row["actual"]) for row in quarter] == [("2025-Q2", 3, 7.0)]


def test_a_deal_past_its_expected_close_is_expected_in_this_month(deals: Deals) -> None:
    due = dict(zip(deals.ids, expected_month(deals, ORIGIN), strict=True))
    assert (due["a"], due["b"]) == (1, 0)
    assert due["e"] > 1000


def test_the_reps_commit_is_the_sum_of_the_commit_category_at_its_expected_close(
    bookings: BookingsAt,
) -> None:
    cells = bookings.actual("open_deals").cells("total", months=3)
    keys = bookings.actual("open_deals").keys["total"]
    said = {
        one.model: one.mean.tolist()
        for one in bookings.baselines("open_deals", keys, cells, {"Proposal": 0.4})
    }
    assert said["rep_commit"][0][:3] == [0.0, 100.0, 0.0]
    assert said["stage_probability"][0][:3] == [0.0, 40.0, 0.0]


def test_categories_are_weighed_by_what_became_of_them_and_finished_ones_by_nothing() -> None:
    names = [f"o{i:02}" for i in range(14)]
    rows = [deal(name, on(1, 2), on(2, 20), "won" if i < 9 else "lost") for i, name in enumerate(names[:12])]
    rows += [deal(name, on(1, 2)) for name in names[12:]]
    said = [change(name, "forecast_category", "Commit", on(1, 3)) for name in names[:13]]
    said.append(change(names[13], "forecast_category", "Omitted", on(1, 3)))
    known = read_deals(world(opportunities=rows, opportunity_changes=said), NOW, segment="industry")
    # one look falls between creation and close: 9 of the 12 that were in commit then were won
    shares = rep_baselines(known, ORIGIN)["rep_categories"]
    assert shares[12] == pytest.approx(9 / 12)
    assert shares[13] == 0.0


def test_without_categories_or_stages_there_are_no_such_baselines() -> None:
    plain = read_deals(world(opportunity_changes=[]), NOW, segment="industry")
    assert rep_baselines(plain, ORIGIN) == {}
    assert stage_baseline(plain, ORIGIN, {}) == {}


def test_last_years_months_are_set_beside_this_years_and_the_first_only_by_what_is_left_of_it() -> None:
    keys = np.array(["x", "x", "x"], dtype=object)
    found = past_baselines(
        keys, np.array([-12, -11, -13]), np.array([31.0, 12.0, 99.0]), order=["x"], months=2, origin=ORIGIN
    )
    assert found["same_month_last_year"].tolist() == [[pytest.approx(29.0), 12.0]]
    assert found["mean_of_last_year"].tolist() == [[pytest.approx(43 / 12 * 29 / 31), pytest.approx(43 / 12)]]


def test_new_deals_are_looked_back_on_as_far_as_each_look_could_see() -> None:
    keys = np.array(["x"], dtype=object)
    # created in month -3, closed in month -2: of the looks back from month -3 on, one month ahead
    found = past_of_new_deals(keys, np.array([-3]), np.array([-2]), np.array([24.0]), order=["x"], months=3)
    # ahead 0: the look at month -2 began after its creation; ahead 1: the look at -3 saw it; ahead 2: at -4
    assert found.tolist() == [[0.0, 2.0, 2.0]]


def test_amounts_drift_by_what_won_deals_were_booked_at(deals: Deals) -> None:
    assert amount_drift(deals, NOW) == (1.0, 0.0)
    names = [f"o{i:02}" for i in range(24)]
    rows = [deal(name, on(4, 2), on(6, 20), "won") for name in names]
    said = [change(name, "amount", "100", on(4, 3)) for name in names]
    said += [change(name, "amount", "50" if i % 2 else "100", on(6, 15)) for i, name in enumerate(names)]
    factor, spread = amount_drift(
        read_deals(world(opportunities=rows, opportunity_changes=said), NOW, segment="industry"), NOW
    )
    assert factor == pytest.approx(0.75)
    assert spread == pytest.approx(np.log(2) / 2)


def contract(
    name: str,
    amount: float,
    end: datetime,
    outcome: str | None,
    renewed: float | None,
    decided: datetime | None,
) -> dict[str, Any]:
    return {
        "contract_id": name, "account_id": "north", "currency": "EUR", "committed_amount": amount,
        "known_at": on(1), "start_at": on(1, 1, 2024), "end_at": end, "outcome": outcome,
        "renewed_amount": renewed, "decided_at": decided,
    }  # fmt: skip


CONTRACTS = [
    contract("early", 10.0, on(4, 1), "renewed", 11.0, on(3, 1)),  # decided before the origin
    contract("kept", 20.0, on(4, 10), "renewed", 25.0, on(4, 1)),
    contract("left", 30.0, on(4, 20), "churned", None, on(5, 1)),
    contract("late", 40.0, on(2, 10), "renewed", None, on(3, 10)),  # overdue at the origin
    contract("open", 50.0, on(5, 10), None, None, None),
    contract("old", 60.0, on(9, 10, 2024), None, None, None),  # overdue for longer than is waited
]


def test_a_contract_waits_from_its_record_to_its_decision_and_not_for_ever() -> None:
    contracts = read_contracts(world(contracts=CONTRACTS), NOW, segment="industry")
    waiting = contracts.waiting_at(ORIGIN, overdue_days=90)
    assert contracts.ids[waiting].tolist() == ["kept", "late", "left", "open"]
    assert dict(zip(contracts.ids, contracts.month_due(ORIGIN), strict=True))["late"] == 0


def test_renewals_count_when_their_term_ends_at_what_they_renewed_for() -> None:
    tables = world(contracts=CONTRACTS)
    contracts = read_contracts(tables, NOW, segment="industry")
    waiting = contracts.waiting_at(ORIGIN, overdue_days=90)
    actual = Actuals.renewed(contracts, ORIGIN, Rates.read(tables, ORIGIN), counted=waiting)
    assert actual.cells("total", months=3).amounts.tolist() == [[40.0, 25.0, 0.0]]


def test_the_base_rate_of_renewals_counts_what_was_decided_by_the_origin() -> None:
    contracts = read_contracts(world(contracts=CONTRACTS), NOW, segment="industry")
    assert renewal_baselines(contracts, ORIGIN)["base_rate"][0] == pytest.approx(2 / 3)


def test_later_rows_change_no_baseline(bookings: BookingsAt) -> None:
    fields = ("amount", "stage", "close_date", "forecast_category")
    poison = [change(name, field, "999999", on(3, 3)) for name in ("a", "b", "y") for field in fields]
    later = deal("y", on(4, 10), on(4, 20), "won")
    poisoned = world(opportunities=[*DEALS, later], opportunity_changes=[*CHANGES, *poison])
    again = read_deals(poisoned, NOW, segment="industry")
    other = BookingsAt.of(again, Months(ORIGIN, 3), Rates.read(poisoned, ORIGIN), due=None)
    cells = bookings.actual("bookings").cells("total", months=3)
    for part in ("open_deals", "bookings", "not_yet_created"):
        before = bookings.baselines(part, bookings.actual(part).keys["total"], cells, {"Proposal": 0.4})
        after = other.baselines(part, other.actual(part).keys["total"], cells, {"Proposal": 0.4})
        assert [one.model for one in before] == [one.model for one in after]
        assert all(np.array_equal(x.mean, y.mean) for x, y in zip(before, after, strict=True))
