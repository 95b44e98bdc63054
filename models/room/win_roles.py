"""The room of each open deal, role by role: who is missing, who comes next, and how far to believe it."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.meetings import MeetingHistory
from models.arrays import FloatArray
from models.room.attendance import attendance_rows
from models.room.expected_roles import GAPS_SCHEMA
from models.room.room import Room

__all__ = ["WIN_ROLES_SCHEMA", "recording_of_roles", "win_roles"]

_RECORDED = ("owner_completeness", "owner_people_met", "team_completeness", "team_people_met")

WIN_ROLES_SCHEMA: Any = pa.schema([
    *GAPS_SCHEMA,
    ("p_next_meeting", pa.float64()),
    ("p_next_basis", pa.string()),
    ("owner_completeness", pa.float64()),
    ("owner_people_met", pa.int64()),
    ("team_completeness", pa.float64()),
    ("team_people_met", pa.int64()),
    ("sentence", pa.string()),
])  # fmt: skip

_RARELY = 0.5
"""Below this share of people with a recorded role, a missing role may only be one that nobody wrote down."""


def win_roles(
    room: Room | None, frame: pa.Table, *, history: MeetingHistory, recording: pa.Table
) -> pa.Table:
    """One row per deal of the frame and role: the columns of `ExpectedRoles.gaps`, and with them

    p_next_meeting: probability that the role comes to the deal's next meeting within 60 days, given that
    there is one; null for a role that is neither recorded, met nor expected. p_next_basis: what gave it
    (model, deal_frequency, role_frequency). owner_completeness, team_completeness: of the people met by the
    deal's owner, and by those of the same manager, the share whose buying role is recorded, and how many
    were met; null where that is unknown. sentence: what a rep reads. Within a deal the likeliest missing role
    comes first, then the engaged ones.

    recording: see `recording_of_roles`. Without a room the table is empty.
    """
    if room is None or not frame.num_rows:
        return WIN_ROLES_SCHEMA.empty_table()
    gaps = room.expected.gaps(frame)
    p_next = _next_meeting(room, frame, history)
    basis = pa.array([None if np.isnan(p) else room.attendance.basis for p in p_next] if room.attendance
                     else [None] * gaps.num_rows, pa.string())  # fmt: skip
    place = pc.index_in(gaps["opportunity_id"], value_set=recording["opportunity_id"].combine_chunks())
    table = gaps.append_column("p_next_meeting", pa.array(p_next, mask=np.isnan(p_next)))
    table = table.append_column("p_next_basis", basis)
    for name in _RECORDED:
        table = table.append_column(name, recording[name].take(place))
    said = [_sentence(row) for row in table.to_pylist()]
    table = table.append_column("sentence", pa.array(said, pa.string())).cast(WIN_ROLES_SCHEMA)
    return table.sort_by([
        ("opportunity_id", "ascending"), ("engaged", "ascending"),
        ("expected_share", "descending"), ("role", "ascending"),
    ])  # fmt: skip


def recording_of_roles(owners: pa.Table, users: pa.Table, met: pa.Table) -> pa.Table:
    """How fully each deal's seller, and the seller's team, record buying roles; as they are now, for display.

    owners: opportunity_id, owner_id. users: user_id, manager_id. met: owner_id, touched, recorded
    (`features.completeness.role_completeness`). Returns opportunity_id, owner_completeness,
    owner_people_met, team_completeness, team_people_met, row for row like owners; shares are null where
    nobody was met, team columns where the seller has no known manager.
    """
    manager = dict(zip(users["user_id"].to_pylist(), users["manager_id"].to_pylist(), strict=True))
    by_owner: dict[Any, tuple[int, int]] = {}
    by_team: dict[Any, tuple[int, int]] = {}
    for row in met.to_pylist():
        counts = (row["touched"], row["recorded"])
        by_owner[row["owner_id"]] = counts
        before = by_team.get(manager.get(row["owner_id"]), (0, 0))
        by_team[manager.get(row["owner_id"])] = (before[0] + counts[0], before[1] + counts[1])
    by_team.pop(None, None)
    found = []
    for owner in owners["owner_id"].to_pylist():
        own, team = by_owner.get(owner), by_team.get(manager.get(owner))
        found.append((_share(own), own and own[0], _share(team), team and team[0]))
    columns = list(zip(*found, strict=True)) or [()] * len(_RECORDED)
    kinds = [WIN_ROLES_SCHEMA.field(name).type for name in _RECORDED]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table([owners["opportunity_id"], *arrays], ["opportunity_id", *_RECORDED])


def _next_meeting(room: Room, frame: pa.Table, history: MeetingHistory) -> FloatArray:
    """The served probability by deal and role, in the order of the gaps; NaN where it is not asked."""
    roles = len(room.expected.roles)
    p = np.full(frame.num_rows * roles, np.nan)
    if room.attendance is not None:
        rows = attendance_rows(frame, history, room.expected)
        p[rows.snapshot * roles + rows.role] = room.attendance.predict(rows)
    return p


def _share(counts: tuple[int, int] | None) -> float | None:
    return counts[1] / counts[0] if counts and counts[0] else None


def _sentence(row: dict[str, Any]) -> str:
    role = row["role"].replace("_", " ")
    if row["engaged"]:
        times = "1 touchpoint" if row["touches"] == 1 else f"{row['touches']} touchpoints"
        return f"{role.capitalize()}: engaged, {times} so far."
    if row["expected_share"] is None:
        return f"{role.capitalize()}: not engaged; there are no won deals to compare with."
    if not row["expected_share"]:
        return f"{role.capitalize()}: not engaged, nor by any of {row['n_alike']} {row['alike']} by then."
    day = "" if row["typical_day"] is None else f", typically from day {row['typical_day']:.0f} on"
    said = (
        f"{role.capitalize()}: not engaged; {100 * row['expected_share']:.0f} % of {row['alike']} had "
        f"engaged this role by then ({row['n_alike']} deals){day}."
    )
    recorded = row["owner_completeness"]
    if recorded is not None and recorded < _RARELY:
        said += f" The seller records a role for only {100 * recorded:.0f} % of the people met."
    return said
