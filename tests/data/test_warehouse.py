from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from data.errors import SourceError
from data.warehouse import memory_tables, open_warehouse
from tests.data.sources import SMALL, load, write


def test_without_a_warehouse_the_message_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="dealcast extract"), open_warehouse(tmp_path):
        pytest.fail("opened")


def test_a_damaged_warehouse_is_named(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(SourceError, match=r"warehouse\.duckdb: cannot be opened"), open_warehouse(tmp_path):
        pytest.fail("opened")


def test_tables_in_memory_have_the_shape_of_the_warehouse(tmp_path: Path) -> None:
    load(write(tmp_path / "in", SMALL), tmp_path / "w")
    memory = memory_tables({"accounts": [{"account_id": "A1", "x_tier": "gold"}]})
    with open_warehouse(tmp_path / "w") as warehouse:
        for name, table in warehouse.tables().items():
            assert dict(memory[name].schema()) == dict(table.schema()), name


def test_tables_in_memory_take_rows_or_arrow_and_fill_the_clock() -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    tables = memory_tables({
        "activities": [{"activity_id": "C1", "occurred_at": noon}],
        "opportunity_changes": pa.table({"opportunity_id": ["D1", "D1"], "new_value": ["a", "b"]}),
    })  # fmt: skip
    assert tables["activities"].known_at.to_pyarrow().to_pylist() == [noon]
    assert tables["opportunity_changes"].source_row.to_pyarrow().to_pylist() == [1, 2]
    with pytest.raises(KeyError, match="deals"):
        memory_tables({"deals": []})
