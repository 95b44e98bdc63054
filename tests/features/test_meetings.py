"""The history of meetings by role, by hand and against a slow loop over the same rows."""

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from data.schema import BUYING_ROLES
from data.warehouse import memory_tables
from features.meetings import MeetingHistory, meeting_history
from tests.features.worlds import END, Rows, bare, day, generate

Row = dict[str, Any]


def history(as_of: datetime, rows: Rows, deals: list[str] | None = None) -> MeetingHistory:
    return meeting_history(memory_tables(rows), as_of, deals)


def meeting(key: str, at: float, *people: str, known: float | None = None, kind: str = "meeting") -> Rows:
    return {
        "activities": [{
            "activity_id": key, "opportunity_id": "o1", "kind": kind, "occurred_at": day(at),
            "known_at": day(at if known is None else known),
        }],
        "activity_participants": [{"activity_id": key, "contact_id": name} for name in people],
    }  # fmt: skip


def role(contact: str, name: str, known: float, removed: float | None = None) -> Row:
    return {
        "opportunity_id": "o1", "contact_id": contact, "buying_role": name, "known_at": day(known),
        "removed_at": None if removed is None else day(removed),
    }  # fmt: skip


def world(*meetings: Rows, roles: list[Row]) -> Rows:
    together = bare() | {"opportunity_contacts": roles}
    for name in ("activities", "activity_participants"):
        together[name] = [row for one in meetings for row in one[name]]
    return together


def on_day(seconds: int) -> float:
    return (seconds - int(day(0).timestamp())) / 86_400


def test_a_role_came_once_the_meeting_was_held_and_the_role_recorded() -> None:
    found = history(
        day(100),
        world(
            meeting("m1", 10, "ann", "bob", known=12), meeting("m2", 20, "ann"),
            meeting("mail", 25, "ann", kind="email"),
            roles=[role("ann", "champion", 15), role("bob", "unknown", 1), role("ann", "user", 30)],
        ),
    )  # fmt: skip
    held = [
        (row["activity_id"], on_day(row["held_s"]), on_day(row["known_s"])) for row in found.held.to_pylist()
    ]
    assert held == [("m1", 10, 12), ("m2", 20, 20)]
    came = [(row["activity_id"], row["role"], on_day(row["known_s"])) for row in found.came.to_pylist()]
    assert came == [("m1", "champion", 15), ("m1", "user", 30), ("m2", "champion", 20), ("m2", "user", 30)]


def test_a_meeting_that_is_recorded_at_the_instant_or_later_is_not_there() -> None:
    rows = world(
        meeting("m1", 10, "ann", known=20), meeting("m2", 20, "ann", known=5), roles=[role("ann", "user", 20)]
    )
    assert history(day(20), rows).held.num_rows == 0
    later = history(day(21), rows)
    assert later.held["activity_id"].to_pylist() == ["m1", "m2"]
    assert later.came["role"].to_pylist() == ["user", "user"]


def test_a_removal_from_the_buying_group_counts_from_its_time_only() -> None:
    rows = world(roles=[role("ann", "champion", 5, removed=30)])
    assert history(day(30), rows).members["until_s"].to_pylist() == [None]
    assert [on_day(until) for until in history(day(31), rows).members["until_s"].to_pylist()] == [30]


def test_the_history_of_chosen_deals_is_that_part_of_the_whole() -> None:
    rows = generate(5)
    whole = history(END, rows)
    some = sorted({row["opportunity_id"] for row in whole.held.to_pylist()})[::2]
    part = history(END, rows, some)
    for name in ("held", "members"):
        table = getattr(whole, name)
        mine = [row for row in table.to_pylist() if row["opportunity_id"] in some]
        assert getattr(part, name).to_pylist() == mine
        assert 0 < len(mine) < table.num_rows
    kept = set(part.held["activity_id"].to_pylist())
    assert part.came.to_pylist() == [row for row in whole.came.to_pylist() if row["activity_id"] in kept]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_equals_that_of_a_slow_loop(seed: int) -> None:
    rows = generate(seed, deals=25)
    found = history(END, rows)
    assert _as_set(found.held) == _held(rows, END)
    assert _as_set(found.came) == _came(rows, END)
    assert found.came.num_rows > 20


def _as_set(table: pa.Table) -> set[tuple[Any, ...]]:
    listed = [tuple(row.values()) for row in table.to_pylist()]
    assert len(listed) == len(set(listed))
    return set(listed)


def _past_meetings(rows: Rows, as_of: datetime) -> list[tuple[Row, datetime, datetime, set[str]]]:
    """(activity, held, known, contacts who came) of each meeting known before as_of."""
    out = []
    for row in rows["activities"]:
        if row["kind"] not in ("meeting", "demo", "workshop", "event") or row["opportunity_id"] is None:
            continue
        recorded = row["known_at"] or row["occurred_at"]
        if recorded is None:
            continue
        held = row["occurred_at"] or recorded
        came = {
            one["contact_id"]
            for one in rows["activity_participants"]
            if one["activity_id"] == row["activity_id"] and one["contact_id"] and one["attended"] is not False
        }
        if came and max(held, recorded) < as_of:
            out.append((row, held, max(held, recorded), came))
    return out


def _held(rows: Rows, as_of: datetime) -> set[tuple[Any, ...]]:
    return {
        (row["opportunity_id"], row["activity_id"], int(held.timestamp()), int(known.timestamp()))
        for row, held, known, _ in _past_meetings(rows, as_of)
    }


def _came(rows: Rows, as_of: datetime) -> set[tuple[Any, ...]]:
    found: dict[tuple[str, str], int] = {}
    for row, _, known, came in _past_meetings(rows, as_of):
        for member in rows["opportunity_contacts"]:
            name = member["buying_role"]
            if member["opportunity_id"] != row["opportunity_id"] or member["contact_id"] not in came:
                continue
            if name not in BUYING_ROLES or name == "unknown" or not member["known_at"]:
                continue
            at = max(known, member["known_at"])
            if at < as_of:
                key = (row["activity_id"], name)
                found[key] = min(found.get(key, 1 << 60), int(at.timestamp()))
    return {(*key, at) for key, at in found.items()}
