"""Checks that read the tables: histories written at close, the past made again, shuffled labels."""

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.families.custom import CustomField, custom_features
from features.snapshots import Calendar
from models.arrays import known_outcomes
from models.audit.end_state import end_state_findings, end_states
from models.audit.history import late_history_findings, recorded_late, reopened, written_after_close
from models.audit.rebuilt import known_before, rebuilt_features
from models.audit.shuffled import shuffled_labels
from tests.features.worlds import DAY, END, Rows, day, frame_of, generate
from tests.models.conftest import feature, make_world

WEEK_S = 7 * 86_400
INSTANT = pa.timestamp("us", "UTC")


def deals(n: int, *, life: float = 60, **more: Any) -> list[dict[str, Any]]:
    """Deals created a day apart, which all close after `life` days; every third is won."""
    return [
        {"opportunity_id": f"o{i}", "account_id": f"a{i}", "owner_id": "u1", "created_at": day(i / 10),
         "closed_at": day(i / 10 + life), "outcome": "won" if i % 3 == 0 else "lost", **more}
        for i in range(n)
    ]  # fmt: skip


def change(deal: dict[str, Any], field: str, value: str, at: datetime) -> dict[str, Any]:
    return {"opportunity_id": deal["opportunity_id"], "field": field, "new_value": value, "changed_at": at}


def call(key: str, occurred: datetime, known: datetime) -> dict[str, Any]:
    return {
        "activity_id": key,
        "opportunity_id": "o0",
        "kind": "call",
        "occurred_at": occurred,
        "known_at": known,
    }


def history_features(*names: str) -> Any:
    return custom_features(tuple(CustomField("opportunity_changes", name, "category") for name in names))


def test_a_history_written_a_minute_before_the_close_is_named_and_one_kept_all_along_is_not() -> None:
    rows: Rows = {"opportunities": deals(30), "opportunity_changes": []}
    for deal in rows["opportunities"]:
        closed, created = deal["closed_at"], deal["created_at"]
        rows["opportunity_changes"] += [
            change(deal, "x_placeholder", "open", created),
            change(deal, "x_placeholder", "green", closed - DAY / 1440),
            *(change(deal, "x_mood", "amber", created + n * 10 * DAY) for n in range(6)),
            change(deal, "x_mood", "red", closed - DAY),
            change(deal, "x_entry", "web", created),
        ]
    found = late_history_findings(
        memory_tables(rows), history_features("x_placeholder", "x_mood", "x_entry"), END
    )
    assert [(one.feature, one.check, one.figure) for one in found] == [
        ("x_placeholder_history", "filled_at_close", 1.0)
    ]
    assert "in 30 closed deals, 100% of its changes" in found[0].evidence


def test_a_history_of_fewer_than_ten_deals_accuses_nothing() -> None:
    rows: Rows = {"opportunities": deals(9), "opportunity_changes": []}
    for deal in rows["opportunities"]:
        rows["opportunity_changes"].append(change(deal, "x_light", "green", deal["closed_at"] - DAY / 1440))
    assert late_history_findings(memory_tables(rows), history_features("x_light"), END) == []


def test_rows_written_late_and_after_the_close_are_counted() -> None:
    deal = deals(1)[0]
    rows: Rows = {
        "opportunities": [deal],
        "activities": [
            call("v1", day(1), day(1)),
            call("v2", day(1), day(9)),
            call("v3", day(2), day(61)),
        ],
        "opportunity_changes": [
            change(deal, "amount", "1", day(1)), change(deal, "amount", "2", day(61)),
            change(deal, "stage", "x", day(62)),
        ],
    }  # fmt: skip
    tables = memory_tables(rows)
    assert recorded_late(tables, END).figures["activities"] == {"rows": 3, "late": 2}
    assert written_after_close(tables, END).figures == {"changes": {"amount": 1, "stage": 1}, "activities": 1}
    assert written_after_close(tables, day(61.5)).figures["changes"] == {"amount": 1}


def test_a_deal_that_leaves_a_closed_stage_is_counted_as_reopened() -> None:
    one, other = deals(2)
    rows: Rows = {
        "opportunities": [one, other],
        "opportunity_changes": [
            change(one, "stage", "Closed Lost", day(20)), change(one, "stage", "Negotiation", day(30)),
            change(other, "stage", "Negotiation", day(20)), change(other, "stage", "Closed Won", day(30)),
        ],
    }  # fmt: skip
    assert reopened(memory_tables(rows), END).figures == {"deals": 1}
    rows["opportunity_changes"] = [change(one, "stage", "Negotiation", day(20))]
    assert reopened(memory_tables(rows), END).verdict == "not applicable"


def ended(values: Any, kind: str, reading: str = "number") -> list[Any]:
    """What the end-state check finds in 40 deals for a field of these values."""
    rows: Rows = {"opportunities": deals(40), "opportunity_changes": [], "activities": []}
    rng = np.random.default_rng(3)
    for i, deal in enumerate(rows["opportunities"]):
        deal["closed_at"] = deal["created_at"] + int(rng.integers(20, 90)) * DAY
        for name, first, last in (("stage", "Discovery", f"Step {i % 4}"), ("amount", "100", str(i))):
            rows["opportunity_changes"] += [
                change(deal, name, first, deal["created_at"]),
                change(deal, name, last, deal["closed_at"] - 5 * DAY),
                change(deal, name, "after", deal["closed_at"] + DAY),
            ]
        for n in range(int(rng.integers(1, 60))):
            rows["activities"].append({"activity_id": f"v{i}-{n}", "opportunity_id": deal["opportunity_id"],
                                       "kind": "call", "known_at": deal["created_at"] + DAY})  # fmt: skip
    ends = end_states(memory_tables(rows), END)
    order = [deal["opportunity_id"] for deal in rows["opportunities"]]
    by_deal = {row["opportunity_id"]: row for row in ends.table.to_pylist()}
    frame = pa.table({
        "opportunity_id": order,
        "as_of": pa.array([deal["created_at"] + DAY for deal in rows["opportunities"]], INSTANT),
        "opportunities_x_own": values([by_deal[deal] for deal in order], rng),
    })  # fmt: skip
    own = custom_features((CustomField("opportunities", "x_own", reading),))[0]  # type: ignore[arg-type]
    assert own.kind == kind
    return end_state_findings(frame, own, ends)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("all activities", lambda ends, rng: [row["n_activities"] for row in ends]),
        ("days from creation to close", lambda ends, rng: [row["lifetime_days"] * 24 for row in ends]),
        ("days from the snapshot to the close", lambda ends, rng: [1 - row["lifetime_days"] for row in ends]),
        ("last amount", lambda ends, rng: [float(row["last_amount"]) for row in ends]),
    ],
)
def test_a_number_that_repeats_the_end_of_a_deal_is_named(words: str, values: Any) -> None:
    found = ended(values, "number")
    assert [one.check for one in found] == ["end_state"]
    if "snapshot" not in words:
        assert words in found[0].evidence


def test_a_category_that_repeats_the_last_stage_is_named_and_one_of_the_first_is_not() -> None:
    last = ended(lambda ends, rng: [row["last_stage"] for row in ends], "category", "category")
    assert "already equals the last stage" in last[0].evidence
    assert "in 40 of 40 deals" in last[0].evidence
    assert ended(lambda ends, rng: [row["first_stage"] for row in ends], "category", "category") == []


def test_numbers_of_chance_repeat_no_end_state() -> None:
    assert ended(lambda ends, rng: rng.normal(size=len(ends)), "number") == []


@pytest.mark.slow
def test_the_past_made_again_is_equal_and_a_changed_cell_is_named() -> None:
    tables = memory_tables(generate(4, deals=10))
    calendar = Calendar(END, WEEK_S)
    features = [
        one for one in catalogue() if one.name in ("amount", "stage", "activities_30d", "meetings_held")
    ]
    frame = frame_of(tables, calendar, features)
    con: Any = tables["accounts"].get_backend()
    again = {"calendar": calendar, "instants": 3, "seed": 1}
    assert rebuilt_features(con, tables, frame, features, **again).verdict == "passed"
    place = frame.column_names.index("activities_30d")
    more = pa.array([n + 1 for n in frame["activities_30d"].to_pylist()])
    wrong = frame.set_column(place, "activities_30d", more)
    result = rebuilt_features(con, tables, wrong, features, **again)
    assert result.verdict == "failed"
    assert result.structural
    assert list(result.figures["differ"]) == ["activities_30d"]
    assert "now" in result.evidence
    few = rebuilt_features(con, tables, wrong, features, most=1, **again)
    assert few.figures["features"] == 1


def test_tables_of_a_past_day_hold_neither_later_rows_nor_later_facts() -> None:
    rows: Rows = {
        "opportunities": [*deals(2, life=30), deals(1)[0] | {"opportunity_id": "o9", "created_at": day(9)}],
        "activities": [
            call("v1", day(1), day(4)),
            call("v2", day(1), day(5)),
        ],
        "activity_participants": [{"activity_id": key, "contact_id": "c1"} for key in ("v1", "v2")],
        "opportunity_contacts": [
            {"opportunity_id": "o0", "contact_id": "c1", "known_at": day(1), "removed_at": day(5)},
        ],
    }  # fmt: skip
    cut = {
        name: table.to_pyarrow().to_pylist()
        for name, table in known_before(memory_tables(rows), day(5)).items()
    }
    assert {(row["opportunity_id"], row["outcome"], row["closed_at"]) for row in cut["opportunities"]} == {
        ("o0", None, None), ("o1", None, None),
    }  # fmt: skip
    assert [row["activity_id"] for row in cut["activities"]] == ["v1"]
    assert [row["activity_id"] for row in cut["activity_participants"]] == ["v1"]
    assert [row["removed_at"] for row in cut["opportunity_contacts"]] == [None]


def test_shuffled_labels_teach_nothing() -> None:
    world = make_world(600)
    y = known_outcomes(world.labels)
    kept = np.isfinite(y)
    features = [one for one in world.features if "norm" not in one.name]
    result = shuffled_labels(world.frame.filter(pa.array(kept)), y[kept], features=features, seed=1)
    assert result.verdict == "passed"
    assert 0.44 < result.figures["auc"] < 0.56
    again = shuffled_labels(world.frame.filter(pa.array(kept)), y[kept], features=features, seed=1)
    assert again == result


def test_too_few_deals_are_not_shuffled() -> None:
    world = make_world(40)
    y = known_outcomes(world.labels)
    kept = np.isfinite(y)
    result = shuffled_labels(
        world.frame.filter(pa.array(kept)), y[kept], features=[feature("meetings", "count")], seed=1
    )
    assert result.verdict == "not applicable"
