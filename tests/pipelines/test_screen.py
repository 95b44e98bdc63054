"""What a run publishes for the screen: people as they are now, everything else as known before as_of."""

from datetime import UTC, datetime
from typing import Any

import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.renewals import renewal_catalogue
from pipelines.screen import contract_records_of, neighbours, people, records_of, screen_tables
from serving.access.actor import email_sha256

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
ADA = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"
USERS = [
    {"user_id": "U2", "name": "Bob", "email": None, "manager_id": "U1", "active": None},
    {"user_id": "U1", "name": "Ada", "email": " Ada@Example.com ", "manager_id": None, "active": True},
    {"user_id": "U3", "name": None, "email": "  ", "manager_id": "U1", "active": False},
]


def at(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def deal(one: str, account: str | None, owner: str | None, day: int = 1, **more: Any) -> dict[str, Any]:
    return {"opportunity_id": one, "account_id": account, "owner_id": owner, "created_at": at(day), **more}


def role(one: str, contact: str, day: int = 1, **more: Any) -> dict[str, Any]:
    return {"opportunity_id": one, "contact_id": contact, "known_at": at(day), **more}


def around(deals: list[dict[str, Any]], asked: list[str], **tables: Any) -> list[tuple[str, str | None]]:
    rows = neighbours(memory_tables({"opportunities": deals, **tables}), AS_OF, asked).to_pylist()
    return [(row["opportunity_id"], row["owner_id"]) for row in rows]


def test_people_are_published_by_id_with_their_address_hashed_and_never_plain() -> None:
    found = people(memory_tables({"users": USERS})["users"])
    assert found.to_pylist() == [
        {"user_id": "U1", "name": "Ada", "manager_id": None, "active": True, "email_sha256": ADA},
        {"user_id": "U2", "name": "Bob", "manager_id": "U1", "active": None, "email_sha256": None},
        {"user_id": "U3", "name": None, "manager_id": "U1", "active": False, "email_sha256": None},
    ]
    assert email_sha256("ada@example.com") == ADA
    assert "xample" not in str(found)


def test_a_source_without_users_publishes_nobody() -> None:
    assert people(memory_tables({})["users"]).num_rows == 0


def test_deals_of_one_account_and_of_one_contact_stand_around_each_other() -> None:
    deals = [deal("D1", "A", "U1"), deal("D2", "A", "U2"), deal("D3", "B", "U3"), deal("D4", "C", "U4")]
    roles = [role("D1", "C1"), role("D3", "C1"), role("D4", "C9")]
    found = around(deals, ["D1", "D4"], opportunity_contacts=roles)
    assert found == [("D1", "U2"), ("D1", "U3")]


def test_closed_deals_and_deals_without_an_owner_count_and_ones_own_is_named() -> None:
    closed = {"closed_at": at(2), "outcome": "won"}
    deals = [deal("D1", "A", "U1"), deal("D2", "A", None, **closed), deal("D3", "A", "U1", **closed)]
    assert around(deals, ["D1"]) == [("D1", None), ("D1", "U1")]


def test_the_owner_is_the_one_known_at_as_of() -> None:
    deals = [deal("D1", "A", "U1"), deal("D2", "A", "U9")]
    changes = [
        {"opportunity_id": "D2", "field": "owner", "new_value": "U2", "changed_at": at(3)},
        {"opportunity_id": "D2", "field": "owner", "new_value": "U3", "changed_at": at(5)},
    ]
    assert around(deals, ["D1"], opportunity_changes=changes) == [("D1", "U2")]


def test_what_is_recorded_at_or_after_as_of_stands_around_nothing() -> None:
    deals = [deal("D1", "A", "U1"), deal("D2", "A", "U2", day=5), deal("D3", "B", "U3")]
    roles = [role("D1", "C1"), role("D3", "C1", day=5)]
    assert around(deals, ["D1"], opportunity_contacts=roles) == []


def test_deals_of_no_account_are_not_thought_to_share_one() -> None:
    assert around([deal("D1", None, "U1"), deal("D2", None, "U2")], ["D1"]) == []


@pytest.mark.parametrize(
    ("feature", "of"),
    [
        ("meetings_held", "deal"),
        ("deal_age_days", "deal"),
        ("industry", "deal"),
        ("decision_structure_inferred", "deal"),
        ("expected_roles_missing", "deal"),
        ("pace_vs_won", "deal"),
        ("account_wins", "account"),
        ("consumption_growth", "account"),
        ("consumption_vs_commitment", "account"),
        ("is_post_pay", "account"),
        ("sponsor_open_deals", "account"),
        ("sponsor_meetings_30d", "account"),
        ("seller_win_rate", "seller"),
        ("seller_role_completeness", "seller"),
        ("seller_open_deals", "seller"),
    ],
)
def test_each_feature_of_a_deal_says_whose_records_it_reads(feature: str, of: str) -> None:
    every = {one.name: one for one in catalogue()}
    assert records_of(every[feature], every) == of


def test_no_feature_that_reads_beyond_the_deal_is_told_as_the_deals_own() -> None:
    every = {one.name: one for one in catalogue()}
    beyond = {name for name, one in every.items() if records_of(one, every) != "deal"}
    assert beyond == {
        "account_losses", "account_wins", "consumption_growth", "consumption_vs_commitment", "is_post_pay",
        "seller_deals_closed", "seller_open_deals", "seller_role_completeness", "seller_win_rate",
        "sponsor_meetings_30d", "sponsor_open_deals",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "of"), [("burn_ratio", "contract"), ("days_since_contact", "deal"), ("open_deals", "deal")]
)
def test_each_feature_of_a_contract_says_whether_it_reads_single_deals(feature: str, of: str) -> None:
    every = {one.name: one for one in renewal_catalogue()}
    assert contract_records_of(every[feature], every) == of


def test_the_catalogue_has_a_row_for_each_feature_in_its_order() -> None:
    features = catalogue()
    tables = memory_tables({"users": USERS, "opportunities": [deal("D1", "A", "U1")]})
    found = screen_tables(tables, AS_OF, ["D1"], features=features, renewals=True)
    assert sorted(found) == [
        "people.parquet", "renewal_catalogue.parquet", "win_catalogue.parquet", "win_neighbours.parquet",
    ]  # fmt: skip
    rows = found["win_catalogue.parquet"].to_pylist()
    assert [row["feature"] for row in rows] == [one.name for one in features]
    held = next(row for row in rows if row["feature"] == "meetings_held")
    assert held["title"] == "Who is in the room"
    assert held["actionable"] is True
    without = screen_tables(tables, AS_OF, [], features=features, renewals=False)
    assert "renewal_catalogue.parquet" not in without
    assert without["win_neighbours.parquet"].num_rows == 0
