"""What the CRM knew before an instant is found again, whatever was recorded, or exported, later."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import DataContractError
from data.warehouse import open_warehouse
from tests.data.sources import SMALL, load, rows, write

_JUNE = datetime(2024, 6, 1, tzinfo=UTC)


def test_a_later_row_of_the_same_key_takes_nothing_away_from_before_it(tmp_path: Path) -> None:
    accounts = "account_id,name,known_at\nA1,first,2024-01-01\nA1,second,2024-03-01\nA1,third,2024-06-01\n"
    load(write(tmp_path / "in", SMALL | {"accounts": accounts}), tmp_path / "w", share=1)
    assert rows(tmp_path / "w", "SELECT name FROM accounts") == [("third",)]
    with open_warehouse(tmp_path / "w") as warehouse:

        def name(as_of: datetime | None) -> list[str]:
            return warehouse.tables(as_of)["accounts"].name.to_pyarrow().to_pylist()

        assert name(None) == ["third"]
        assert name(_JUNE) == ["second"]
        assert name(datetime(2024, 6, 1, 0, 0, 1, tzinfo=UTC)) == ["third"]
        assert name(datetime(2024, 3, 1, tzinfo=UTC)) == ["first"]
        # nothing was known of it yet: the row that came later stays, and its clock hides it
        assert name(datetime(2023, 1, 1, tzinfo=UTC)) == ["third"]


def test_an_earlier_row_of_a_key_stays_rejected_where_its_deal_is_not_there(tmp_path: Path) -> None:
    activities = (
        "activity_id,opportunity_id,occurred_at,known_at\nC1,nowhere,2024-02-01,2024-02-01\n"
        "C1,D1,2024-02-01,2024-07-01\n"
    )
    source = write(tmp_path / "in", SMALL | {"activities": activities})
    load(source, tmp_path / "w", share=1)
    with open_warehouse(tmp_path / "w") as warehouse:
        found = warehouse.tables(_JUNE)["activities"].opportunity_id.to_pyarrow().to_pylist()
    assert found == ["D1"]


@pytest.mark.parametrize("later", ["", "A3,later,2025-01-01,some text,some text\n"])
def test_an_own_field_reads_the_same_whatever_a_later_row_holds(tmp_path: Path, later: str) -> None:
    accounts = f"account_id,industry,created_at,x_begins,X_Share\nA1,1.0,2024-01-01,9:05,0.10\n{later}"
    load(write(tmp_path / "in", SMALL | {"accounts": accounts}), tmp_path / "w")
    found = rows(tmp_path / "w", "SELECT industry, x_begins, x_share FROM accounts WHERE account_id = 'A1'")
    assert found == [("1.0", "9:05", "0.10")]


def test_one_date_in_another_format_costs_its_row_and_not_the_load(tmp_path: Path) -> None:
    accounts = "account_id,created_at\nA1,2024-01-01\nA2,01/02/2025\n"
    report = load(write(tmp_path / "in", SMALL | {"accounts": accounts}), tmp_path / "w", share=0.5)
    assert report.rejects == {"accounts": 1}
    found = rows(tmp_path / "w", 'SELECT key, "column", value FROM rejected_rows')
    assert found == [("A2", "created_at", "01/02/2025")]


@pytest.mark.parametrize(("table", "text", "kept"), [
    ("opportunities", "opportunity_id,account_id,created_at,outcome\nD1,A1,2024-02-01,won\n", 1),
    ("activity_participants", "activity_id,contact_id\nC1,P1\nC1,\n", 2),
    ("activity_participants", "activity_id,user_id\nC1,U1\nC1,\n", 2),
])  # fmt: skip
def test_a_column_that_is_absent_as_a_whole_rejects_no_row(
    tmp_path: Path, table: str, text: str, kept: int
) -> None:
    tables = {name: SMALL[name] for name in ("accounts", "opportunities", "activities")} | {table: text}
    if table == "opportunities":
        del tables["activities"]
    report = load(write(tmp_path / "in", tables), tmp_path / "w")
    assert (report.rows[table], report.rejects) == (kept, {})


def test_an_outcome_without_a_time_is_a_reject_where_others_have_one(tmp_path: Path) -> None:
    deals = "opportunity_id,account_id,created_at,closed_at,outcome\nD1,A1,2024-02-01,,won\n"
    tables = {"accounts": SMALL["accounts"], "opportunities": deals}
    with pytest.raises(DataContractError, match="outcome without closed_at"):
        load(write(tmp_path / "in", tables), tmp_path / "w")


@pytest.mark.parametrize("text", ["", "a,b\n1,2,3\n"])
def test_a_file_that_no_canonical_table_is_named_after_is_not_read(tmp_path: Path, text: str) -> None:
    report = load(write(tmp_path / "in", SMALL | {"notes": text}), tmp_path / "w")
    assert set(report.rows) == set(SMALL)
