"""What becomes of bad and odd input about contracts and use: each rule with its case."""

from typing import Any

import pytest

from data.errors import UsageError
from data.warehouse import memory_tables
from features.renewals import contract_snapshots, renewal_catalogue, renewal_frame
from tests.features.worlds import DAY, Rows, day

AMOUNT = 365_000.0
"""A thousand a day over a year."""


def contract(key: str = "k1", start: float = 0, days: float | None = 365, **more: Any) -> dict[str, Any]:
    """A year's contract of account a1 from day 0 on, recorded a day before."""
    begins = day(start)
    row = {
        "contract_id": key, "account_id": "a1", "start_at": begins, "known_at": begins - DAY,
        "end_at": None if days is None else begins + days * DAY, "committed_amount": AMOUNT,
        "currency": "EUR",
    }  # fmt: skip
    return row | more


def used(
    on: float, amount: float | None, key: str | None = "k1", late: float = 7, **more: Any
) -> dict[str, Any]:
    """Use of the period that began on a day, recorded a week after unless said otherwise."""
    row = {"account_id": "a1", "contract_id": key, "usage_date": day(on), "amount": amount, "product": "core"}
    return row | {"known_at": day(on + late)} | more


def weeks(first: int, last: int, amount: float = 7000.0, key: str | None = "k1") -> list[dict[str, Any]]:
    return [used(7 * n, amount, key) for n in range(first, last)]


def today(rows: Rows, at: float, key: str = "k1", family: str = "use") -> dict[str, Any]:
    """The features of a contract on a day."""
    as_of, tables = day(at), memory_tables(rows)
    features = [feature for feature in renewal_catalogue() if feature.family == family]
    spine = contract_snapshots(tables, as_of)
    frame = renewal_frame(tables["accounts"].get_backend(), tables, spine, features, None).to_pylist()
    return next(row for row in frame if row["contract_id"] == key and row["as_of"] == as_of)


def test_the_burn_is_the_use_so_far_per_commitment_pro_rata() -> None:
    row = today({"contracts": [contract()], "usage": weeks(0, 20, 3500.0)}, 141)
    # the last week began on day 133 and was recorded on day 140
    assert row["burn_ratio"] == pytest.approx(20 * 3500 / 140_000)
    assert row["unused_commitment_share"] == pytest.approx(0.5)
    assert row["use_per_month"] == pytest.approx(30 * 500)
    assert row["pace_vs_commitment"] == pytest.approx(0.5)
    assert row["projected_burn"] == pytest.approx((20 * 3500 + 500 * 225) / AMOUNT)
    assert row["overage_share"] == 0
    assert row["use_trend_90d"] == pytest.approx(1)
    assert not row["is_shelfware"]


def test_use_before_the_start_counts_for_the_level_and_not_for_the_burn() -> None:
    rows = {"contracts": [contract(known_at=day(-100))], "usage": weeks(-4, 8)}
    row = today(rows, 57)
    assert row["burn_ratio"] == pytest.approx(1)
    assert row["use_per_month"] == pytest.approx(30_000)
    assert row["days_to_first_value"] == 0
    without = today(dict(rows, usage=weeks(0, 8)), 57)
    assert without["burn_ratio"] == row["burn_ratio"]


def test_use_before_the_start_alone_is_no_value_of_the_contract() -> None:
    row = today({"contracts": [contract(known_at=day(-100))], "usage": weeks(-4, 0)}, 60)
    assert row["burn_ratio"] is None
    assert row["days_to_first_value"] is None
    assert row["is_shelfware"]


def test_a_missing_period_is_no_use_once_a_later_one_is_reported() -> None:
    gap = [row for row in weeks(0, 40) if not day(200) <= row["usage_date"] < day(245)]
    whole = today({"contracts": [contract()], "usage": weeks(0, 40)}, 281)
    row = today({"contracts": [contract()], "usage": gap}, 281)
    assert whole["use_trend_90d"] == pytest.approx(1)
    # days 203 to 238 are missing: six weeks of the last 89 days (from day 189's report to day 280's)
    assert row["use_trend_90d"] == pytest.approx(7 / 13)


def test_a_month_that_is_not_reported_yet_is_no_decline() -> None:
    months = [used(30 * n, 30_000.0, late=33) for n in range(10)]
    # the period from day 240 on counts from day 271 on, the next one is recorded on day 303
    for at in (275, 290, 302):
        row = today({"contracts": [contract()], "usage": months}, at)
        assert row["use_trend_90d"] == pytest.approx(1, abs=0.02), at
        assert row["burn_ratio"] == pytest.approx(1, abs=0.02), at


def test_two_months_of_silence_are_no_use_while_others_report() -> None:
    others = [contract("k2", account_id="a2")], weeks(0, 45, key="k2")
    rows: Rows = {"contracts": [contract(), *others[0]], "usage": weeks(0, 25) + others[1]}
    # reported until day 175; on day 301, sixty-two days ago is day 239
    row = today(rows, 301)
    assert row["burn_ratio"] == pytest.approx(175 / 239)
    assert row["use_trend_90d"] == 0
    alone = today({"contracts": [contract()], "usage": weeks(0, 25)}, 301)
    assert alone["burn_ratio"] == pytest.approx(1)
    assert alone["use_trend_90d"] is None


def test_rows_of_one_period_add_up_and_credit_notes_reduce() -> None:
    halves = [used(7 * n, 3500.0) for n in range(20) for _ in range(2)]
    row = today({"contracts": [contract()], "usage": halves}, 141)
    assert row["burn_ratio"] == pytest.approx(1)
    assert row["credit_notes_180d"] == 0
    credited = today({"contracts": [contract()], "usage": [*halves, used(133, -70_000.0)]}, 141)
    assert credited["burn_ratio"] == pytest.approx(0.5)
    assert credited["credit_notes_180d"] == 1


def test_credit_notes_beyond_the_use_leave_nothing_and_never_less() -> None:
    row = today({"contracts": [contract()], "usage": [*weeks(0, 20), used(133, -1e6)]}, 141)
    assert row["burn_ratio"] == 0
    assert row["use_per_month"] == 0
    assert row["unused_commitment_share"] == 1
    assert row["use_trend_90d"] == 0


def test_a_contract_without_use_has_no_ratios_and_is_shelfware_where_use_is_reported() -> None:
    rows: Rows = {"contracts": [contract(), contract("k2", account_id="a2")], "usage": []}
    silent = today(rows, 100)
    assert not silent["is_shelfware"]
    rows["usage"] = weeks(0, 10, key="k2")
    row = today(rows, 100)
    assert row["is_shelfware"]
    ratios = ("burn_ratio", "projected_burn", "unused_commitment_share", "use_trend_90d", "days_since_use")
    assert all(row[name] is None for name in (*ratios, "use_volatility", "active_users", "overage_share"))
    assert not today(rows, 29)["is_shelfware"]


def test_barely_used_is_shelfware_too() -> None:
    rows: Rows = {"contracts": [contract()], "usage": weeks(0, 20, 340.0)}
    assert today(rows, 141)["is_shelfware"]
    assert today(rows, 141)["days_to_first_value"] is None
    rows["usage"].append(used(133, 500.0))
    assert not today(rows, 141)["is_shelfware"]
    assert today(rows, 141)["days_to_first_value"] == 133


def test_use_that_names_no_contract_is_shared_in_proportion_to_what_is_committed() -> None:
    two = [contract(), contract("k2", committed_amount=AMOUNT / 4)]
    rows: Rows = {"contracts": two, "usage": weeks(0, 20, key=None)}
    assert today(rows, 141)["use_per_month"] == pytest.approx(0.8 * 30_000)
    assert today(rows, 141, "k2")["use_per_month"] == pytest.approx(0.2 * 30_000)
    assert today(rows, 141, family="contract")["other_contracts_running"] == 1


def test_use_that_names_no_contract_is_shared_equally_where_one_commits_to_nothing() -> None:
    two = [contract(), contract("k2", committed_amount=None)]
    rows: Rows = {"contracts": two, "usage": weeks(0, 20, key=None)}
    assert today(rows, 141)["use_per_month"] == pytest.approx(15_000)
    assert today(rows, 141, "k2")["use_per_month"] == pytest.approx(15_000)


def test_use_that_names_no_contract_goes_to_the_one_that_ran_then() -> None:
    rows: Rows = {
        "contracts": [contract(days=70), contract("k2", start=140)],
        "usage": weeks(0, 40, key=None),
    }
    # the second contract's first week begins on day 140; days 70 to 140 belong to nobody
    assert today(rows, 281, "k2")["burn_ratio"] == pytest.approx(1)
    assert today(rows, 100)["overage_share"] == 0
    assert today(rows, 100)["burn_ratio"] == pytest.approx(70_000 / AMOUNT)


def test_an_amount_that_may_be_of_two_currencies_is_left_out_and_its_units_are_shared() -> None:
    two = [contract(), contract("k2", currency="USD")]
    rows: Rows = {"contracts": two, "usage": [used(7 * n, 7000.0, None, quantity=10.0) for n in range(40)]}
    row = today(rows, 281)
    assert row["burn_ratio"] is None
    assert row["use_per_month"] is None
    assert row["use_trend_90d"] == pytest.approx(1)


def test_use_counted_in_units_alone_has_a_trend_and_no_burn() -> None:
    units = [used(7 * n, None, quantity=10.0 if n < 20 else 5.0) for n in range(33)]
    row = today({"contracts": [contract()], "usage": units}, 232)
    assert row["use_trend_90d"] == pytest.approx(0.5)
    assert row["burn_ratio"] is None
    assert row["days_to_first_value"] == 0


def test_a_term_that_ended_without_outcome_is_overdue_until_it_is_left_alone() -> None:
    rows: Rows = {"contracts": [contract()], "usage": []}
    row = today(rows, 375, family="contract")
    assert (row["is_overdue"], row["days_overdue"], row["days_to_term"]) == (True, 10, -10)
    assert contract_snapshots(memory_tables(rows), day(455)).keys().num_rows == 6
    assert contract_snapshots(memory_tables(rows), day(456)).keys().num_rows == 5
    assert contract_snapshots(memory_tables(rows), day(456), overdue_days=100).keys().num_rows == 6


def test_snapshots_stand_at_their_distance_from_the_end_while_the_contract_is_known_and_undecided() -> None:
    rows: Rows = {
        "contracts": [
            contract(known_at=day(200), decided_at=day(335), outcome="renewed"),
            contract("k2", days=None),
            contract("k3", days=45),
        ]
    }
    spine = contract_snapshots(memory_tables(rows), day(400), also_at=[day(30)])
    found = [
        (row["contract_id"], (row["as_of"] - day(0)) / DAY, row["horizon"])
        for row in spine.keys().to_pylist()
    ]
    # recorded on day 200 and decided on day 335, at which instant it is still open
    assert found == [
        ("k1", 245, 120), ("k1", 275, 90), ("k1", 305, 60), ("k1", 335, 30),
        ("k2", 30, None), ("k2", 400, None), ("k3", 15, 30), ("k3", 30, None),
    ]  # fmt: skip


def test_an_instant_after_as_of_and_a_senseless_horizon_are_refused() -> None:
    tables = memory_tables({})
    with pytest.raises(UsageError, match="also_at"):
        contract_snapshots(tables, day(10), also_at=[day(11)])
    with pytest.raises(UsageError, match="horizons"):
        contract_snapshots(tables, day(10), horizons=(0,))


def test_without_contracts_the_frame_is_empty() -> None:
    tables = memory_tables({})
    spine = contract_snapshots(tables, day(10))
    frame = renewal_frame(tables["accounts"].get_backend(), tables, spine, renewal_catalogue(), None)
    assert frame.num_rows == 0
    assert frame.column_names[:2] == ["contract_id", "as_of"]


def test_a_renewal_is_compared_with_the_contract_before_it() -> None:
    first = contract(
        decided_at=day(340), outcome="renewed", renewed_amount=2 * AMOUNT, committed_amount=AMOUNT
    )
    second = contract("k2", start=365, known_at=day(341), committed_amount=2 * AMOUNT)
    dollars = contract("k3", start=365, known_at=day(341), currency="USD")
    usage = weeks(0, 52) + weeks(53, 66, 14_000.0, "k2")
    rows: Rows = {"contracts": [first, second, dollars], "usage": usage}
    row = today(rows, 470, "k2", "contract")
    assert row["terms_before"] == 1
    assert row["commitment_vs_before"] == 2
    assert row["account_renewals"] == 1
    assert today(rows, 470, "k2")["use_vs_year_before"] == pytest.approx(2, abs=0.05)
    other = today(rows, 470, "k3", "contract")
    assert (other["terms_before"], other["commitment_vs_before"]) == (0, None)


def test_of_two_contracts_before_the_one_whose_renewed_amount_was_agreed_is_taken() -> None:
    agreed = contract(decided_at=day(340), outcome="renewed", renewed_amount=500.0, committed_amount=100.0)
    later = contract("k0", known_at=day(5), committed_amount=250.0)
    follower = contract("k2", start=365, known_at=day(350), committed_amount=500.0)
    rows: Rows = {"contracts": [agreed, later, follower]}
    assert today(rows, 366, "k2", "contract")["commitment_vs_before"] == 5
    # decided only after the follower was recorded: nobody knew, so the one recorded last is taken
    rows["contracts"][0] = dict(agreed, decided_at=day(351))
    assert today(rows, 366, "k2", "contract")["commitment_vs_before"] == 2
