"""The consumption panel: what counts, when, in which currency, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from data.currency import Rates
from data.warehouse import memory_tables
from features.exposure import NEVER, successors
from features.panel import Panel, consumption_panel
from features.periods import Period, period_of, period_starts

AS_OF = datetime(2025, 7, 1, tzinfo=UTC)
Row = dict[str, Any]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def used(day: str, amount: float | None, **more: Any) -> Row:
    row: Row = {
        "account_id": "a",
        "contract_id": "k",
        "product": "core",
        "usage_date": at(day),
        "amount": amount,
    }
    row["known_at"] = at(day) + timedelta(hours=6)
    return row | more


def contract(**more: Any) -> Row:
    row: Row = {
        "contract_id": "k", "account_id": "a", "start_at": at("2025-01-01"), "end_at": at("2026-01-01"),
        "billing": "commit", "committed_amount": 1200.0, "currency": "EUR", "known_at": at("2024-12-20"),
    }  # fmt: skip
    return row | more


def account(**more: Any) -> Row:
    row: Row = {"account_id": "a", "region": "north", "industry": "steel"}
    row["created_at"] = row["known_at"] = at("2024-01-01")
    return row | more


def panel(
    usage: list[Row], contracts: list[Row] | None = None, *, as_of: datetime = AS_OF,
    period: Period = "monthly",
    rates: list[Row] | None = None, accounts: list[Row] | None = None,
) -> Panel:  # fmt: skip
    tables = memory_tables({
        "usage": usage, "contracts": [contract()] if contracts is None else contracts,
        "accounts": [account()] if accounts is None else accounts, "exchange_rates": rates or [],
    })  # fmt: skip
    return consumption_panel(
        tables, as_of, period=period, rates=Rates.read(tables, as_of).to("EUR"), segment="industry"
    )


def amounts(found: Panel) -> dict[str, float]:
    return {
        row["period_start"].isoformat(): row["amount"] for row in found.amounts.to_pylist()
    }  # fmt: skip


def reasons(found: Panel) -> dict[str, int]:
    return {one.reason: one.rows for one in found.left_out}


def test_days_add_up_by_month_and_a_repeated_day_counts_twice() -> None:
    found = panel(
        [used("2025-05-02", 10), used("2025-05-02", 10), used("2025-05-20", 5), used("2025-06-03", 7)]
    )
    assert amounts(found) == {"2025-05-01": 25.0, "2025-06-01": 7.0}
    assert found.series.select(["account_id", "product", "region", "segment", "ended"]).to_pylist() == [
        {"account_id": "a", "product": "core", "region": "north", "segment": "steel", "ended": False}
    ]


def test_a_month_without_use_between_first_and_last_is_zero_and_before_the_first_there_is_nothing() -> None:
    found = panel([used("2025-02-10", 3), used("2025-05-10", 4)])
    assert amounts(found) == {
        "2025-02-01": 3.0, "2025-03-01": 0.0, "2025-04-01": 0.0, "2025-05-01": 4.0, "2025-06-01": 0.0,
    }  # fmt: skip


def test_a_credit_note_reduces_its_month_and_a_negative_month_is_kept_and_counted() -> None:
    found = panel(
        [used("2025-04-02", 10), used("2025-05-02", 10), used("2025-05-28", -30), used("2025-06-02", 8)]
    )
    assert amounts(found) == {"2025-04-01": 10.0, "2025-05-01": -20.0, "2025-06-01": 8.0}
    assert reasons(found) == {"periods negative on balance, by credit notes: forecasts take them as zero": 1}


def test_rows_recorded_at_or_after_as_of_change_nothing() -> None:
    before = [used("2025-04-02", 10), used("2025-05-02", 12)]
    later = [
        used("2025-05-09", 1e6, known_at=AS_OF),
        used("2025-05-09", 1e6, known_at=AS_OF + timedelta(days=3), product="late"),
    ]
    plain, poisoned = panel(before), panel(before + later)
    assert plain.amounts.equals(poisoned.amounts)
    assert plain.series.equals(poisoned.series)
    assert plain.lives.equals(poisoned.lives)


def test_a_decision_made_after_as_of_does_not_end_a_series() -> None:
    churned = contract(end_at=at("2025-04-01"), outcome="churned", decided_at=AS_OF)
    rows = [used("2025-02-02", 10), used("2025-03-02", 10)]
    assert panel(rows, [churned]).series["ended"].to_pylist() == [False]
    known = churned | {"decided_at": AS_OF - timedelta(days=1)}
    found = panel(rows, [known])
    assert found.series["ended"].to_pylist() == [True]
    assert list(amounts(found)) == ["2025-02-01", "2025-03-01"]


def test_a_month_counts_only_once_the_usual_delay_of_recording_has_passed() -> None:
    """Each month's last row comes ten days after it, so that June is not complete on the first of July."""
    rows = [used(f"2025-{month:02d}-15", 5, known_at=at(f"2025-{month + 1:02d}-11")) for month in range(1, 6)]
    rows.append(used("2025-06-03", 1))
    found = panel(rows)
    assert found.delay_days == pytest.approx(10.0)
    assert list(amounts(found))[-1] == "2025-05-01"
    assert reasons(found) == {"of a period not complete yet": 1}
    assert list(amounts(panel(rows, as_of=at("2025-07-11"))))[-1] == "2025-06-01"


def test_the_period_under_way_does_not_count() -> None:
    found = panel([used("2025-05-02", 10), used("2025-06-02", 5)], as_of=at("2025-06-20"))
    assert amounts(found) == {"2025-05-01": 10.0}


def test_amounts_take_their_contracts_currency_at_the_rate_known_at_as_of() -> None:
    rates = [
        {
            "from_currency": "USD",
            "to_currency": "EUR",
            "rate": rate,
            "rate_date": at(day),
            "known_at": at(known),
        }
        for rate, day, known in ((0.8, "2025-01-01", "2025-01-01"), (0.5, "2025-06-01", "2025-08-01"))
    ]
    found = panel([used("2025-06-02", 10)], [contract(currency="USD")], rates=rates)
    assert amounts(found) == {"2025-06-01": 8.0}


def test_use_in_a_currency_without_a_rate_is_left_out_and_counted() -> None:
    both = [contract(), contract(contract_id="k2", account_id="b", currency="JPY")]
    rows = [used("2025-06-02", 10), used("2025-06-02", 9e5, account_id="b", contract_id="k2")]
    found = panel(rows, both)
    assert found.series["account_id"].to_pylist() == ["a"]
    assert reasons(found) == {"no rate from JPY to EUR": 1}


def test_use_without_a_contract_takes_the_accounts_currency_only_if_its_contracts_agree() -> None:
    agree = [contract(), contract(contract_id="k2")]
    rows = [used("2025-06-02", 10, contract_id=None)]
    assert amounts(panel(rows, agree)) == {"2025-06-01": 10.0}
    differ = [contract(), contract(contract_id="k2", currency="USD")]
    assert reasons(panel(rows, differ)) == {
        "no contract, and the account's contracts are in several currencies": 1
    }


def test_use_before_the_contract_and_after_its_end_counts_and_is_told() -> None:
    short = contract(start_at=at("2025-03-01"), end_at=at("2025-05-01"))
    found = panel([used("2025-02-03", 4), used("2025-03-03", 5), used("2025-06-03", 6)], [short])
    assert amounts(found)["2025-02-01"] == 4.0
    assert amounts(found)["2025-06-01"] == 6.0
    assert reasons(found) == {
        "before its contract's start: use, but not of the commitment": 1, "after its contract's end": 1,
    }  # fmt: skip
    assert found.lives["in_term"].to_pylist() == [11.0]


def test_rows_without_amount_date_or_product_have_their_rules() -> None:
    rows = [
        used("2025-05-02", None),
        used("2025-05-03", 2, usage_date=None),
        used("2025-06-04", 3, product=None),
    ]
    found = panel(rows)
    assert found.series["product"].to_pylist() == ["core", "unknown"]
    assert reasons(found) == {"no amount": 1, "no date: taken as used when recorded": 1}


def test_a_contract_without_use_has_no_series() -> None:
    found = panel([])
    assert found.series.num_rows == found.amounts.num_rows == found.lives.num_rows == 0
    assert found.contracts["contract_id"].to_pylist() == ["k"]


def test_overlapping_contracts_share_their_series_by_their_recent_use() -> None:
    both = [contract(), contract(contract_id="k2", start_at=at("2025-02-01"), end_at=at("2026-06-01"))]
    rows = [used(f"2025-0{month}-05", 30) for month in (4, 5, 6)]
    rows += [used(f"2025-0{month}-05", 10, contract_id="k2") for month in (4, 5, 6)]
    found = panel(rows, both)
    assert amounts(found)["2025-06-01"] == 40.0
    shares = dict(zip(found.lives["contract_id"].to_pylist(), found.lives["share"].to_pylist(), strict=True))
    assert shares == {"k": 0.75, "k2": 0.25}


def test_a_successor_takes_over_the_share_of_the_contract_it_follows() -> None:
    both = [
        contract(end_at=at("2025-08-01")),
        contract(
            contract_id="k2", start_at=at("2025-08-01"), end_at=at("2026-08-01"), known_at=at("2025-06-10")
        ),
    ]
    found = panel([used("2025-06-05", 30)], both)
    rows = {row["contract_id"]: row for row in found.lives.to_pylist()}
    assert successors(found.contracts) == {"k": "k2"}
    assert rows["k"]["share"] == rows["k2"]["share"] == 1.0
    assert rows["k"]["last_day"] == rows["k2"]["first_day"]
    assert rows["k2"]["last_day"] == NEVER


def test_weeks_begin_on_mondays() -> None:
    found = panel([used("2025-06-08", 1), used("2025-06-09", 2)], period="weekly", as_of=at("2025-06-20"))
    assert amounts(found) == {"2025-06-02": 1.0, "2025-06-09": 2.0}
    assert period_starts(period_of(at("2025-06-08"), "weekly"), "weekly") == np.datetime64("2025-06-02")


def test_use_recorded_once_a_week_exposes_a_month_by_its_weekdays() -> None:
    """Mondays from the sixth of January on: four in January and February, five in March."""
    mondays = [f"{at('2025-01-06') + timedelta(days=7 * n):%Y-%m-%d}" for n in range(13)]
    found = panel([used(day, 1) for day in mondays], as_of=at("2025-04-10"))
    assert amounts(found) == {"2025-01-01": 4.0, "2025-02-01": 4.0, "2025-03-01": 5.0}
    assert found.amounts["exposure"].to_pylist() == pytest.approx(
        [4 * 7 / 30.4375, 4 * 7 / 30.4375, 5 * 7 / 30.4375]
    )


def test_a_contract_that_starts_mid_month_exposes_the_rest_of_it() -> None:
    late = contract(start_at=at("2025-05-22"), known_at=at("2025-05-01"))
    found = panel([used("2025-05-23", 1), used("2025-06-03", 1), used("2025-06-04", 1)], [late])
    assert found.amounts["exposure"].to_pylist() == pytest.approx([10 / 30.4375, 30 / 30.4375])


def test_an_account_not_known_by_then_has_no_region_or_segment() -> None:
    unknown = [account(known_at=AS_OF)]
    found = panel([used("2025-06-02", 10)], accounts=unknown)
    assert found.series.select(["region", "segment"]).to_pylist() == [
        {"region": "unknown", "segment": "unknown"}
    ]
