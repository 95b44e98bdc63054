"""Promised-feature dependence and the promise ledger move as a seller would expect."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.promise_ledger import promise_ledger
from features.snapshots import Calendar
from tests.features.worlds import DAY, END, Rows, bare, day, frame_of, generate

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


def test_a_slip_is_counted_and_a_promise_is_late_from_the_new_date() -> None:
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
        )
        for name, row in at.items()
    }
    assert facts == {
        "late": (0, 1),
        "slipped": (1, 1),
        "not_due": (1, 0),
        "sooner": (0, 1),
        "again": (1, 0),
        "delivered": (0, 0),
    }


def test_a_withdrawn_promise_is_open_no_more() -> None:
    at = histories(
        gone=([event("promised", 5), event("withdrawn", 9)], []), open=([event("promised", 5)], [])
    )
    assert (at["gone"]["promises_open"], at["gone"]["promise_withdrawn"]) == (0, True)
    assert (at["open"]["promises_open"], at["open"]["promise_withdrawn"]) == (1, False)


def test_a_late_delivery_and_the_days_that_dates_moved_are_told() -> None:
    first = event("promised", 10, 20)
    at = histories(
        late=([first, event("delivered", 25)], []),
        in_time=([first, event("delivered", 20)], []),
        moved=([first, event("rescheduled", 15, 40), event("delivered", 35)], []),
        twice=([first, event("rescheduled", 15, 25), event("rescheduled", 24, 45)], []),
        earlier=([first, event("rescheduled", 15, 18)], []),
        undated=([event("promised", 10), event("rescheduled", 15, 40)], []),
    )
    facts = {name: (row["promises_delivered_late"], row["promise_days_moved"]) for name, row in at.items()}
    assert facts == {
        "late": (1, 0), "in_time": (0, 0), "moved": (1, 20), "twice": (0, 25), "earlier": (0, 0),
        "undated": (0, 0),
    }  # fmt: skip


def note(kind: str, at: float, recorded: float | None = None, due: float | None = None) -> dict[str, Any]:
    """A promise event read from a note; `recorded`: the day a structured row took its place."""
    return {
        "activity_id": f"v{at:05.1f}", "opportunity_id": "o1", "feature": "sso", "event": kind,
        "due_at": None if due is None else day(due), "evidence": "so they said", "occurred_at": day(at),
        "known_at": day(at), "superseded_at": None if recorded is None else day(recorded),
    }  # fmt: skip


def told(promises: list[dict[str, Any]], notes: list[dict[str, Any]], as_of: float) -> list[dict[str, Any]]:
    """The ledger of one deal."""
    tables = memory_tables(bare() | {"promises": promises, "text_promises": notes})
    return list(promise_ledger(tables, day(as_of)).to_pylist())


def test_a_promise_read_from_a_note_counts_until_somebody_records_it() -> None:
    recorded = event("promised", 12, 50)
    notes = [note("promised", 10, recorded=12)]
    at = [[(row["derived"], row["state"]) for row in told([recorded], notes, n)] for n in (10, 11, 12, 13)]
    assert at == [[], [(True, "open")], [(True, "open")], [(False, "open")]]


def test_a_note_about_what_was_recorded_before_never_counts() -> None:
    rows = told([event("promised", 5, 50)], [note("promised", 10, recorded=5)], 30)
    assert [(row["derived"], row["state"], row["evidence"]) for row in rows] == [(False, "open", "p005.0sso")]


def test_a_slip_that_only_a_note_tells_outlives_the_recorded_delivery() -> None:
    notes = [note("promised", 5, due=20), note("rescheduled", 18, due=40), note("delivered", 38, recorded=39)]
    rows = told([event("delivered", 39)], notes, 60)
    states = {row["derived"]: (row["state"], row["n_slips"], row["days_moved"]) for row in rows}
    assert states == {False: ("delivered", 0, 0), True: ("superseded", 1, 20)}
    assert "text:v018.0:rescheduled:sso" in next(row["evidence"] for row in rows if row["derived"])


def test_the_ledger_tells_each_promise_from_its_making_to_its_end() -> None:
    promises = [
        event("promised", 5, 20), event("rescheduled", 15, 40), event("rescheduled", 30, 35),
        event("delivered", 50), event("promised", 10, 30, "audit"), event("promised", 20, None, "export"),
        event("withdrawn", 45, None, "export"), event("promised", 60, 70, "later"),
    ]  # fmt: skip
    rows = {row["feature"]: row for row in told(promises, [], 60)}
    assert list(rows) == ["sso", "audit", "export"]
    told_of = ("state", "first_due_at", "due_at", "times_rescheduled", "n_slips", "days_overdue",
               "days_outstanding")  # fmt: skip
    facts = {name: tuple(row[column] for column in told_of) for name, row in rows.items()}
    assert facts == {
        "sso": ("delivered", day(20), day(35), 2, 1, 30.0, 45.0),
        "audit": ("open", day(30), day(30), 0, 0, 30.0, 50.0),
        "export": ("withdrawn", None, None, 0, 0, None, 25.0),
    }
    assert rows["sso"]["delivered_at"] == day(50)
    assert rows["export"]["withdrawn_at"] == day(45)
    assert rows["sso"]["evidence"] == "p005.0sso; p015.0sso; p030.0sso; p050.0sso"


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_features_are_what_one_counts_in_the_ledger(seed: int) -> None:
    tables = memory_tables(generate(seed, deals=30, density=2))
    as_of = END - timedelta(days=30)
    frame = frame_of(tables, Calendar(as_of, 400 * 86_400), PROMISES).to_pylist()
    ledger: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in promise_ledger(tables, as_of).to_pylist():
        ledger[row["opportunity_id"]].append(row)
    assert sum(row["derived"] for rows in ledger.values() for row in rows) > 5
    for row in frame:
        rows = ledger[row["opportunity_id"]]
        is_open = [r for r in rows if r["state"] == "open"]
        late = [r["days_overdue"] for r in is_open if r["days_overdue"]]
        delivered = [r for r in rows if r["state"] == "delivered"]
        counted = {
            "promises_open": len(is_open),
            "promises_overdue": len(late),
            "promises_delivered": len(delivered),
            "promises_delivered_late": sum(r["days_overdue"] is not None for r in delivered),
            "promise_slips": sum(r["n_slips"] for r in rows),
            "promise_days_moved": sum(r["days_moved"] for r in rows),
        }
        assert {name: row[name] for name in counted} == counted, row["opportunity_id"]


def test_what_a_ledger_tells_of_a_deal_does_not_depend_on_the_others() -> None:
    tables = memory_tables(generate(3, deals=20, density=2))
    whole = promise_ledger(tables, END).to_pylist()
    some = sorted({row["opportunity_id"] for row in whole})[:3]
    alone = promise_ledger(tables, END, some).to_pylist()
    assert alone == [row for row in whole if row["opportunity_id"] in some]
    assert len(alone) >= 3


def test_a_ledger_looks_no_further_than_its_time() -> None:
    rows = generate(4, deals=20, density=2)
    cut = END - 60 * DAY
    short = rows | {
        name: [row for row in rows[name] if row["known_at"] is None or row["known_at"] < cut]
        for name in ("promises", "text_promises")
    }
    ledgers = [promise_ledger(memory_tables(history), cut) for history in (rows, short)]
    assert ledgers[0].equals(ledgers[1])
    assert ledgers[0].num_rows > 10
