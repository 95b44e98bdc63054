"""What is learnt about the room: who should be in it by now, and who will come next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from features.families.alike import EXPECTED_ROLES
from features.meetings import MeetingHistory
from models.arrays import known_outcomes
from models.columns import only
from models.room.attendance import DEAL_FACTS, Attendance, attendance_rows
from models.room.attendance_score import judge_attendance
from models.room.expected_roles import ExpectedRoles
from models.split import Split

__all__ = ["Room", "learn_room"]

_MOST_SNAPSHOTS = 40_000
_COLUMNS = (
    *EXPECTED_ROLES.reads, *(f"days_since_{role}" for role, _ in EXPECTED_ROLES.touches), *DEAL_FACTS,
)  # fmt: skip


@dataclass(frozen=True)
class Room:
    """Expected roles and attendance, which travel with the model; attendance is None without meetings."""

    expected: ExpectedRoles
    attendance: Attendance | None

    def to_json(self) -> bytes:
        """The room as JSON; `from_json` gives back an equal one."""
        attendance = None if self.attendance is None else self.attendance.as_dict()
        stored = {"expected": self.expected.as_dict(), "attendance": attendance}
        return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)

    @classmethod
    def from_json(cls, content: bytes) -> "Room":
        """The room that `to_json` wrote."""
        stored = orjson.loads(content)
        attendance = stored["attendance"] and Attendance.from_dict(stored["attendance"])
        return cls(ExpectedRoles.from_dict(stored["expected"]), attendance)


def learn_room(
    frame: pa.Table, labels: pa.Table, split: Split, history: MeetingHistory, *, seed: int
) -> tuple[Room, dict[str, Any]]:
    """The room learnt in the training window, and how it did in the test window (plain values).

    frame, labels: row for row alike. Expected roles come from deals won by the window's end, attendance from
    snapshots of the window with a next meeting by its end; an even share of them above 40,000 snapshots.
    """
    frame = only(frame, _COLUMNS)
    expected = ExpectedRoles.fit(frame, known_outcomes(labels), rows=split.train.known)
    past = _thinned(frame.filter(pa.array(split.train.inside)))
    rows = attendance_rows(past, history, expected, until_s=_second(split.train.end))
    attendance = Attendance.fit(rows, expected.roles, seed=seed)
    if attendance is None:
        judged = {"basis": None, "note": "No role was seen at a meeting, and missed at another, in training."}
        return Room(expected, None), {"expected_roles": _described(expected), "attendance": judged}
    later = _thinned(frame.filter(pa.array(split.test.inside)))
    asked = attendance_rows(later, history, expected, until_s=_second(split.as_of))
    attendance, judged = judge_attendance(attendance, asked, seed=seed)
    return Room(expected, attendance), {"expected_roles": _described(expected), "attendance": judged}


def _thinned(frame: pa.Table) -> pa.Table:
    step = -(-frame.num_rows // _MOST_SNAPSHOTS)
    every: Any = np.arange(0, frame.num_rows, max(step, 1))
    return frame if step <= 1 else frame.take(every)


def _second(at: datetime) -> int:
    """The whole epoch second of a calendar's instant, whose fraction every clock here is cut by."""
    return int(np.floor(at.timestamp()))


def _described(expected: ExpectedRoles) -> dict[str, Any]:
    """How finely won deals could be told apart, and what all of them looked like."""
    figures = expected.shares.shares
    overall, everybody = (
        figures.by_depth[0],
        {role: expected.days[role].by_depth[0] for role in expected.roles},
    )
    return {
        "alike_by": [axis.column for axis in figures.alike.axes],
        "won_deals": sum(overall["deals"]),
        "groups": [len(known["cell"]) for known in figures.by_depth],
        "roles": {
            role: {
                "mean_share": overall["values"][0][place] if overall["values"] else None,
                "typical_day": everybody[role]["values"][0][0] if everybody[role]["values"] else None,
                "won_deals_that_met_it": sum(everybody[role]["deals"]),
            }
            for place, role in enumerate(expected.roles)
        },
    }
