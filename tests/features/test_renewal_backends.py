"""The features of contracts compile for every engine they may run on, and mean the same on PostgreSQL."""

import csv
import io

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.families.custom import custom_fields
from features.origin import ORIGIN_FEATURES
from features.renewals import ContractSnapshots, contract_snapshots, renewal_catalogue, renewal_frame
from features.renewals.assemble import renewal_table
from features.snapshots import Calendar
from tests.features.renewal_worlds import HORIZONS, renewal_world
from tests.features.test_backends import _spark_options, unbound_tables
from tests.features.test_postgres import Query, load, query, same
from tests.features.test_renewal_laws import own_fields
from tests.features.worlds import END

__all__ = ["_spark_options", "query"]

FIELDS = custom_fields(memory_tables(own_fields(renewal_world(1, accounts=2))), END)
SPINE = {"contract_id": "string", "account_id": "string", "slot": "int64", "horizon": "int64"}
ORIGINS = ibis.table(
    {"opportunity_id": "string", "as_of": "timestamp('UTC')", **dict.fromkeys(ORIGIN_FEATURES, "float64")},
    name="origins",
)


@pytest.mark.usefixtures("_spark_options")
@pytest.mark.parametrize("dialect", ["postgres", "pyspark"])
def test_every_feature_compiles_and_none_asks_the_clock(dialect: str) -> None:
    spine = ContractSnapshots(ibis.table(SPINE, name="drawn"), Calendar(END, 1))
    told: list[str] = []

    def stored(name: str, table: ir.Table) -> ir.Table:
        told.append(str(ibis.to_sql(table, dialect=dialect)).lower())
        return ibis.table(table.schema(), name=name)

    features = renewal_catalogue(tuple(field for field in FIELDS if field.table == "accounts"))
    tables = unbound_tables()
    tables["accounts"] = tables["accounts"].mutate(x_tier=ibis.null("string"))
    wide = renewal_table(tables, spine, features, ORIGINS, stored)
    told.append(str(ibis.to_sql(wide, dialect=dialect)).lower())
    assert all(feature.name in told[-1] for feature in features)
    assert not any(word in sql for sql in told for word in ("now()", "current_", "today()"))


@pytest.mark.slow
def test_postgresql_gives_the_same_values(query: Query) -> None:
    tables = memory_tables(own_fields(renewal_world(11, accounts=4)))
    features = renewal_catalogue(custom_fields(tables, END))
    con = tables["accounts"].get_backend()
    empty = pa.table({name: pa.array([], type_) for name, type_ in _origin_types().items()})
    for name, table in tables.items():
        load(query, name, table)
    load(query, "origins", con.create_table("origins", empty))
    unbound = {name: ibis.table(table.schema(), name=name) for name, table in tables.items()}

    def keep(name: str, table: ir.Table) -> ir.Table:
        sql = ibis.to_sql(table, dialect="postgres")
        query(f'drop table if exists "kept_{name}"; create table "kept_{name}" as {sql};')
        return ibis.table(table.schema(), name=f"kept_{name}")

    spine = contract_snapshots(unbound, END, HORIZONS)
    wide = renewal_table(unbound, spine, features, ORIGINS, keep)
    sql = ibis.to_sql(wide.order_by("contract_id", "slot"), dialect="postgres")
    found = list(
        csv.DictReader(io.StringIO(query(f"copy ({sql}) to stdout with (format csv, header true);")))
    )
    frame = renewal_frame(con, tables, contract_snapshots(tables, END, HORIZONS), features, None)
    expected = frame.drop_columns(["as_of"]).to_pylist()
    assert len(found) == len(expected) > 0
    wrong = {
        name: (row[name], value)
        for row, truth in zip(found, expected, strict=True)
        for name, value in truth.items()
        if not same(row[name], value)
    }
    assert not wrong


def _origin_types() -> dict[str, pa.DataType]:
    types = {"opportunity_id": pa.string(), "as_of": pa.timestamp("us", "UTC")}
    return types | dict.fromkeys(ORIGIN_FEATURES, pa.float64())
