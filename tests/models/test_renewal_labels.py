"""What a contract's label is, and when it counts."""

from datetime import UTC, datetime
from typing import Any

import ibis
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from models.renewal import renewal_labels

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
_INSTANT = pa.timestamp("us", "UTC")


def at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def contracts(*rows: dict[str, Any]) -> pa.Table:
    schema = pa.schema([
        ("contract_id", pa.string()), ("account_id", pa.string()), ("end_at", _INSTANT),
        ("committed_amount", pa.float64()), ("outcome", pa.string()), ("renewed_amount", pa.float64()),
        ("decided_at", _INSTANT),
    ])  # fmt: skip
    plain = {"account_id": "A", "end_at": at("2025-05-01"), "committed_amount": 100.0}
    return pa.Table.from_pylist([{**plain, **row} for row in rows], schema=schema)


def keys(*pairs: tuple[str, str]) -> pa.Table:
    ids, times = zip(*pairs, strict=True)
    return pa.table({"contract_id": list(ids), "as_of": pa.array([at(t) for t in times], _INSTANT)})


def test_a_decision_known_before_the_cut_off_is_the_label() -> None:
    found = renewal_labels(
        contracts(
            {
                "contract_id": "K1",
                "outcome": "renewed",
                "renewed_amount": 120.0,
                "decided_at": at("2025-05-10"),
            },
            {"contract_id": "K2", "outcome": "churned", "decided_at": at("2025-05-31")},
        ),
        keys(("K2", "2025-04-01"), ("K1", "2025-02-01"), ("K1", "2025-04-01")),
        AS_OF,
    )
    assert found["contract_id"].to_pylist() == ["K2", "K1", "K1"]
    assert found["y"].to_pylist() == [0, 1, 1]
    assert found["closed_at"].to_pylist() == [at("2025-05-31"), at("2025-05-10"), at("2025-05-10")]
    assert found["ratio"].to_pylist() == [None, 1.2, 1.2]
    assert found["days_left"].to_pylist() == [30.0, 89.0, 30.0]
    assert found["account_id"].to_pylist() == ["A", "A", "A"]


@pytest.mark.parametrize(
    "row",
    [
        {"outcome": "renewed", "renewed_amount": 120.0, "decided_at": at("2025-06-01")},
        {"outcome": "renewed", "renewed_amount": 120.0, "decided_at": None},
        {"outcome": None, "decided_at": at("2025-05-10")},
        {"outcome": None},
    ],
    ids=[
        "decided at the cut-off",
        "outcome without a time",
        "time without an outcome",
        "term over, no outcome",
    ],
)
def test_what_is_not_decided_before_the_cut_off_is_censored(row: dict[str, Any]) -> None:
    found = renewal_labels(contracts({"contract_id": "K1", **row}), keys(("K1", "2025-04-01")), AS_OF)
    assert found.num_rows == 1
    assert [found[name].to_pylist() for name in ("y", "closed_at", "ratio")] == [[None], [None], [None]]


@pytest.mark.parametrize(
    ("committed", "renewed"), [(0.0, 50.0), (None, 50.0), (100.0, None), (100.0, 0.0), (-5.0, 50.0)]
)
def test_a_ratio_needs_both_amounts_above_zero(committed: float | None, renewed: float | None) -> None:
    found = renewal_labels(
        contracts({
            "contract_id": "K1", "committed_amount": committed, "outcome": "renewed",
            "renewed_amount": renewed, "decided_at": at("2025-05-10"),
        }),
        keys(("K1", "2025-04-01")),
        AS_OF,
    )  # fmt: skip
    assert found["y"].to_pylist() == [1]
    assert found["ratio"].to_pylist() == [None]


def test_a_snapshot_after_the_decision_is_refused() -> None:
    rows = contracts({"contract_id": "K1", "outcome": "churned", "decided_at": at("2025-03-10")})
    with pytest.raises(ModelContractError, match=r"'K1'.*Draw snapshots only while"):
        renewal_labels(rows, keys(("K1", "2025-04-01")), AS_OF)
    exactly = renewal_labels(rows, keys(("K1", "2025-03-10")), AS_OF)
    assert exactly["y"].to_pylist() == [0]


def test_an_ibis_table_gives_the_same_labels_as_arrow() -> None:
    rows = contracts({"contract_id": "K1", "outcome": "churned", "decided_at": at("2025-05-10")})
    asked = keys(("K1", "2025-04-01"))
    assert renewal_labels(ibis.memtable(rows), asked, AS_OF).equals(renewal_labels(rows, asked, AS_OF))
