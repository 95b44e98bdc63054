from datetime import UTC, datetime

import ibis
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from models.labels import label_frame


def day(n: int) -> datetime:
    return datetime(2025, 6, n, tzinfo=UTC)


def opportunities(rows: list[tuple[str, datetime | None, str | None]]) -> ibis.Table:
    table = pa.table(
        {
            "opportunity_id": pa.array([r[0] for r in rows], pa.string()),
            "closed_at": pa.array([r[1] for r in rows], pa.timestamp("us", "UTC")),
            "outcome": pa.array([r[2] for r in rows], pa.string()),
        }
    )
    return ibis.memtable(table)


def keys(rows: list[tuple[str, datetime]]) -> pa.Table:
    return pa.table(
        {
            "opportunity_id": pa.array([r[0] for r in rows], pa.string()),
            "as_of": pa.array([r[1] for r in rows], pa.timestamp("us", "UTC")),
        }
    )


DEALS = [
    ("won", day(10), "won"),
    ("lost", day(11), "lost"),
    ("open", None, None),
    ("no outcome yet", day(9), None),
    ("decided later", day(20), "won"),
]


def test_each_snapshot_gets_its_deals_outcome_in_the_order_of_the_keys():
    frame = label_frame(
        opportunities(DEALS), keys([("lost", day(2)), ("won", day(3)), ("lost", day(9))]), day(15)
    )
    assert frame["opportunity_id"].to_pylist() == ["lost", "won", "lost"]
    assert frame["y"].to_pylist() == [0, 1, 0]
    assert frame["closed_at"].to_pylist() == [day(11), day(10), day(11)]
    assert frame.schema.field("y").type == pa.int8()


def test_open_deals_and_closes_without_an_outcome_have_no_label():
    frame = label_frame(
        opportunities(DEALS),
        keys([("open", day(2)), ("no outcome yet", day(2)), ("never seen", day(2))]),
        day(15),
    )
    assert frame["y"].to_pylist() == [None, None, None]
    assert frame["closed_at"].to_pylist() == [None, None, None]


def test_an_outcome_known_at_the_cut_off_or_later_is_unknown():
    at_the_close = label_frame(opportunities(DEALS), keys([("decided later", day(2))]), day(20))
    a_day_after = label_frame(opportunities(DEALS), keys([("decided later", day(2))]), day(21))
    assert at_the_close["y"].to_pylist() == [None]
    assert a_day_after["y"].to_pylist() == [1]


def test_a_snapshot_at_the_very_close_is_labelled_and_one_after_it_is_refused():
    assert label_frame(opportunities(DEALS), keys([("won", day(10))]), day(15))["y"].to_pylist() == [1]
    with pytest.raises(ModelContractError, match="'won'"):
        label_frame(opportunities(DEALS), keys([("won", day(11))]), day(15))


def test_no_deals_and_no_snapshots_give_an_empty_label_frame():
    frame = label_frame(opportunities([]), keys([]), day(15))
    assert frame.num_rows == 0
    assert frame.column_names == ["opportunity_id", "as_of", "y", "closed_at"]
