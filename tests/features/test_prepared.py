"""The feature code compiled once gives what the batch gives, and reaches nothing but the rows put in."""

from datetime import timedelta
from functools import cache
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.context import context_of
from features.families.custom import custom_fields
from features.meetings import meeting_history
from features.prepared import BESIDE, PreparedFeatures
from features.program import Program
from features.promise_ledger import promise_ledger
from features.snapshots import DAY, Calendar, snapshots_from_keys
from features.spiral import spiral_phases
from features.timeline import moments_timeline, qualification_state
from tests.features.test_context import (
    assert_equal_frames,
    at_end,
    backend_of,
    open_deals,
    own_rows,
)
from tests.features.worlds import END, Rows, day, generate

SEED = 5


@cache
def world() -> tuple[Rows, dict[str, Any], list[str], PreparedFeatures]:
    """A history with the user's own fields, its open deals, and the features prepared for its end."""
    rows = generate(SEED, deals=40)
    tables = memory_tables(rows)
    fields = custom_fields(tables, END)
    features = catalogue(fields)
    context = context_of(backend_of(tables), tables, END, features)
    return rows, tables, open_deals(rows, END), PreparedFeatures(features, context, fields)


def records_of(deals: list[str]) -> dict[str, pa.Table]:
    """The deals' own rows, as a request holds them."""
    rows, _, _, _ = world()
    tables = memory_tables(own_rows(rows, deals))
    return {name: table.to_pyarrow() for name, table in tables.items() if name != "accounts"}


@pytest.mark.slow
def test_every_open_deal_has_the_features_of_the_batch() -> None:
    _, tables, deals, prepared = world()
    expected = feature_frame(backend_of(tables), tables, at_end(tables, deals), prepared.features)
    found = prepared.frame(records_of(deals), END)
    assert len(deals) > 10
    assert_equal_frames(found, expected)


@pytest.mark.slow
def test_a_deal_alone_has_the_features_that_it_has_among_others() -> None:
    _, _, deals, prepared = world()
    together = prepared.frame(records_of(deals), END)
    for place in (0, 3, len(deals) - 1):
        alone = prepared.frame(records_of([deals[place]]), END)
        assert alone.equals(together.slice(place, 1))


@pytest.mark.slow
def test_at_a_later_instant_the_deals_rows_count_and_others_stay() -> None:
    rows, _, deals, prepared = world()
    later = END + timedelta(days=7, microseconds=250)
    calendar = Calendar(later, DAY)
    still = [deal for deal in deals if deal in open_deals(rows, later)]
    own = memory_tables(own_rows(rows, still))
    keys = pa.table(
        {"opportunity_id": still, "slot": pa.array([calendar.last_slot] * len(still), pa.int64())}
    )
    snapshots = snapshots_from_keys(own, ibis.memtable(keys), calendar)
    expected = feature_frame(backend_of(own), own, snapshots, prepared.features, context=prepared.context)
    assert_equal_frames(prepared.frame(records_of(still), later), expected)


@pytest.mark.slow
def test_what_stands_beside_a_deal_is_what_the_batch_publishes() -> None:
    _, tables, deals, prepared = world()
    _, found = prepared.deals(records_of(deals), END)
    assert set(found) == set(BESIDE)
    history = meeting_history(tables, END, deals)
    expected = {
        "promises": promise_ledger(tables, END, deals),
        "spiral": spiral_phases(tables, END, deals),
        "moments": moments_timeline(tables, END, deals),
        "qualification": qualification_state(tables, END, deals),
        "held": history.held,
        "came": history.came,
        "members": history.members,
    }
    for name, table in expected.items():
        assert found[name].to_pylist() == table.to_pylist(), name


@pytest.mark.slow
def test_rows_of_one_call_are_gone_in_the_next() -> None:
    _, _, deals, prepared = world()
    before = prepared.frame(records_of(deals[:1]), END)
    prepared.frame(records_of(deals), END)
    assert prepared.frame(records_of(deals[:1]), END).equals(before)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO 'never.csv'",
        "ATTACH 'never.duckdb'",
        "SELECT * FROM read_csv('https://example.com/a.csv')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '8GB'",
    ],
)
def test_a_sealed_program_reaches_no_file_and_no_network(statement: str) -> None:
    program = Program({"numbers": ibis.schema({"n": "int64"})}, {})
    program.result("sum", program.table("numbers").n.sum().as_table())
    program.seal(day(0))
    with pytest.raises(duckdb.Error):
        program.ask(statement, {}, day(0))
    assert program.run({"numbers": pa.table({"n": [1, 2]})}, day(0))["sum"].to_pylist() == [{"Sum(n)": 3}]


def test_a_program_looks_up_another_instant_than_home() -> None:
    program = Program({"times": ibis.schema({"s": "int64"})}, {})
    times = program.table("times")
    program.result("seen", times.filter(times.s < program.instant.anchor_s))
    program.seal(day(1))
    rows = {"times": pa.table({"s": [int(day(n).timestamp()) for n in (0, 1, 2)]})}
    assert [program.run(rows, day(n))["seen"].num_rows for n in (0, 1, 2, 3)] == [0, 1, 2, 3]
