"""The stream of first encounters: which role and level was met first, who and which departments since."""

import ibis
import ibis.expr.types as ir

from data.schema import BUYING_ROLES
from features.gate import Known
from features.streams.people import known_roles, seniority_rank
from features.streams.stream import Stream, as_count

__all__ = ["SENIOR_LEVEL", "STREAMS"]

SENIOR_LEVEL = 4
"""The level from which on a contact counts as senior: VP (4) and C-level (5)."""

_COLUMNS = {
    "key": "int64", "fact": "string", "row_id": "string", "at_s": "int64", "seen_s": "int64",
    "rank": "int64", "role": "string", "department": "string", "level": "int64", "has_level": "int64",
    "is_senior": "int64", "has_department": "int64",
}  # fmt: skip


def _roles_met(known: Known) -> ir.Table:
    """Each contact's earliest touch by role, seen once the role is known too."""
    touches, roles = known["touches"], known_roles(known)
    joined = touches.filter(touches.is_earliest).inner_join(
        roles.rename(member="contact_id"), [("key", "deal"), ("contact_id", "member")]
    )
    places = [(role, place) for place, role in enumerate(BUYING_ROLES)]
    rows = joined.mutate(
        seen_s=ibis.greatest(joined.seen_s, joined.role_s), row_id=joined.contact_id, role=joined.buying_role,
        tie=joined.buying_role.cases(*places, else_=len(places)).cast("int64"),
    )  # fmt: skip
    return _earliest(rows, "role", 0)


def _people_met(known: Known) -> ir.Table:
    """Each contact's touches with level and department, seen once the contact is recorded too."""
    touches, contacts = known["touches"], known["contacts"]
    level, department = seniority_rank(contacts), contacts.department.strip().lower().nullif("")
    facts = contacts.select(
        person="contact_id", person_s="known_s", level=level, department=department,
        has_level=as_count(level.notnull()), is_senior=as_count(level >= SENIOR_LEVEL),
        has_department=as_count(department.notnull()),
    )  # fmt: skip
    joined = touches.filter(touches.is_earliest).inner_join(facts, [("contact_id", "person")])
    return joined.mutate(
        seen_s=ibis.greatest(joined.seen_s, joined.person_s), row_id=joined.contact_id, tie=-joined.level
    )


def _earliest(rows: ir.Table, fact: str, number: int) -> ir.Table:
    """Rows that happened before all that were seen before them, the earliest of all ranked highest.

    number: 0 or 1, tells the ranks of two facts apart.
    """
    order = ["seen_s", "at_s", "tie", "row_id"]
    before = ibis.window(group_by="key", order_by=order, rows=(None, -1))
    rows = rows.mutate(before_s=rows.at_s.min().over(before), rank=-(rows.at_s * 2 + number))
    return _as_fact(rows.filter(rows.before_s.isnull() | (rows.at_s < rows.before_s)), fact)


def _departments(people: ir.Table) -> ir.Table:
    """The person of each department who was seen first."""
    order = ibis.window(group_by=["key", "department"], order_by=["seen_s", "at_s", "row_id"])
    rows = people.filter(people.has_department == 1).mutate(place=ibis.row_number().over(order))
    return _as_fact(rows.filter(rows.place == 0), "department")


def _as_fact(rows: ir.Table, fact: str) -> ir.Table:
    """The stream's columns, null where the rows have none."""
    rows = rows.mutate(fact=ibis.literal(fact))
    return rows.select(
        **{
            name: (rows[name] if name in rows.columns else ibis.null(dtype)).cast(dtype)
            for name, dtype in _COLUMNS.items()
        }
    )


def _firsts(known: Known) -> ir.Table:
    """Encounters by `fact`: role and level (the first met), person and department (each once)."""
    people = _people_met(known)
    return ibis.union(
        _roles_met(known),
        _earliest(people.filter(people.has_level == 1), "level", 1),
        _as_fact(people.filter(people.prev_at_s.isnull()), "person"),
        _departments(people),
    )


STREAMS = (
    Stream("firsts", "deal", "contacts", "first encounters: roles, levels, people, departments", _firsts),
)
