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
    "role": "string", "department": "string", "level": "int64", "is_senior": "int64", "tie": "int64",
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
    return _lows(rows, "role")


def _people_met(known: Known) -> ir.Table:
    """Each contact's touches with level and department, seen once the contact is recorded too."""
    touches, contacts = known["touches"], known["contacts"]
    level = seniority_rank(contacts)
    facts = contacts.select(
        person="contact_id", person_s="known_s", level=level, is_senior=as_count(level >= SENIOR_LEVEL),
        department=contacts.department.strip().lower().nullif(""),
    )  # fmt: skip
    joined = touches.filter(touches.is_earliest).inner_join(facts, [("contact_id", "person")])
    return joined.mutate(
        seen_s=ibis.greatest(joined.seen_s, joined.person_s), row_id=joined.contact_id, tie=-joined.level
    )


def _lows(rows: ir.Table, fact: str) -> ir.Table:
    """Rows that happened before all that were seen before them: the latest of these is the earliest."""
    order = ["seen_s", "at_s", "tie", "row_id"]
    before = ibis.window(group_by="key", order_by=order, rows=(None, -1))
    rows = rows.mutate(before_s=rows.at_s.min().over(before))
    return _as_fact(rows.filter(rows.before_s.isnull() | (rows.at_s < rows.before_s)), fact)


def _first_of(rows: ir.Table, by: str, fact: str) -> ir.Table:
    """The row of each member that was seen first."""
    order = ibis.window(group_by=["key", by], order_by=["seen_s", "at_s", "row_id"])
    rows = rows.mutate(place=ibis.row_number().over(order))
    return _as_fact(rows.filter(rows.place == 0), fact)


def _as_fact(rows: ir.Table, fact: str) -> ir.Table:
    """The stream's columns, null where the rows have none."""
    rows = rows.mutate(fact=ibis.literal(fact))
    have = {
        name: rows[name] if name in rows.columns else ibis.null(dtype) for name, dtype in _COLUMNS.items()
    }
    return rows.select(**{name: value.cast(_COLUMNS[name]) for name, value in have.items()})


def _firsts(known: Known) -> ir.Table:
    """Encounters by `fact`: role (first met), level (first met), person and department (each once)."""
    people = _people_met(known)
    leveled, placed = people.filter(people.level.notnull()), people.filter(people.department.notnull())
    rows = ibis.union(
        _roles_met(known), _lows(leveled, "level"), _first_of(leveled, "row_id", "person"),
        _first_of(placed, "row_id", "placed"), _first_of(placed, "department", "department"),
    )  # fmt: skip
    order = ibis.window(group_by="key", order_by=["fact", "seen_s", "at_s", "tie", "row_id"])
    return rows.mutate(rank=ibis.row_number().over(order))


STREAMS = (
    Stream("firsts", "deal", "contacts", "first encounters: roles, levels, people, departments", _firsts),
)
