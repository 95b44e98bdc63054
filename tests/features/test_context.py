"""A deal's own rows and the context of the others say what the whole history says."""

from datetime import datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from data.warehouse import memory_tables
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.context import Context, context_of
from features.families.custom import custom_fields
from features.feature import Feature
from features.snapshots import DAY, Calendar, Snapshots, snapshots_from_keys
from tests.features.worlds import END, Rows, bare, day, generate

BY_NAME: dict[str, Feature] = {feature.name: feature for feature in catalogue()}


def backend_of(tables: dict[str, ir.Table]) -> Any:
    """The backend that holds the tables."""
    return tables["opportunities"].get_backend()


def open_deals(rows: Rows, as_of: datetime) -> list[str]:
    """The deals open at as_of."""
    return sorted(
        row["opportunity_id"]
        for row in rows["opportunities"]
        if row["created_at"] < as_of and not (row["outcome"] and row["closed_at"] < as_of)
    )


def own_rows(rows: Rows, deals: list[str]) -> Rows:
    """The rows of the deals alone: no account's, no other deal's."""
    numbered = {
        name: [dict(row, source_row=place) for place, row in enumerate(table, start=1)]
        for name, table in rows.items()
    }
    cut = {
        name: [row for row in table if row.get("opportunity_id") in deals]
        for name, table in numbered.items()
        if name not in ("contracts", "usage", "accounts")
    }
    met = {row["activity_id"] for row in cut.get("activities", [])}
    cut["activity_participants"] = [
        row for row in numbered.get("activity_participants", []) if row["activity_id"] in met
    ]
    # an account without an id has the user's own columns, and tells nothing
    nobody = [dict.fromkeys(row) for row in rows["accounts"][:1]]
    return cut | {name: numbered.get(name, []) for name in ("stages", "contacts")} | {"accounts": nobody}


def at_end(tables: dict[str, ir.Table], deals: list[str]) -> Snapshots:
    """The deals' snapshots at the end of the world."""
    calendar = Calendar(END, DAY)
    keys = pa.table(
        {"opportunity_id": deals, "slot": pa.array([calendar.last_slot] * len(deals), pa.int64())}
    )
    return snapshots_from_keys(tables, ibis.memtable(keys), calendar)


def assert_equal_frames(found: pa.Table, expected: pa.Table) -> None:
    """Every column alike, numbers to 1e-9."""
    assert found.column_names == expected.column_names
    assert found.num_rows == expected.num_rows
    off = []
    for name in found.column_names:
        for deal, one, other in zip(
            expected["opportunity_id"].to_pylist(),
            found[name].to_pylist(),
            expected[name].to_pylist(),
            strict=True,
        ):
            close = one == pytest.approx(other, abs=1e-9) if isinstance(other, float) else one == other
            if not close:
                off.append((name, deal, one, other))
    assert not off, f"{len(off)} values differ: {off[:5]}"


def made(rows: Rows) -> tuple[dict[str, ir.Table], tuple[Feature, ...], Context]:
    """The tables, their catalogue and the context at the end."""
    tables = memory_tables(rows)
    features = catalogue(custom_fields(tables, END))
    return tables, features, context_of(backend_of(tables), tables, END, features)


@pytest.mark.slow
def test_a_deals_own_rows_with_the_context_give_the_frame_of_the_whole_history() -> None:
    rows = generate(5, deals=40)
    tables, features, context = made(rows)
    deals = open_deals(rows, END)
    whole = feature_frame(backend_of(tables), tables, at_end(tables, deals), features)
    own = memory_tables(own_rows(rows, deals))
    assert_equal_frames(
        feature_frame(backend_of(own), own, at_end(own, deals), features, context=context), whole
    )
    alone = memory_tables(own_rows(rows, deals[:1]))
    assert_equal_frames(
        feature_frame(backend_of(alone), alone, at_end(alone, deals[:1]), features, context=context),
        whole.slice(0, 1),
    )


@pytest.mark.slow
def test_a_context_over_the_whole_history_counts_nothing_twice() -> None:
    rows = generate(7, deals=30)
    tables, features, context = made(rows)
    snapshots = at_end(tables, open_deals(rows, END))
    assert_equal_frames(
        feature_frame(backend_of(tables), tables, snapshots, features, context=context),
        feature_frame(backend_of(tables), tables, snapshots, features),
    )


def test_a_sponsor_carries_the_deals_that_only_the_context_knows() -> None:
    role = {"contact_id": "c1", "buying_role": "champion", "known_at": day(1)}
    rows = bare() | {
        "opportunity_contacts": [{"opportunity_id": deal, **role} for deal in ("o1", "o2", "o3")],
        "opportunities": [
            {"opportunity_id": deal, "account_id": "a1", "created_at": day(0)} for deal in ("o1", "o2", "o3")
        ],
        "contacts": [{"contact_id": "c1", "known_at": day(0)}],
    }
    features = [BY_NAME["sponsor_open_deals"]]
    tables = memory_tables(rows)
    context = context_of(backend_of(tables), tables, END, features)
    own = memory_tables(own_rows(rows, ["o2"]))
    frame = feature_frame(backend_of(own), own, at_end(own, ["o2"]), features, context=context)
    assert frame["sponsor_open_deals"].to_pylist() == [3.0]
    bereft = feature_frame(backend_of(own), own, at_end(own, ["o2"]), features)
    assert bereft["sponsor_open_deals"].to_pylist() == [1.0]


def test_an_account_and_a_seller_that_the_context_does_not_know_are_counted_from_the_rows() -> None:
    won = {"outcome": "won", "closed_at": day(9), "created_at": day(1)}
    rows = bare() | {
        "opportunities": [
            {"opportunity_id": "o1", "account_id": "new", "owner_id": "u9", "created_at": day(10)},
            {"opportunity_id": "o2", "account_id": "new", "owner_id": "u9", **won},
        ]
    }
    features = [BY_NAME["account_wins"], BY_NAME["seller_deals_closed"]]
    before = memory_tables(bare())
    context = context_of(backend_of(before), before, END, features)
    tables = memory_tables(rows)
    frame = feature_frame(backend_of(tables), tables, at_end(tables, ["o1"]), features, context=context)
    assert frame.select(["account_wins", "seller_deals_closed"]).to_pylist() == [
        {"account_wins": 1, "seller_deals_closed": 1}
    ]


def test_an_account_that_the_rows_tell_is_read_from_them_and_else_from_the_context() -> None:
    rows = bare() | {
        "accounts": [
            {"account_id": "a1", "industry": "steel", "known_at": day(0)},
            {"account_id": "a2", "industry": "bank", "known_at": day(0)},
        ],
        "opportunities": [
            {"opportunity_id": "o1", "account_id": "a1", "created_at": day(1)},
            {"opportunity_id": "o2", "account_id": "a2", "created_at": day(1)},
        ],
    }
    features = [BY_NAME["industry"]]
    tables = memory_tables(rows)
    context = context_of(backend_of(tables), tables, END, features)
    told = memory_tables(
        rows | {"accounts": [{"account_id": "a1", "industry": "rail", "known_at": END - timedelta(days=1)}]}
    )
    frame = feature_frame(backend_of(told), told, at_end(told, ["o1", "o2"]), features, context=context)
    assert frame["industry"].to_pylist() == ["rail", "bank"]


def test_a_context_made_for_other_features_is_refused_by_name() -> None:
    tables = memory_tables(bare())
    context = context_of(backend_of(tables), tables, END, [BY_NAME["industry"]])
    with pytest.raises(ModelContractError, match=r"account_closings\.sum\.is_won"):
        feature_frame(
            backend_of(tables), tables, at_end(tables, ["o1"]), [BY_NAME["account_wins"]], context=context
        )
