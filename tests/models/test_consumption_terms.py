"""Forecast use told apart by its contracts' terms, by hand; and contracts that have not begun."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.exposure import NEVER
from models.consumption.terms import Terms, split_by_terms

Row = dict[str, Any]
DAYS = np.array(["2025-07-01", "2025-08-01", "2025-09-01", "2025-10-01"], dtype="datetime64[D]")


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def contract(
    billing: str | None, *, name: str = "k", committed: float = 1000.0, end: str = "2026-01-01", **more: Any
) -> Row:
    return {
        "contract_id": name,
        "account_id": "a",
        "currency": "EUR",
        "start_day": day("2025-01-01"),
        "end_day": day(end),
        "billing": billing,
        "committed": committed,
        "outcome": None,
        "known_day": 0,
        **more,
    }


def split(
    amounts: list[float],
    contracts: list[Row],
    *,
    used: float = 0.0,
    shares: dict[str, float] | None = None,
    overdue_days: int = 90,
    last_day: int = NEVER,
) -> Terms:
    held = shares or {row["contract_id"]: 1.0 for row in contracts} or {"": 1.0}
    lives = pa.table(
        {
            "account_id": ["a"] * len(held),
            "product": ["core"] * len(held),
            "contract_id": [one or None for one in held],
            "first_day": [day("2025-01-01")] * len(held),
            "last_day": [last_day] * len(held),
            "share": list(held.values()),
        }
    )
    schema = pa.schema(
        {
            "contract_id": pa.string(),
            "start_day": pa.int64(),
            "end_day": pa.int64(),
            "billing": pa.string(),
            "committed": pa.float64(),
            "outcome": pa.string(),
        }
    )
    cents = np.array([[round(100 * amount) for amount in amounts]], dtype=np.int64)
    return split_by_terms(
        cents,
        np.full(len(held), used),
        [("a", "core")],
        lives,
        pa.Table.from_pylist(contracts, schema=schema),
        first_days=DAYS,
        as_of_day=day("2025-07-01"),
        overdue_days=overdue_days,
    )


def told(terms: Terms) -> dict[str, list[float]]:
    return {name: (values[0] / 100).tolist() for name, values in vars(terms).items() if values.any()}


def test_use_draws_down_the_commitment_and_what_exceeds_it_is_overage() -> None:
    found = split([300, 300, 300], [contract("commit", committed=1000)], used=500)
    assert told(found) == {"drawdown": [300.0, 200.0, 0.0], "overage": [0.0, 100.0, 300.0]}


def test_prepaid_use_draws_down_too_and_postpaid_use_is_paid_as_used() -> None:
    assert told(split([100, 100, 100], [contract("prepaid")])) == {"drawdown": [100.0] * 3}
    assert told(split([100, 100, 100], [contract("postpay")], used=5000)) == {"postpay": [100.0] * 3}


def test_without_a_known_commitment_all_is_overage() -> None:
    assert told(split([100, 100, 100], [contract("commit", committed=float("nan"))])) == {
        "overage": [100.0] * 3
    }


def test_use_without_a_contract_is_uncontracted() -> None:
    assert told(split([100, 50, 0], [])) == {"uncontracted": [100.0, 50.0, 0.0]}


def test_after_the_end_of_the_term_a_new_commitment_is_taken_to_begin_and_the_use_waits_for_a_renewal() -> (
    None
):
    """The term ends with July; of its commitment of 600, 500 is used before."""
    found = split([300, 300, 400], [contract("commit", committed=600, end="2025-08-01")], used=500)
    assert told(found) == {
        "drawdown": [100.0, 300.0, 300.0],
        "overage": [200.0, 0.0, 100.0],
        "after_term": [0.0, 300.0, 400.0],
    }


def test_a_term_that_ends_within_a_period_splits_it_by_its_days() -> None:
    found = split([310, 0, 0], [contract("postpay", end="2025-07-11")])
    assert told(found) == {"postpay": [310.0, 0.0, 0.0], "after_term": [210.0, 0.0, 0.0]}


def test_use_under_a_contract_that_names_no_billing_waits_for_its_renewal_too() -> None:
    found = split([310, 100, 0], [contract(None, end="2025-07-11")])
    assert told(found) == {"uncontracted": [310.0, 100.0, 0.0], "after_term": [210.0, 100.0, 0.0]}


def test_a_contract_known_to_be_renewed_waits_for_nothing() -> None:
    found = split([100, 100, 100], [contract("postpay", end="2025-08-01", outcome="renewed")])
    assert told(found) == {"postpay": [100.0] * 3}


def test_a_contract_past_its_term_is_waited_for_until_it_is_overdue_too_long() -> None:
    past = contract("postpay", end="2025-05-01")
    assert told(split([100, 100, 100], [past])) == {"postpay": [100.0] * 3, "after_term": [100.0] * 3}
    assert told(split([100, 100, 100], [past], overdue_days=30)) == {"uncontracted": [100.0] * 3}


def test_two_contracts_share_the_use_and_draw_down_each_its_own() -> None:
    both = [contract("commit", name="k1", committed=100), contract("postpay", name="k2")]
    found = split([200, 200, 200], both, shares={"k1": 0.75, "k2": 0.25})
    assert told(found) == {
        "drawdown": [100.0, 0.0, 0.0],
        "overage": [50.0, 150.0, 150.0],
        "postpay": [50.0] * 3,
    }


def test_the_parts_add_up_to_the_cent_whatever_the_shares() -> None:
    both = [contract("commit", name="k1", committed=0.05), contract("postpay", name="k2")]
    found = split([0.01, 0.07, 33.33], both, shares={"k1": 1 / 3, "k2": 2 / 3})
    parts = found.drawdown + found.overage + found.postpay + found.uncontracted
    assert parts.tolist() == [[1, 7, 3333]]
    assert (found.drawdown.sum(), found.uncontracted.sum()) == pytest.approx((5, 0), abs=2)
