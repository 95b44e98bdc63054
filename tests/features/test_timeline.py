"""What happened and what was answered, as people read it, on hand-made histories."""

from datetime import datetime
from typing import Any

import pyarrow as pa

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.snapshots import Calendar
from features.timeline import moments_timeline, qualification_state
from tests.features.test_laws import truncated
from tests.features.worlds import Rows, bare, day, frame_of, generate


def moment(key: str, kind: str, at: float, known: float, **more: Any) -> dict[str, Any]:
    happened = {"moment_id": key, "kind": kind, "occurred_at": day(at), "known_at": day(known)}
    return {"opportunity_id": "o1", **happened, **more}


def note(activity: str, kind: str, known: float, said: str, **more: Any) -> dict[str, Any]:
    read = {"activity_id": activity, "kind": kind, "evidence": said, "known_at": day(known)}
    return {"opportunity_id": "o1", **read, **more}


HISTORY: Rows = bare() | {
    "moments": [
        moment("m1", "scoping", 3, 12, evidence="scope agreed", contact_id="c1"),
        moment("m2", "objection", 4, 4),
    ],
    "text_moments": [
        note("v1", "scoping", 2, "We spoke of the scope.", occurred_at=day(2), superseded_at=day(12)),
        note("v2", "data_shared", 5, "They sent a sample."),
    ],
}  # fmt: skip


def told(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns) for row in table.to_pylist()]


def timeline(as_of: datetime, *columns: str) -> list[tuple[Any, ...]]:
    return told(moments_timeline(memory_tables(HISTORY), as_of), *columns)


def test_a_note_speaks_until_a_recorded_row_stands_for_it() -> None:
    columns = ("kind", "derived", "source", "row_id", "step")
    read = ("scoping", True, "activities", "text:v1:scoping", 2)
    recorded = ("scoping", False, "moments", "m1", 2)
    objection = ("objection", False, "moments", "m2", None)
    shared = ("data_shared", True, "activities", "text:v2:data_shared", None)
    assert timeline(day(2), *columns) == []
    assert timeline(day(3), *columns) == [read]
    assert timeline(day(12), *columns) == [read, objection, shared]
    assert timeline(day(13), *columns) == [recorded, objection, shared]


def test_moments_tell_when_they_happened_since_when_they_are_known_and_who_showed_them() -> None:
    assert timeline(day(13), "opportunity_id", "happened_at", "visible_at", "evidence", "contact_id") == [
        ("o1", day(3), day(12), "scope agreed", "c1"),
        ("o1", day(4), day(4), None, None),
        ("o1", day(5), day(5), "They sent a sample.", None),
    ]


def answer(deal: str, side: str, question: str, level: int | None, at: float) -> dict[str, Any]:
    return {"opportunity_id": deal, "question": question, "side": side, "answer": level, "known_at": day(at),
            "evidence": f"{side} {at}"}  # fmt: skip


ANSWERS: Rows = {
    "accounts": bare()["accounts"],
    "opportunities": [
        {"opportunity_id": key, "account_id": "a1", "created_at": day(0)} for key in ("o1", "o2", "o3")
    ],
    "qualification": [
        answer("o1", "vendor", "why", 1, 2), answer("o1", "vendor", "why", 4, 5),
        answer("o1", "customer", "why", 2, 6), answer("o1", "customer", "why", 4, 10),
        answer("o1", "customer", "when", 3, 7), answer("o2", "vendor", "means", 0, 10),
        answer("o3", "vendor", "means", 1, 3), answer("o3", "customer", "means", 2, 4),
        answer("o3", "customer", "means", None, 6),
    ],
}  # fmt: skip


def test_each_sides_latest_answer_stands_beside_the_others_and_gaps_are_told() -> None:
    table = qualification_state(memory_tables(ANSWERS), day(10))
    assert table.num_rows == 16
    columns = (
        "opportunity_id",
        "question",
        "side",
        "answer",
        "answered_at",
        "staleness_days",
        "gap",
        "agrees",
    )
    given = [row for row in told(table, *columns) if row[3] is not None]
    assert given == [
        ("o1", "why", "vendor", 4, day(5), 5.0, 2, False),
        ("o1", "why", "customer", 2, day(6), 4.0, 2, False),
        ("o1", "when", "customer", 3, day(7), 3.0, None, None),
        ("o3", "means", "vendor", 1, day(3), 7.0, 1, True),
        ("o3", "means", "customer", 2, day(4), 6.0, 1, True),
    ]
    assert told(table, "question", "side")[:4] == [
        ("means", "vendor"), ("means", "customer"), ("decision_process", "vendor"),
        ("decision_process", "customer"),
    ]  # fmt: skip
    assert set(table.filter(table["answer"].is_null())["staleness_days"].to_pylist()) == {None}


def test_a_deal_nobody_was_asked_about_has_no_rows_and_one_asked_for_alone_has_the_same() -> None:
    tables = memory_tables(ANSWERS)
    every = qualification_state(tables, day(11))
    assert sorted(set(every["opportunity_id"].to_pylist())) == ["o1", "o2", "o3"]
    alone = qualification_state(tables, day(11), ["o3"])
    assert alone.to_pylist() == [row for row in every.to_pylist() if row["opportunity_id"] == "o3"]
    assert qualification_state(tables, day(11), []).num_rows == 0


def test_timelines_say_what_the_features_count_and_nothing_from_later() -> None:
    rows = generate(5, deals=12, density=3)
    cut = day(100)
    later, then = memory_tables(rows), memory_tables(truncated(rows, cut))
    moments, state = moments_timeline(later, cut), qualification_state(later, cut)
    assert moments.num_rows > 20
    assert moments.to_pylist() == moments_timeline(then, cut).to_pylist()
    assert state.to_pylist() == qualification_state(then, cut).to_pylist()
    names = ("objections", "questions_agreed", "questions_answered_vendor")
    frame = frame_of(later, Calendar(cut, 7 * 86_400), [f for f in catalogue() if f.name in names])
    for row in (row for row in frame.to_pylist() if row["as_of"] == cut):
        deal = row["opportunity_id"]
        of_deal = [m for m in moments.to_pylist() if m["opportunity_id"] == deal]
        answers = [a for a in state.to_pylist() if a["opportunity_id"] == deal]
        assert row["objections"] == sum(m["kind"] == "objection" for m in of_deal)
        assert row["questions_agreed"] == sum(bool(a["agrees"]) for a in answers) / 2
        of_vendor = [a for a in answers if a["side"] == "vendor" and a["answer"] is not None]
        assert row["questions_answered_vendor"] == len(of_vendor)
