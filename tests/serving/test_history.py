"""A deal's score over the runs, and what happened meanwhile."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from serving.history import DealEvent, deal_events, score_history
from serving.live import hold
from serving.published import open_published
from serving.room import MOMENTS, PROMISES
from tests.serving.change_runs import FIRST_AT, as_published, run_id

WEEK = timedelta(days=7)
A = {"A": ((0.5, 0.0), (3.0, 0))}
LATER = {"A": ((0.25, -0.5), (10.0, 1)), "B": ((0.0, 0.0), (None, 0))}


def at(days: float) -> datetime:
    return FIRST_AT + timedelta(days=days)


def times(*values: datetime | None) -> pa.Array:
    return pa.array(values, pa.timestamp("us", "UTC"))


RECORDS = {
    MOMENTS: pa.table({
        "opportunity_id": ["A", "A"], "happened_at": times(at(-3), at(2)), "kind": ["scoping", "bake_off"],
    }),
    PROMISES: pa.table({
        "opportunity_id": ["A"], "feature": ["SSO"], "promised_at": times(at(1)), "delivered_at": times(None),
        "withdrawn_at": times(at(9)),
    }),
    "records_activities.parquet": pa.table({
        "opportunity_id": ["A", "A", "B"], "kind": ["meeting", "email", "meeting"],
        "occurred_at": times(at(3), at(4), at(5)),
    }),
    "records_opportunity_changes.parquet": pa.table({
        "opportunity_id": ["A"] * 4, "field": ["stage", "close_date", "amount", "owner"],
        "old_value": ["Demo", "2026-01-31T00:00:00Z", None, "u1"],
        "new_value": ["Offer", "2026-03-31", "15500.0", "u2"],
        "changed_at": times(at(4), at(5), at(6), at(6)),
    }),
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    as_published(folder, 0, A)
    as_published(folder, 1, LATER, before=A, model="win-000000000002", beside=RECORDS)
    return folder


def test_the_points_are_those_that_each_run_published_oldest_first(workspace: Path) -> None:
    points = score_history(open_published(workspace), "A").points
    assert [(one.run_id, one.as_of, one.log_odds, one.model_version) for one in points] == [
        (run_id(0), FIRST_AT, -0.5, "win-000000000001"),
        (run_id(1), FIRST_AT + WEEK, -1.25, "win-000000000002"),
    ]
    assert points[0].p_win == pytest.approx(0.3775406687981454)


def test_events_are_those_between_the_first_point_and_the_last(workspace: Path) -> None:
    told = [
        (one.happened_at, one.kind, one.text) for one in score_history(open_published(workspace), "A").events
    ]
    assert told == [
        (at(1), "promise", "Promised: SSO"),
        (at(2), "moment", "Bake off"),
        (at(3), "meeting", "Meeting"),
        (at(4), "stage", "Stage: Demo → Offer"),
        (at(5), "close_date", "Expected close: 2026-01-31 → 2026-03-31"),
        (at(6), "amount", "Amount: not set → 15,500"),
    ]


def test_all_of_a_deals_events_may_be_asked_for(workspace: Path) -> None:
    events = deal_events(open_published(workspace), "A")
    assert events[0] == DealEvent(at(-3), "moment", "Scoping")
    assert events[-1] == DealEvent(at(9), "promise", "Withdrawn: SSO")


def test_a_deal_has_points_only_where_it_was_scored(workspace: Path) -> None:
    run = open_published(workspace)
    assert [one.run_id for one in score_history(run, "B").points] == [run_id(1)]
    nobody = score_history(run, "nobody")
    assert (nobody.points, nobody.events) == ((), ())


def test_a_run_never_tells_of_those_after_it(workspace: Path) -> None:
    first = open_published(workspace, run_id(0))
    assert [one.run_id for one in score_history(first, "A").points] == [run_id(0)]


def test_of_two_runs_as_of_one_instant_the_later_one_counts(tmp_path: Path) -> None:
    as_published(tmp_path, 0, A)
    again = as_published(tmp_path, 1, LATER, as_of=FIRST_AT)
    assert [one.run_id for one in score_history(again, "A").points] == [run_id(1)]


def test_at_most_so_many_runs_are_looked_at_the_newest(workspace: Path) -> None:
    assert [one.run_id for one in score_history(open_published(workspace), "A", at_most=1).points] == [
        run_id(1)
    ]


def test_a_run_that_cannot_be_trusted_is_named_and_its_point_left_out(
    workspace: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(workspace, tmp_path / "copy")
    scores = copy / "published" / run_id(0) / "win_scores.parquet"
    scores.write_bytes(scores.read_bytes()[:-1])
    found = score_history(open_published(copy, run_id(1)), "A")
    assert [one.run_id for one in found.points] == [run_id(1)]
    assert found.unread == (run_id(0),)


def test_a_run_held_in_memory_has_its_point_though_its_folder_is_gone(
    workspace: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(workspace, tmp_path / "copy")
    run = hold(copy)
    shutil.rmtree(copy / "published" / run_id(1))
    found = score_history(run, "A")
    assert [one.run_id for one in found.points] == [run_id(0), run_id(1)]
    assert (found.events, found.unread) == ((), (run_id(1),))
