"""The room of every open deal as a table to publish, by what the serving model learnt about it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from features.completeness import role_completeness
from features.meetings import meeting_history
from models.room.room import Room
from models.room.win_roles import WIN_ROLES_SCHEMA, recording_of_roles, win_roles

__all__ = ["room_table"]


def room_table(
    tables: Mapping[str, ir.Table], as_of: datetime, frame: pa.Table, facts: pa.Table, room: Room | None
) -> pa.Table:
    """`models.room.win_roles` of the deals in the frame; empty where the model learnt nothing of the room.

    frame: the feature frame of the deals open at as_of. facts: `serving.facts.deal_facts` of the same deals,
    for their owners.
    """
    if room is None:
        return WIN_ROLES_SCHEMA.empty_table()
    ids: Any = frame["opportunity_id"]
    recording = recording_of_roles(
        facts.select(["opportunity_id", "owner_id"]),
        tables["users"].select("user_id", "manager_id").to_pyarrow(),
        role_completeness(tables, as_of).to_pyarrow(),
    )
    history = meeting_history(tables, as_of, ids.to_pylist())
    return win_roles(room, frame, history=history, recording=recording)
