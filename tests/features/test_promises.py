"""Promised-feature dependence moves as a seller would expect."""

from typing import Any

from features.catalogue import catalogue
from features.snapshots import Calendar
from tests.features.worlds import Rows, bare, day, frame_of

PROMISES = tuple(feature for feature in catalogue() if feature.family == "promises")


def event(kind: str, at: float, due: float | None = None, feature: str = "sso") -> dict[str, Any]:
    return {
        "promise_id": f"p{at:05.1f}{feature}", "opportunity_id": "o1", "feature": feature, "event": kind,
        "due_at": None if due is None else day(due), "occurred_at": day(at), "known_at": day(at),
    }  # fmt: skip


def demo(at: float) -> dict[str, Any]:
    return {"activity_id": f"v{at}", "opportunity_id": "o1", "kind": "demo", "occurred_at": day(at)}


def histories(**named: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The promise features of several deals at day 60, by name, from (promises, demos)."""
    rows: Rows = bare() | {"opportunities": [], "promises": [], "activities": []}
    for name, (promised, demos) in named.items():
        rows["opportunities"].append({"opportunity_id": name, "account_id": "a1", "created_at": day(0)})
        for table, key, added in (("promises", "promise_id", promised), ("activities", "activity_id", demos)):
            rows[table] += [row | {"opportunity_id": name, key: name + row[key]} for row in added]
    frame = frame_of(rows, Calendar(day(60), 61 * 86_400), PROMISES)
    return {row["opportunity_id"]: row for row in frame.to_pylist()}


def test_dependence_moves_as_a_seller_would_expect() -> None:
    promised = event("promised", 30, 50)
    at = histories(
        nothing=([], []),
        shown=([], [demo(10)]),
        promised=([promised], [demo(10)]),
        long_ago=([event("promised", 5, 50)], [demo(10)]),
        two=([promised, event("promised", 30, 50, "audit")], [demo(10)]),
        tried=([promised], [demo(10), demo(40)]),
        delivered=([promised, event("delivered", 45)], [demo(10)]),
        withdrawn=([promised, event("withdrawn", 45)], [demo(10)]),
        slipped=([promised, event("rescheduled", 45, 55)], [demo(10)]),
        slipped_ahead=([promised, event("rescheduled", 45, 90)], [demo(10)]),
    )
    dependence = {name: row["promised_feature_dependence"] for name, row in at.items()}
    assert dependence["nothing"] is None
    assert dependence["shown"] == 0
    assert dependence["promised"] == 2 / 3, "a promise open for 30 days weighs 2, the demo 1"
    assert dependence["long_ago"] > dependence["promised"]
    assert dependence["two"] > dependence["promised"]
    assert dependence["tried"] < dependence["promised"]
    assert dependence["delivered"] == dependence["withdrawn"] == 0
    assert dependence["slipped"] == dependence["slipped_ahead"] == dependence["promised"]


def test_a_slip_is_counted_and_lateness_runs_from_the_new_date() -> None:
    first = event("promised", 30, 50)
    at = histories(
        late=([first], []),
        slipped=([first, event("rescheduled", 45, 55)], []),
        not_due=([first, event("rescheduled", 45, 90)], []),
        sooner=([first, event("rescheduled", 45, 40)], []),
        again=([first, event("rescheduled", 45, 90), event("promised", 50, 70, "audit")], []),
        delivered=([first, event("delivered", 55)], []),
    )
    facts = {
        name: (
            row["promise_slips"],
            row["promises_overdue"],
            row["promise_days_overdue"],
            row["promises_after_slip"],
        )
        for name, row in at.items()
    }
    assert facts == {
        "late": (0, 1, 10.0, 0),
        "slipped": (1, 1, 5.0, 0),
        "not_due": (1, 0, None, 0),
        "sooner": (0, 1, 20.0, 0),
        "again": (1, 0, None, 1),
        "delivered": (0, 0, None, 0),
    }


def test_a_withdrawn_promise_is_open_no_more() -> None:
    at = histories(
        gone=([event("promised", 5), event("withdrawn", 9)], []), open=([event("promised", 5)], [])
    )
    assert (at["gone"]["promises_open"], at["gone"]["promise_withdrawn"]) == (0, True)
    assert (at["open"]["promises_open"], at["open"]["promise_withdrawn"]) == (1, False)
