"""Laws over the whole catalogue of contracts: what lies at or after as_of changes no bit, whatever it is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.warehouse import memory_tables
from features.families.custom import CustomField, custom_fields
from features.origin import ORIGIN_FEATURES
from features.renewals import ContractSnapshots, contract_snapshots, renewal_catalogue, renewal_frame
from tests.features.renewal_worlds import HORIZONS, renewal_world
from tests.features.test_laws import poisoned, truncated
from tests.features.worlds import DAY, END, Rows, day

CUT = day(98)
FLAGS = [name for name in ORIGIN_FEATURES if name.startswith(("has_", "is_"))]


def own_fields(rows: Rows) -> Rows:
    """The history with fields of one's own on contracts, filled in part."""
    for i, row in enumerate(rows["contracts"]):
        row |= {"x_seats": str(i % 7) if i % 3 else None, "x_pilot": "yes" if i % 2 else "no"}
    return rows


def origins_of(rows: Rows) -> pa.Table:
    """How each deal was won: something of each type, different for every deal."""
    deals = [
        (row["contract_id"], row["opportunity_id"]) for row in rows["contracts"] if row["opportunity_id"]
    ]
    number = {deal: i for i, deal in enumerate(sorted({deal for _, deal in deals}))}
    columns: dict[str, Any] = {
        "contract_id": [contract for contract, _ in deals],
        "opportunity_id": [deal for _, deal in deals],
        "as_of": pa.array([day(-30)] * len(deals), pa.timestamp("us", "UTC")),
    }
    for name in ORIGIN_FEATURES:
        columns[name] = [number[deal] % 2 == 0 if name in FLAGS else number[deal] for _, deal in deals]
    return pa.table(columns)


def frame_of(
    rows: Rows, as_of: datetime, origins: pa.Table, fields: Sequence[CustomField] | None = None,
    horizons: Sequence[int] = HORIZONS, also_at: Sequence[datetime] = (),
) -> pa.Table:  # fmt: skip
    tables = memory_tables(rows)
    features = renewal_catalogue(custom_fields(tables, as_of) if fields is None else fields)
    snapshots = contract_snapshots(tables, as_of, horizons, also_at)
    return renewal_frame(tables["accounts"].get_backend(), tables, snapshots, features, origins)


def before(frame: pa.Table, instant: datetime) -> pa.Table:
    return frame.filter(pc.field("as_of") <= pa.scalar(instant, pa.timestamp("us", "UTC")))


def assert_same_bits(found: pa.Table, expected: pa.Table) -> None:
    assert found.num_rows == expected.num_rows > 0
    wrong = [
        name for name in expected.column_names
        if not found[name].combine_chunks().equals(expected[name].combine_chunks())
    ]  # fmt: skip
    assert found.column_names == expected.column_names
    assert not wrong


@pytest.mark.slow
def test_neither_poison_nor_truncation_of_what_came_later_changes_a_bit() -> None:
    rows = own_fields(renewal_world(5, accounts=6))
    origins = origins_of(rows)
    fields = custom_fields(memory_tables(rows), CUT)
    assert {field.name for field in fields if field.table == "contracts"} == {"x_seats", "x_pilot"}
    short = truncated(rows, CUT)
    for contract in short["contracts"]:
        if contract["decided_at"] is None:
            contract["renewed_amount"] = None
    bitter = poisoned(rows, CUT, 5)
    bitter["usage"] += [
        dict(row, known_at=late, amount=1e15, active_users=10**9, contract_id=contract)
        for row in rows["usage"][:50] for late in (CUT, CUT + DAY) for contract in (row["contract_id"], None)
    ]  # fmt: skip
    bitter["contracts"] += [
        dict(row, contract_id=f"z{i}", known_at=CUT, committed_amount=1e15, currency="XXX")
        for i, row in enumerate(rows["contracts"])
    ]
    expected = frame_of(short, CUT, origins, fields)
    assert_same_bits(before(frame_of(rows, END, origins, fields, also_at=[CUT]), CUT), expected)
    assert_same_bits(frame_of(bitter, CUT, origins, fields), expected)
    assert_same_bits(before(frame_of(bitter, END, origins, fields, also_at=[CUT]), CUT), expected)


@pytest.mark.slow
def test_the_order_of_rows_changes_no_bit() -> None:
    rows = own_fields(renewal_world(6, accounts=5))
    numbered = {
        name: [dict(row, source_row=i) for i, row in enumerate(table, start=1)]
        for name, table in rows.items()
    }
    shuffled = {name: Random(1).sample(table, len(table)) for name, table in numbered.items()}
    origins = origins_of(rows)
    backwards = origins.take(list(range(origins.num_rows))[::-1])
    assert_same_bits(frame_of(shuffled, END, backwards), frame_of(numbered, END, origins))


@pytest.mark.slow
def test_one_contract_asked_alone_gives_what_all_together_give() -> None:
    rows = own_fields(renewal_world(7, accounts=5))
    tables, origins = memory_tables(rows), origins_of(rows)
    features = renewal_catalogue(custom_fields(tables, END))
    con = tables["accounts"].get_backend()
    spine = contract_snapshots(tables, END, HORIZONS)
    whole = renewal_frame(con, tables, spine, features, origins)
    for key in whole["contract_id"].unique().to_pylist()[:2]:
        alone = ContractSnapshots(spine.table.filter(spine.table.contract_id == key), spine.calendar)
        assert_same_bits(
            renewal_frame(con, tables, alone, features, origins), whole.filter(pc.field("contract_id") == key)
        )


def test_the_frame_is_sorted_typed_and_has_one_row_per_snapshot() -> None:
    rows = own_fields(renewal_world(8, accounts=5))
    frame = frame_of(rows, END, origins_of(rows))
    keys = list(zip(frame["contract_id"].to_pylist(), frame["as_of"].to_pylist(), strict=True))
    assert keys == sorted(set(keys))
    assert frame.schema.field("as_of").type == pa.timestamp("us", "UTC")
    types = {"count": pa.int64(), "number": pa.float64(), "flag": pa.bool_(), "category": pa.string()}
    for feature in renewal_catalogue(custom_fields(memory_tables(rows), END)):
        assert frame.schema.field(feature.name).type == types[feature.kind], feature.name


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_fraction_of_a_second_decides_what_is_seen(shift: int) -> None:
    half = timedelta(milliseconds=500)
    rows: Rows = {
        "contracts": [{"contract_id": "k1", "account_id": "a1", "start_at": day(0), "known_at": day(0)}],
        "usage": [
            {"account_id": "a1", "contract_id": "k1", "usage_date": day(3), "amount": 5.0,
             "known_at": day(10) + half}
        ],
    }  # fmt: skip
    tables = memory_tables(rows)
    as_of = day(10) + half + timedelta(microseconds=shift)
    features = [feature for feature in renewal_catalogue() if feature.name == "days_since_use"]
    spine = contract_snapshots(tables, as_of)
    frame = renewal_frame(tables["accounts"].get_backend(), tables, spine, features, None)
    assert (frame["days_since_use"][0].as_py() is not None) == (shift > 0)
    assert frame["as_of"].to_pylist() == [as_of]
