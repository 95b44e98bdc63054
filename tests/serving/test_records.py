"""The published records of open deals: the deal's own rows, as known, found again one deal at a time."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.errors import PublishError
from serving.live import HeldRun, hold
from serving.published import open_published
from serving.records import RECORDS, deal_records, deal_rows, records_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(served: Path) -> HeldRun:
    return hold(served)


def test_a_deals_records_are_its_rows_of_every_table(run: HeldRun, served: Path) -> None:
    ids = run.table("win_scores.parquet")["opportunity_id"].to_pylist()
    whole = {name: pq.read_table(run.folder / records_file(name)).to_pylist() for name in RECORDS}
    for deal in (ids[0], ids[len(ids) // 2], ids[-1]):
        for name in RECORDS:
            expected = [row for row in whole[name] if row["opportunity_id"] == deal]
            assert deal_rows(run, name, deal).to_pylist() == expected
        assert deal_records(run, deal)["opportunities"]["opportunity_id"].to_pylist() == [deal]


def test_records_hold_only_what_was_known_and_nothing_that_was_typed(run: HeldRun) -> None:
    activities = pq.read_table(run.folder / records_file("activities"))
    assert activities.num_rows
    assert max(activities["known_at"].to_pylist()) < run.as_of
    assert not {"subject", "body", "email"} & set(activities.column_names)
    changes = pq.read_table(run.folder / records_file("opportunity_changes"))
    assert max(changes["changed_at"].to_pylist()) < run.as_of
    deals = pq.read_table(run.folder / records_file("opportunities"))
    assert deals["loss_reason"].null_count == deals["outcome"].null_count == deals.num_rows


def test_a_deal_that_was_not_scored_has_no_records(run: HeldRun) -> None:
    assert {table.num_rows for name, table in deal_records(run, "nobody").items() if name != "stages"} == {0}


def test_records_that_are_gone_are_said_to_be(served: Path, tmp_path: Path) -> None:
    run = open_published(served)
    moved = type(run)(run.run_id, tmp_path / run.run_id, run.manifest)
    with pytest.raises(PublishError, match=r"records_opportunities\.parquet: cannot be read"):
        deal_rows(moved, "opportunities", "any")
