"""The same definitions compile for every engine they may run on."""

import ibis
import ibis.expr.types as ir
import pytest
from ibis.config import Config

from data.schema import SOURCE_ROW, TABLES
from features.assemble import feature_table
from features.catalogue import catalogue
from features.families.custom import CustomField
from features.snapshots import Calendar, Snapshots
from tests.features.worlds import DAY, END

CALENDAR = Calendar(END, 7 * 86_400)
FIELDS = (
    CustomField("opportunities", "x_score", "number"),
    CustomField("accounts", "x_since", "day"),
    CustomField("contacts", "x_fan", "flag"),
    CustomField("contracts", "x_tier", "category"),
    CustomField("opportunity_changes", "x_health", "category"),
)


def unbound_tables() -> dict[str, ir.Table]:
    """The canonical schema as tables that belong to no engine, with a field of one's own each."""
    own = {field.table: field.name for field in FIELDS if field.table != "opportunity_changes"}
    tables = {}
    for name, table in TABLES.items():
        types = {column.name: column.dtype for column in table.columns}
        schema = {key: "timestamp('UTC')" if dtype == "timestamp" else dtype for key, dtype in types.items()}
        if table.key is None:
            schema[SOURCE_ROW] = "int64"
        if name in own:
            schema[own[name]] = "string"
        tables[name] = ibis.table(schema, name=name)
    return tables


@pytest.fixture
def _spark_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that ibis registers only where pyspark is installed."""

    class Spark(Config):
        treat_nan_as_null: bool = False

    monkeypatch.setattr(ibis.options, "pyspark", Spark())


@pytest.mark.slow
@pytest.mark.usefixtures("_spark_options")
@pytest.mark.parametrize("dialect", ["postgres", "pyspark"])
@pytest.mark.parametrize("dense", [True, False], ids=["calendar", "chosen"])
def test_every_feature_compiles(dialect: str, dense: bool) -> None:
    tables = unbound_tables()
    keys = ibis.table({"opportunity_id": "string", "account_id": "string", "slot": "int64"}, name="spine")
    for family in {feature.family for feature in catalogue(FIELDS)}:
        features = [feature for feature in catalogue(FIELDS) if feature.family == family]

        def stored(name: str, table: ir.Table) -> ir.Table:
            assert ibis.to_sql(table, dialect=dialect)
            return ibis.table(table.schema(), name=name)

        expression = feature_table(tables, Snapshots(keys, CALENDAR, dense), features, stored)
        sql = ibis.to_sql(expression, dialect=dialect)
        assert all(name in sql for name in expression.columns)


def test_no_feature_asks_the_clock() -> None:
    tables = unbound_tables()
    keys = ibis.table({"opportunity_id": "string", "account_id": "string", "slot": "int64"}, name="spine")
    told: list[str] = []

    def stored(name: str, table: ir.Table) -> ir.Table:
        told.append(str(ibis.to_sql(table, dialect="duckdb")).lower())
        return ibis.table(table.schema(), name=name)

    feature_table(tables, Snapshots(keys, CALENDAR), catalogue(FIELDS), stored)
    assert told
    assert not any(word in sql for sql in told for word in ("now()", "current_", "today()"))
    assert Calendar(END + DAY, 86_400).as_of > END
