"""Raw rows are checked as a load checks them, and what breaks the contract is listed with its reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.errors import UsageError
from data.validation import ROW_RULES
from features.families.custom import CustomField
from features.record_shapes import record_schemas
from serving.score.rows import MOST_DEALS, PAIR_RULES, CheckedRows, checked_rows

AS_OF = datetime(2025, 6, 30, tzinfo=UTC)
DEAL = {"opportunity_id": "o1", "account_id": "a1", "created_at": "2025-01-01T00:00:00Z"}


def checked(**tables: list[dict[str, Any]]) -> CheckedRows:
    """The rows of a request with one good deal, and more."""
    return checked_rows({"opportunities": [DEAL], **tables}, record_schemas(), AS_OF)


def reasons(found: CheckedRows) -> list[tuple[str, int, str, str]]:
    """Table, row, column and reason of what was set aside."""
    return [(one.table, one.row, one.column, one.reason) for one in found.rejected]


@pytest.mark.parametrize(
    ("table", "row", "column", "reason"),
    [
        ("activities", {"activity_id": None, "opportunity_id": "o1"}, "activity_id", "empty"),
        (
            "activities",
            {"activity_id": "v", "kind": "fax"},
            "kind",
            "not one of meeting, call, email, demo, workshop, event, other",
        ),
        ("activities", {"activity_id": "v", "occurred_at": "soon"}, "occurred_at", "not a timestamp"),
        ("activities", {"activity_id": "v", "occurred_at": 5}, "occurred_at", "not a timestamp"),
        ("activities", {"activity_id": "v", "duration_minutes": -1}, "duration_minutes", "below 0"),
        ("activities", {"activity_id": "v", "duration_minutes": "inf"}, "duration_minutes", "not finite"),
        ("activities", {"activity_id": ["v"]}, "activity_id", "not a string"),
        ("activities", {"activity_id": "\ud800"}, "activity_id", "not a string"),
        (
            "activities",
            {"activity_id": "v", "opportunity_id": "o9"},
            "opportunity_id",
            "not found in opportunities",
        ),
        (
            "activity_participants",
            {"activity_id": "v9", "contact_id": "c"},
            "activity_id",
            "not found in activities",
        ),
        (
            "activity_participants",
            {"activity_id": "v9"},
            "contact_id",
            "exactly one of contact_id and user_id is expected",
        ),
        (
            "qualification",
            {"opportunity_id": "o1", "question": "why", "side": "vendor", "answer": 5},
            "answer",
            "above 4",
        ),
        (
            "qualification",
            {"opportunity_id": "o1", "question": "why", "side": "vendor", "answer": 1.5},
            "answer",
            "not a int64",
        ),
        (
            "text_moments",
            {"opportunity_id": "o9", "kind": "fomo"},
            "opportunity_id",
            "not found in opportunities",
        ),
    ],
)
def test_a_row_that_breaks_the_contract_is_left_out_with_its_reason(
    table: str, row: dict[str, Any], column: str, reason: str
) -> None:
    found = checked(**{table: [row]})
    assert reasons(found) == [(table, 1, column, reason)]
    assert found.tables[table].num_rows == 0
    assert found.open_deals == ("o1",)


def test_rows_beside_a_bad_one_are_kept_with_their_order_and_types() -> None:
    found = checked(
        opportunity_changes=[
            {"opportunity_id": "o1", "field": "stage", "new_value": "Offer", "changed_at": "2025-02-01"},
            {"opportunity_id": "o1", "field": "colour", "new_value": "red", "changed_at": "2025-02-02"},
            {
                "opportunity_id": "o1",
                "field": "x_own",
                "new_value": 5.0,
                "changed_at": "2025-02-03T01:00:00+01:00",
            },
        ]
    )
    assert [(one[0], one[1]) for one in reasons(found)] == [("opportunity_changes", 2)]
    assert found.tables["opportunity_changes"].to_pylist() == [
        {"source_row": 1, "opportunity_id": "o1", "field": "stage", "old_value": None, "new_value": "Offer",
         "changed_at": datetime(2025, 2, 1, tzinfo=UTC)},
        {"source_row": 2, "opportunity_id": "o1", "field": "x_own", "old_value": None, "new_value": "5",
         "changed_at": datetime(2025, 2, 3, tzinfo=UTC)},
    ]  # fmt: skip


def test_a_deal_without_its_row_takes_its_rows_along() -> None:
    found = checked_rows(
        {
            "opportunities": [DEAL, {**DEAL, "opportunity_id": "o2", "created_at": AS_OF.isoformat()}],
            "promises": [{"promise_id": "p", "opportunity_id": "o2", "event": "promised"}],
        },
        record_schemas(),
        AS_OF,
    )
    assert reasons(found) == [
        ("opportunities", 2, "created_at", "the deal does not exist yet at as_of"),
        ("promises", 1, "opportunity_id", "not found in opportunities"),
    ]


def test_closed_deals_are_told_apart_from_open_ones() -> None:
    rows = [
        DEAL,
        {**DEAL, "opportunity_id": "o2", "outcome": "won", "closed_at": "2025-03-01"},
        {**DEAL, "opportunity_id": "o3", "outcome": "won", "closed_at": AS_OF.isoformat()},
        {**DEAL, "opportunity_id": "o4", "outcome": "won"},
        {**DEAL, "opportunity_id": "o5", "closed_at": "2024-12-31"},
    ]
    found = checked_rows({"opportunities": rows}, record_schemas(), AS_OF)
    assert (found.open_deals, found.closed_deals) == (("o1", "o3"), ("o2",))
    assert [one[1:] for one in reasons(found)] == [
        (4, "outcome", "outcome without closed_at cannot be placed in time"),
        (5, "closed_at", "closed_at lies before created_at"),
    ]


def test_of_repeats_the_one_known_last_before_as_of_stands() -> None:
    def contact(name: str, days: int) -> dict[str, Any]:
        return {"contact_id": "c", "name": name, "known_at": (AS_OF + timedelta(days=days)).isoformat()}

    found = checked(contacts=[contact("first", -3), contact("second", -1), contact("later", 1)])
    assert found.tables["contacts"]["name"].to_pylist() == ["second"]
    assert [one[1] for one in reasons(found)] == [1, 3]


def test_what_has_no_place_in_the_contract_is_refused_at_once_with_near_matches() -> None:
    with pytest.raises(UsageError) as refused:
        checked(activity=[], contacts=[{"contact_id": "c", "seniorty": "vp"}])
    assert "no table is called 'activity'" in str(refused.value)
    assert "contacts has no column 'seniorty' (near match: 'seniority')" in str(refused.value)
    with pytest.raises(UsageError, match="holds no row"):
        checked_rows({"activities": []}, record_schemas(), AS_OF)
    many = [{**DEAL, "opportunity_id": f"o{n}"} for n in range(MOST_DEALS + 1)]
    with pytest.raises(UsageError, match="at most 1,000 deals, found 1,001"):
        checked_rows({"opportunities": many}, record_schemas(), AS_OF)


def test_a_clock_is_filled_from_the_business_time_as_in_a_load() -> None:
    found = checked(activities=[{"activity_id": "v", "opportunity_id": "o1", "occurred_at": "2025-02-01"}])
    assert found.tables["activities"]["known_at"].to_pylist() == [datetime(2025, 2, 1, tzinfo=UTC)]


def test_fields_of_ones_own_are_read_where_the_run_knows_them_and_named_where_not() -> None:
    schemas = record_schemas([CustomField("contacts", "x_vip", "flag")])
    row = {"contact_id": "c", "x_vip": True, "x_odd": 1}
    found = checked_rows({"opportunities": [DEAL], "contacts": [row]}, schemas, AS_OF)
    assert found.tables["contacts"]["x_vip"].to_pylist() == ["true"]
    assert found.ignored == ("contacts.x_odd",)


def test_the_rules_over_two_columns_are_those_of_a_load() -> None:
    assert {(name, rule[0], rule[2]) for name, rules in PAIR_RULES.items() for rule in rules} == {
        (name, rule.column, rule.reason) for name, rules in ROW_RULES.items() for rule in rules
    }
