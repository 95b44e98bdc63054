"""The rows that the CRM would hold if a step were taken just before as_of."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

__all__ = ["AHEAD", "BEFORE", "Rows", "answered", "joined_group", "merged_rows", "met", "moment", "named"]

Rows = Mapping[str, tuple[Mapping[str, Any], ...]]
"""Rows by canonical table. Deal and account are added by `named`, which also makes the ids of new rows
(`activity_id`, and `contact_id` of a new contact) unique."""

BEFORE = timedelta(seconds=1)
"""How long before as_of a step is recorded: it is the last thing known."""

AHEAD = timedelta(days=7)
"""How far ahead a next meeting is booked: within the step of a weekly calendar."""

_OWN_IDS = {"moments": "moment_id", "promises": "promise_id"}


def met(
    people: Iterable[str], at: datetime, kind: str, *, channel: str | None = None, ahead: bool = False
) -> Rows:
    """An activity in which these contacts take part, at `at` or AHEAD of it; it is recorded at `at`.

    It tells no direction, so that features of who wrote to whom stay as they are.
    """
    key = f"{kind}{'-ahead' if ahead else ''}"
    happens = at + AHEAD if ahead else at
    activity = {"activity_id": key, "kind": kind, "channel": channel, "occurred_at": happens, "known_at": at}
    came = tuple(
        {"activity_id": key, "contact_id": one, "attended": None if ahead else True}
        for one in dict.fromkeys(people)
    )
    return {"activities": (activity,), "activity_participants": came}


def joined_group(contact: str, role: str, at: datetime, *, seniority: str | None = None) -> Rows:
    """A new contact who holds a role in the buying group. contact: an id of its own, see `named`."""
    person = {"contact_id": contact, "seniority": seniority, "known_at": at}
    member = {"contact_id": contact, "buying_role": role, "known_at": at}
    return {"contacts": (person,), "opportunity_contacts": (member,)}


def moment(kind: str, at: datetime, *, contact: str | None = None) -> Rows:
    """A moment recorded in its own right."""
    return {"moments": ({"kind": kind, "contact_id": contact, "occurred_at": at, "known_at": at},)}


def answered(question: str, side: str, level: int, at: datetime) -> Rows:
    """A side's answer (0 to 4) to one of the four questions."""
    return {"qualification": ({"question": question, "side": side, "answer": level, "known_at": at},)}


def merged_rows(*parts: Rows) -> Rows:
    """The rows of all parts."""
    found: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for part in parts:
        for table, rows in part.items():
            found[table] = (*found.get(table, ()), *rows)
    return found


def named(
    rows: Rows, opportunity_id: str, account_id: str | None, prefix: str, *, known: str = ""
) -> dict[str, list[dict[str, Any]]]:
    """The rows as the canonical tables hold them: of this deal, with new ids that begin with the prefix.

    known: begins the ids of contacts known before.
    """
    new = {row["contact_id"] for row in rows.get("contacts", ())}
    found: dict[str, list[dict[str, Any]]] = {}
    for table, held in rows.items():
        for place, given in enumerate(held):
            row = dict(given)
            if "activity_id" in row:
                row["activity_id"] = prefix + row["activity_id"]
            if row.get("contact_id") is not None:
                row["contact_id"] = (prefix if row["contact_id"] in new else known) + row["contact_id"]
            if table in _OWN_IDS:
                row[_OWN_IDS[table]] = f"{prefix}{place}"
            if table in ("activities", "contacts"):
                row["account_id"] = account_id
            if table not in ("contacts", "activity_participants"):
                row["opportunity_id"] = opportunity_id
            found.setdefault(table, []).append(row)
    return found
