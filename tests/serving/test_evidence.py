"""Rows behind a value from the published records are those that the warehouse holds."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from data.warehouse import open_warehouse
from features.catalogue import catalogue
from features.evidence import evidence
from serving.evidence import rows_behind
from serving.live import HeldRun, hold

pytestmark = pytest.mark.slow

BY_NAME = {feature.name: feature for feature in catalogue()}


@pytest.fixture(scope="module")
def run(served: Path) -> HeldRun:
    return hold(served)


@pytest.mark.parametrize("name", ["activities_30d", "amount", "employees", "expected_roles_missing"])
def test_the_rows_are_those_of_the_warehouse(run: HeldRun, served: Path, name: str) -> None:
    features = run.table("win_features.parquet")
    ids: list[Any] = features["opportunity_id"].to_pylist()
    values: list[Any] = features[name].to_pylist()
    deal = max(zip(values, ids, strict=True), key=lambda pair: pair[0] or 0)[1]
    with open_warehouse(served, threads=1) as warehouse:
        tables = warehouse.tables(run.as_of)
        expected = evidence(tables, BY_NAME[name], deal, run.as_of).to_pyarrow().to_pylist()
    found = rows_behind(run, deal, name)
    assert expected
    assert [vars(row) for row in found.rows] == expected
    assert found.is_complete


def test_rows_of_other_deals_are_said_not_to_be_there(run: HeldRun) -> None:
    deal = str(run.deals.ids[0])
    won = rows_behind(run, deal, "account_wins")
    assert won.rows == ()
    assert won.note is not None
    assert "the account's other deals" in won.note
    load = rows_behind(run, deal, "sponsor_open_deals")
    assert {row.row_id for row in load.rows if row.source == "opportunities"} <= {deal}
    assert not load.is_complete


def test_an_unknown_feature_is_refused_with_a_near_match(run: HeldRun) -> None:
    with pytest.raises(UsageError, match="activities_30d"):
        rows_behind(run, str(run.deals.ids[0]), "activities_30")
