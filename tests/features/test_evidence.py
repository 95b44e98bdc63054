"""The rows behind a value: as many as a count says, and none that as_of could not see."""

import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.evidence import evidence
from features.feature import Feature, Measure
from features.snapshots import Calendar
from tests.features.worlds import END, bare, day, frame_of, generate

COUNTS = ("activities_ever", "activities_30d", "promises_overdue", "blockers_known",
          "supporters_known", "account_losses", "seller_open_deals", "champion_touches_90d")  # fmt: skip
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in catalogue()}


def test_a_late_logged_meeting_is_no_evidence_before_it_was_logged() -> None:
    rows = bare() | {
        "activities": [
            {"activity_id": "v1", "opportunity_id": "o1", "kind": "meeting", "occurred_at": day(1)},
            {"activity_id": "v2", "opportunity_id": "o1", "occurred_at": day(2), "known_at": day(9)},
        ]
    }  # fmt: skip
    listed = evidence(memory_tables(rows), BY_NAME["activities_ever"], "o1", day(7))
    assert [
        (row["source"], row["row_id"], row["happened_at"]) for row in listed.to_pyarrow().to_pylist()
    ] == [("activities", "v1", day(1))]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in COUNTS if isinstance(BY_NAME[n].value, Measure)])
def test_a_count_has_as_many_rows_behind_it(name: str) -> None:
    tables = memory_tables(generate(31, deals=12))
    frame = frame_of(tables, Calendar(END, 7 * 86_400), [BY_NAME[name]])
    latest = [row for row in frame.to_pylist() if row["as_of"] == END]
    chosen = max(latest, key=lambda row: row[name])
    assert chosen[name] > 0
    listed = evidence(tables, BY_NAME[name], chosen["opportunity_id"], END).to_pyarrow()
    assert listed.num_rows == chosen[name]
    assert all(instant < END for instant in listed["visible_at"].to_pylist())
