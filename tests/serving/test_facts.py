"""Facts that readers see come from what was known at as_of."""

from datetime import UTC, date, datetime

from data.warehouse import memory_tables
from models.backtest.history import read_deals
from serving.facts import deal_facts

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)


def at(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def deal(opportunity_id: str, account_id: str) -> dict[str, object]:
    return {
        "opportunity_id": opportunity_id,
        "account_id": account_id,
        "owner_id": "U2",
        "created_at": at(1),
    }


def change(field: str, value: str, day: int) -> dict[str, object]:
    return {"opportunity_id": "D1", "field": field, "new_value": value, "changed_at": at(day)}


def test_facts_are_the_latest_known_before_as_of_in_the_order_asked() -> None:
    tables = memory_tables(
        {
            "accounts": [{"account_id": "A", "name": "Acme", "region": "EMEA", "industry": "retail"}],
            "users": [{"user_id": "U1", "name": "Ann"}, {"user_id": "U2", "name": "Bob"}],
            "opportunities": [
                deal("D1", "A"), deal("D2", "X"),
            ],
            "opportunity_changes": [
                change("stage", "Discovery", 1), change("stage", "Proposal", 3), change("stage", "Won", 5),
                change("amount", "100", 1), change("amount", "250.5", 1),
                change("close_date", "2026-02-01", 2), change("owner", "U1", 1),
            ],
        }
    )  # fmt: skip
    found = deal_facts(tables, AS_OF, ["D2", "D1"]).to_pylist()
    assert [row["opportunity_id"] for row in found] == ["D2", "D1"]
    assert found[1]["stage"] == "Proposal"
    assert found[1]["amount"] == 250.5
    assert found[1]["expected_close_on"] == date(2026, 2, 1)
    assert (found[1]["owner"], found[1]["account"]) == ("Ann", "Acme")
    assert (found[1]["region"], found[1]["segment"]) == ("EMEA", "retail")
    assert (found[0]["region"], found[0]["segment"]) == (None, None)
    assert (found[0]["owner"], found[0]["account"], found[0]["stage"]) == ("Bob", None, None)


def test_an_account_recorded_at_or_after_as_of_has_no_name_region_or_segment_yet() -> None:
    account = {"name": "Acme", "region": "EMEA", "industry": "retail"}
    tables = memory_tables(
        {
            "accounts": [
                {"account_id": "A", **account, "known_at": at(4)},
                {"account_id": "B", **account, "known_at": AS_OF},
            ],
            "opportunities": [deal("D1", "A"), deal("D2", "B")],
        }
    )
    found = deal_facts(tables, AS_OF, ["D1", "D2"]).select(["account", "region", "segment"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [("Acme", "EMEA", "retail"), (None, None, None)]
    groups = read_deals(tables, AS_OF, segment="industry").groups
    assert {level: keys.tolist() for level, keys in groups.items()} == {
        "region": ["EMEA", ""],
        "segment": ["retail", ""],
    }


def test_the_segment_is_the_column_of_accounts_that_finance_groups_by() -> None:
    tables = memory_tables(
        {
            "accounts": [{"account_id": "A", "industry": "retail", "decision_structure": "distributed"}],
            "opportunities": [deal("D1", "A")],
        }
    )
    assert deal_facts(tables, AS_OF, ["D1"], "decision_structure")["segment"].to_pylist() == ["distributed"]
    assert deal_facts(tables, AS_OF, ["D1"], "x_tier")["segment"].to_pylist() == [None]
