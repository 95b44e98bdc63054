"""Where each open deal stands for somebody who plans its next step: its people, and what was said of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from features.gate import Known, gate
from features.promise_ledger import deals_known
from features.snapshots import DAY
from features.streams.people import members, seniority_rank, touches

__all__ = ["People", "Person", "people_of", "usual_levels"]

_LATELY_S = 90 * DAY


@dataclass(frozen=True)
class Person:
    """A contact of a deal as known at as_of: in its buying group now, or met before.

    in_group: recorded in the buying group and not removed; roles, stances: those there, without `unknown`.
    touches: past activities taken
    part in; lately: those of the last 90 days. days_since: days since the last of them, None if never.
    """

    contact_id: str
    name: str | None
    title: str | None
    in_group: bool
    roles: tuple[str, ...]
    stances: tuple[str, ...]
    touches: int
    lately: int
    days_since: float | None

    @property
    def called(self) -> str:
        """Name and title, as far as they are recorded."""
        name = self.name or f"contact {self.contact_id}"
        return f"{name} ({self.title})" if self.title else name


People = tuple[Person, ...]


def people_of(tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str]) -> dict[str, People]:
    """The people of each of these deals, known strictly before as_of; those met most lately come first."""
    calendar, keys = deals_known(tables, as_of, deals)
    numbers = ibis.row_number().over(ibis.window(order_by="opportunity_id")).cast("int64")
    keys = keys.select("opportunity_id", deal=numbers)
    known = gate(tables, calendar, keys)
    end_s = calendar.anchor_s
    group = members(known)
    group = group.filter((group.seen_s < end_s) & (group.ends_s >= end_s))
    group = group.select("key", "contact_id", "role", "stance").distinct()
    met = _met(known, end_s)
    pairs = group.select("key", "contact_id").union(met.select("key", "contact_id"), distinct=True)
    rows = pairs.left_join(group, ["key", "contact_id"]).drop("key_right", "contact_id_right")
    rows = rows.left_join(met, ["key", "contact_id"]).drop("key_right", "contact_id_right")
    named = known["contacts"].select(person="contact_id", name="name", title="title")
    rows = rows.left_join(named, [("contact_id", "person")]).inner_join(keys, [("key", "deal")])
    found = rows.select(
        "opportunity_id", "contact_id", "name", "title", "role", "stance", "touches", "lately", "last_s"
    )
    return _by_deal(found.to_pyarrow().to_pylist(), end_s)


def usual_levels(tables: Mapping[str, ir.Table], as_of: datetime) -> dict[str, str]:
    """By buying role the seniority most often recorded for it before as_of (of several, the lower level)."""
    calendar, keys = deals_known(tables, as_of, ())
    keys = keys.mutate(deal=ibis.literal(0, "int64"))
    known = gate(tables, calendar, keys.select("opportunity_id", "deal"))
    contacts = known["contacts"].filter(lambda row: row.seniority.notnull())
    ranked = contacts.select(person="contact_id", seniority="seniority", level=seniority_rank(contacts))
    roles = known["all_opportunity_contacts"].filter(lambda row: row.buying_role != "unknown")
    pairs = roles.select("contact_id", role="buying_role").distinct()
    joined = pairs.inner_join(ranked, [("contact_id", "person")])
    counted = joined.group_by("role", "seniority", "level").agg(n=joined.count())
    rows = counted.order_by("role", ibis.desc("n"), "level").to_pyarrow().to_pylist()
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(row["role"], row["seniority"])
    return found


def _met(known: Known, end_s: int) -> ir.Table:
    """How often each contact took part in a deal's activities, and when last."""
    rows = touches(known)
    rows = rows.filter(rows.seen_s < end_s)
    return rows.group_by("key", "contact_id").agg(
        touches=rows.count(), lately=rows.count(where=rows.at_s >= end_s - _LATELY_S), last_s=rows.at_s.max()
    )


def _by_deal(rows: list[dict[str, Any]], end_s: int) -> dict[str, People]:
    """One person for all rows of a deal and contact: the most met lately first, then ever, then by id."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        found.setdefault(row["opportunity_id"], {}).setdefault(row["contact_id"], []).append(row)
    ordered = {}
    for deal, people in found.items():
        persons = [_person(contact, held, end_s) for contact, held in people.items()]
        persons.sort(key=lambda one: (-one.lately, -one.touches, not one.roles, one.contact_id))
        ordered[deal] = tuple(persons)
    return ordered


def _person(contact: str, rows: list[dict[str, Any]], end_s: int) -> Person:
    first = rows[0]
    last_s = first["last_s"]
    return Person(
        contact_id=contact,
        name=first["name"],
        title=first["title"],
        in_group=any(row["role"] for row in rows),
        roles=tuple(sorted({row["role"] for row in rows} - {None, "unknown"})),
        stances=tuple(sorted({row["stance"] for row in rows} - {None, "unknown"})),
        touches=first["touches"] or 0,
        lately=first["lately"] or 0,
        days_since=None if last_s is None else (end_s - last_s) / DAY,
    )
