from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from data.currency import NO_CURRENCY, Rates, reporting_currency
from data.warehouse import memory_tables


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = day("2024-12-01")


def rate(start: str, end: str, worth: float, dated: str, known: str | None = None) -> dict[str, Any]:
    return {
        "from_currency": start, "to_currency": end, "rate": worth, "rate_date": day(dated),
        "known_at": day(known or dated),
    }  # fmt: skip


def rates(*rows: dict[str, Any], as_of: datetime = NOW, to: str = "EUR") -> Rates:
    deals = [{"opportunity_id": "D1", "currency": "EUR", "created_at": day("2024-01-01")}]
    return Rates.read(memory_tables({"exchange_rates": rows, "opportunities": deals}), as_of).to(to)


def worths(found: Rates, currency: str, *days: str) -> list[float]:
    at = [day(one) for one in days]
    return list(found.convert([100.0] * len(at), [currency] * len(at), at).amounts)


def same(found: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, equal_nan=True)


def test_a_rate_holds_from_its_date_until_the_next() -> None:
    found = rates(rate("USD", "EUR", 0.9, "2024-01-01"), rate("USD", "EUR", 0.8, "2024-04-01"))
    same(
        worths(found, "USD", "2023-12-31", "2024-01-02", "2024-03-31", "2024-04-02", "2024-11-30"),
        [np.nan, 90, 90, 80, 80],
    )


def test_a_rate_counts_only_once_it_was_known_strictly_before_the_instant() -> None:
    found = rates(rate("USD", "EUR", 0.9, "2024-01-01"), rate("USD", "EUR", 0.8, "2024-02-01", "2024-03-01"))
    same(worths(found, "USD", "2024-01-01", "2024-02-15", "2024-03-01", "2024-03-02"), [np.nan, 90, 90, 80])


def test_a_rate_agreed_ahead_counts_from_its_date_on() -> None:
    found = rates(rate("USD", "EUR", 0.9, "2024-01-01"), rate("USD", "EUR", 0.8, "2024-06-01", "2024-02-01"))
    same(worths(found, "USD", "2024-05-31", "2024-06-01"), [90, 80])


def test_a_later_re_rating_changes_nothing_about_an_earlier_instant() -> None:
    first = rate("USD", "EUR", 0.9, "2024-01-01")
    corrected = rate("USD", "EUR", 0.7, "2024-01-01", "2024-05-01")
    days = ("2024-01-02", "2024-04-30", "2024-05-01")
    same(worths(rates(first, corrected), "USD", *days), worths(rates(first), "USD", *days))
    same(worths(rates(first, corrected), "USD", "2024-05-02"), [70])
    same(worths(rates(first, corrected, as_of=day("2024-05-01")), "USD", "2024-11-30"), [90])


def test_an_old_date_recorded_late_does_not_replace_a_newer_rate() -> None:
    found = rates(rate("USD", "EUR", 0.8, "2024-04-01"), rate("USD", "EUR", 0.9, "2024-01-01", "2024-05-01"))
    same(worths(found, "USD", "2024-04-02", "2024-06-01"), [80, 80])


def test_a_rate_serves_the_other_direction_too_and_the_latest_of_both_holds() -> None:
    found = rates(rate("EUR", "USD", 1.25, "2024-01-01"), rate("USD", "EUR", 0.5, "2024-03-01"))
    same(worths(found, "USD", "2024-02-01", "2024-03-02"), [80, 50])
    same(worths(found.to("USD"), "EUR", "2024-02-01", "2024-03-02"), [125, 200])


def test_of_two_directions_of_one_time_the_direct_one_holds_and_of_repeats_the_last() -> None:
    both = (rate("USD", "EUR", 0.5, "2024-01-01"), rate("EUR", "USD", 4.0, "2024-01-01"))
    same(worths(rates(*both), "USD", "2024-02-01"), [50])
    same(worths(rates(*both, to="USD"), "EUR", "2024-02-01"), [400])
    same(worths(rates(both[0], rate("USD", "EUR", 0.6, "2024-01-01")), "USD", "2024-02-01"), [60])


def test_a_pair_without_a_rate_is_crossed_through_the_currency_that_has_both() -> None:
    found = rates(rate("EUR", "SEK", 10.0, "2024-01-01"), rate("USD", "SEK", 8.0, "2024-02-01"))
    same(worths(found, "USD", "2024-01-15", "2024-02-02"), [np.nan, 80])


def test_a_currency_without_a_rate_is_left_out_and_counted() -> None:
    found = rates(rate("USD", "EUR", 0.9, "2024-01-01"))
    got = found.convert([1.0, 2.0, 3.0, np.nan, 5.0], ["EUR", "USD", "JPY", "JPY", "JPY"], NOW)
    same(got.amounts.tolist(), [1, 1.8, np.nan, np.nan, np.nan])
    assert got.missing == {"JPY": 2}


def test_an_amount_without_a_currency_has_no_rate_where_any_deal_names_one() -> None:
    got = rates().convert([7.0, 8.0], [None, "EUR"], NOW)
    same(got.amounts.tolist(), [np.nan, 8])
    assert got.missing == {NO_CURRENCY: 1}


def test_an_amount_without_a_currency_counts_as_the_reporting_one_where_no_deal_names_any() -> None:
    tables = memory_tables({"contracts": [{"contract_id": "K", "known_at": day("2024-01-01")}]})
    found = Rates.read(tables, NOW)
    assert found.currency == ""
    assert found.convert([7.0, 8.0], [None, ""], NOW).missing == {}
    same(found.to("EUR").convert([7.0], [None], NOW).amounts.tolist(), [7])


def test_what_names_a_currency_only_later_does_not_count_yet() -> None:
    deals = [{"opportunity_id": "D1", "currency": "EUR", "created_at": NOW}]
    found = Rates.read(memory_tables({"opportunities": deals}), NOW)
    assert not found.names_currencies
    assert found.currency == ""


def test_codes_are_compared_without_regard_to_case_and_blanks() -> None:
    found = rates(rate("usd", " EUR", 0.9, "2024-01-01"), to="eur")
    same(found.convert([100.0, 1.0], ["Usd ", "eur"], NOW).amounts.tolist(), [90, 1])


def test_instants_may_stand_in_an_array_and_currencies_in_a_column() -> None:
    found = rates(rate("USD", "EUR", 0.9, "2024-01-01"), rate("USD", "EUR", 0.8, "2024-04-01"))
    at: npt.NDArray[np.datetime64] = np.array(["2024-02-01", "2024-05-01"], dtype="datetime64[s]")
    same(found.convert([100.0, 100.0], pa.array(["USD", "USD"]), at).amounts.tolist(), [90, 80])
    same(found.convert([], [], NOW).amounts.tolist(), [])
    assert found.rate("USD", NOW) == pytest.approx(0.8)
    assert np.isnan(found.rate("JPY", NOW))


def test_the_reporting_currency_is_the_commonest_unless_set() -> None:
    deals = [
        {"opportunity_id": f"D{i}", "currency": code, "created_at": day("2024-01-01")}
        for i, code in enumerate(["USD", "EUR", None])
    ]
    contract = {"contract_id": "K1", "currency": "eur", "known_at": day("2024-01-01")}
    later = {"contract_id": "K2", "currency": "USD", "known_at": NOW}
    tables = memory_tables(
        {"opportunities": deals, "contracts": [contract, later, later | {"contract_id": "K3"}]}
    )
    assert reporting_currency(tables, NOW, None) == "EUR"
    assert reporting_currency(tables, day("2025-01-01"), None) == "USD"
    assert reporting_currency(tables, NOW, "gbp") == "GBP"
    assert reporting_currency(tables, day("2023-01-01"), None) == ""


def test_of_equally_common_currencies_the_first_by_name_is_reported_in() -> None:
    deals = [
        {"opportunity_id": code, "currency": code, "created_at": day("2024-01-01")} for code in ("USD", "EUR")
    ]
    assert reporting_currency(memory_tables({"opportunities": deals}), NOW, None) == "EUR"


def test_rates_agree_with_a_slow_search_on_generated_histories() -> None:
    rng = np.random.default_rng(4)
    start = np.datetime64("2024-01-01")
    rows = []
    for _ in range(300):
        dated, lag = int(rng.integers(0, 60)), int(rng.integers(-10, 30))
        pair = ("USD", "EUR") if rng.random() < 0.5 else ("EUR", "USD")
        times = [str(start + offset) for offset in (dated, dated + lag)]
        rows.append(rate(*pair, float(rng.uniform(0.5, 2)), *times))
    days = [str(start + i) for i in range(-10, 100)]

    def slow(at: datetime) -> float:
        seen = [(r["rate_date"], r["known_at"], r["from_currency"] == "USD", i, r) for i, r in enumerate(rows)
                if r["rate_date"] <= at and r["known_at"] < at]  # fmt: skip
        if not seen:
            return np.nan
        best = max(seen, key=lambda row: row[:4])[4]
        worth = float(best["rate"])
        return 100 * worth if best["from_currency"] == "USD" else 100 / worth

    same(worths(rates(*rows), "USD", *days), [slow(day(one)) for one in days])
