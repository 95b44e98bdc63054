"""The catalogue a second time, in plain Python: slow loops over rows, one deal and one instant at a time.

Written from the catalogue's descriptions and from the contract, not from the expressions under test.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from data.schema import BUYING_ROLES, TABLES
from tests.features.oracle_buying import buying
from tests.features.oracle_deals import commercial, custom, momentum
from tests.features.oracle_promises import motive, promised
from tests.features.oracle_room import room
from tests.features.worlds import DAY, Rows

__all__ = ["oracle_rows"]

Row = dict[str, Any]
Values = dict[str, Any]
MEETINGS = ("meeting", "demo", "workshop", "event")
LEVEL = {"c_level": 5, "vp": 4, "director": 3, "manager": 2, "individual": 1}


def oracle_rows(rows: Rows, as_of: datetime, step: timedelta) -> list[Values]:
    """What the feature frame should hold: one row per deal and instant, sorted by both."""
    tables = _complete(rows)
    by_deal = _by_deal(tables)
    out = []
    for deal in sorted(tables["opportunities"], key=lambda row: row["opportunity_id"]):
        instants, instant = [], as_of
        while instant > deal["created_at"]:
            if not is_closed(deal, instant):
                instants.append(instant)
            instant -= step
        of_deal = by_deal[deal["opportunity_id"]]
        out.extend(_snapshot(tables, deal, of_deal, instant) for instant in reversed(instants))
    return out


def is_closed(deal: Row, as_of: datetime) -> bool:
    return deal["outcome"] is not None and deal["closed_at"] is not None and deal["closed_at"] < as_of


def _complete(rows: Rows) -> dict[str, list[Row]]:
    """Every column of every row; clocks filled from business times and business times from clocks."""
    out: dict[str, list[Row]] = {}
    for name, table in TABLES.items():
        out[name] = []
        for number, given in enumerate(rows.get(name, []), start=1):
            row = dict.fromkeys(table.column_names) | given | {"number": given.get("source_row", number)}
            if table.business_time and row["known_at"] is None:
                row["known_at"] = row[table.business_time]
            if table.business_time == "occurred_at" and row["occurred_at"] is None:
                row["occurred_at"] = row["known_at"]
            out[name].append(row)
    for name in ("text_moments", "text_promises"):
        out[name] = rows.get(name, [])
    return out


def _by_deal(tables: dict[str, list[Row]]) -> dict[str, dict[str, list[Row]]]:
    of_deals = ("activities", "moments", "opportunity_contacts", "promises", "opportunity_changes")
    by_deal: dict[str, dict[str, list[Row]]] = defaultdict(lambda: {name: [] for name in of_deals})
    for name in of_deals:
        for row in tables[name]:
            by_deal[row["opportunity_id"]][name].append(row)
    return by_deal


def _snapshot(
    tables: dict[str, list[Row]], deal: Row, of_deal: dict[str, list[Row]], as_of: datetime
) -> Values:
    past = {
        name: sorted(
            (
                row
                for row in of_deal[name]
                if row["known_at"] and max(row["known_at"], row["occurred_at"]) < as_of
            ),
            key=lambda row: (
                max(row["known_at"], row["occurred_at"]),
                row["occurred_at"],
                row[TABLES[name].key],
            ),
        )
        for name in ("activities", "moments", "promises")
    }
    roles = [row for row in of_deal["opportunity_contacts"] if row["known_at"] and row["known_at"] < as_of]
    changes = [row for row in of_deal["opportunity_changes"] if row["changed_at"] < as_of]
    changes.sort(key=lambda row: (row["changed_at"], row["number"]))
    touches = _touches(tables, past["activities"])
    return {
        "opportunity_id": deal["opportunity_id"], "as_of": as_of,
        **_people(tables, past["activities"], roles, as_of),
        **momentum(tables, deal, of_deal["activities"], past["activities"], changes, as_of),
        **promised(tables, deal["opportunity_id"], past, touches, as_of),
        **motive(tables, deal["opportunity_id"], touches, roles, as_of),
        **room(tables, deal, as_of),
        **buying(tables, deal, of_deal["activities"], past["activities"], touches, changes, as_of),
        **commercial(tables, deal, changes, as_of),
        **custom(tables, deal, changes, as_of),
    }  # fmt: skip


def _touches(tables: dict[str, list[Row]], past: list[Row]) -> list[tuple[Row, str]]:
    """(activity, contact) once each, in the order in which the activities became known."""
    out = []
    for activity in past:
        came = {
            row["contact_id"]
            for row in tables["activity_participants"]
            if row["activity_id"] == activity["activity_id"]
            and row["contact_id"]
            and row["attended"] is not False
        }
        out.extend((activity, contact) for contact in sorted(came))
    return out


def _days(as_of: datetime, times: list[datetime]) -> float | None:
    return (as_of - max(times)) / DAY if times else None


def _people(tables: dict[str, list[Row]], past: list[Row], roles: list[Row], as_of: datetime) -> Values:
    touches = _touches(tables, past)
    by_role = {role: {r["contact_id"] for r in roles if r["buying_role"] == role} for role in BUYING_ROLES}
    by_role.pop("unknown")
    roled = set().union(*by_role.values())
    here = [row for row in roles if not (row["removed_at"] and row["removed_at"] < as_of)]

    def within(days: int) -> list[tuple[Row, str]]:
        return [(a, c) for a, c in touches if a["occurred_at"] >= as_of - days * DAY]

    def contacts(pairs: list[tuple[Row, str]]) -> set[str]:
        return {contact for _, contact in pairs}

    out: Values = {}
    for role, members in by_role.items():
        of_role = [(a, c) for a, c in touches if c in members]
        out[f"{role}_touches"] = len(of_role)
        if role not in ("executive_sponsor", "legal", "mobilizer", "user"):
            out[f"{role}_touches_90d"] = sum(c in members for _, c in within(90))
        out[f"days_since_{role}"] = _days(as_of, [a["occurred_at"] for a, _ in of_role])
    unknown = [c for _, c in touches if c not in roled]
    known_here = {row["contact_id"] for row in here}
    engaged = contacts(touches)
    sponsors = by_role["champion"] | by_role["mobilizer"]
    per_contact = [sum(c == contact for _, c in touches) for contact in engaged]
    out |= {
        "unknown_role_touches": len(unknown),
        "unknown_role_touches_90d": sum(c not in roled for _, c in within(90)),
        "unknown_role_share": len(unknown) / len(touches) if touches else None,
        "stakeholders_known": len(known_here),
        "stakeholders_engaged": len(engaged),
        "stakeholders_engaged_30d": len(contacts(within(30))),
        "stakeholders_engaged_90d": len(contacts(within(90))),
        "is_single_threaded": len(contacts(within(90))) == 1,
        "roles_known": len({row["buying_role"] or "unknown" for row in here}),
        "roles_engaged": sum(bool(members & engaged) for members in by_role.values()),
        "top_contact_share": max(per_contact) / len(touches) if touches else None,
        "champion_present": any(row["buying_role"] in ("champion", "mobilizer") for row in here),
        "days_since_champion_touch": _days(as_of, [a["occurred_at"] for a, c in touches if c in sponsors]),
        "economic_buyer_engaged": bool(by_role["economic_buyer"] & engaged),
        "opponents_known": len({row["contact_id"] for row in here if row["stance"] == "opponent"}),
        "supporters_known": len({row["contact_id"] for row in here if row["stance"] == "supporter"}),
    }
    out |= _blockers(touches, roles, here, as_of)
    out |= _meetings(tables, past, touches, as_of)
    return out


def _blockers(touches: list[tuple[Row, str]], roles: list[Row], here: list[Row], as_of: datetime) -> Values:
    recorded: dict[str, datetime] = {}
    for row in roles:
        if row["buying_role"] == "blocker":
            first = recorded.get(row["contact_id"], row["known_at"])
            recorded[row["contact_id"]] = min(first, row["known_at"])
    known = {row["contact_id"] for row in here if row["buying_role"] == "blocker"}
    spoken = [a["occurred_at"] for a, c in touches if c in recorded]
    return {
        "blockers_known": len(known),
        "blockers_untouched": len(known - {c for _, c in touches}),
        "days_blockers_untouched": _days(as_of, [*recorded.values(), *spoken]),
    }


def _meetings(
    tables: dict[str, list[Row]], past: list[Row], touches: list[tuple[Row, str]], as_of: datetime
) -> Values:
    people = {row["contact_id"]: row for row in tables["contacts"]}

    def level(activity: Row, contact: str) -> int | None:
        person = people.get(contact)
        seen = max(activity["known_at"], activity["occurred_at"])
        if person is None or person["known_at"] is None or person["known_at"] > seen:
            return None
        return LEVEL.get(person["seniority"])

    def top(activity: Row) -> int | None:
        levels = [level(a, c) for a, c in touches if a is activity]
        return max((n for n in levels if n is not None), default=None)

    def came(activity: Row) -> int:
        return sum(a is activity for a, _ in touches)

    first_touch: dict[str, Row] = {}
    for activity, contact in touches:
        first_touch.setdefault(contact, activity)
    met_lately = [a for a in first_touch.values() if a["occurred_at"] >= as_of - 30 * DAY]
    levels = [level(a, c) for a, c in touches]
    meetings = [a for a in past if a["kind"] in MEETINGS and came(a)]
    stayed_away = {
        (a["activity_id"], row["contact_id"])
        for a in past if a["occurred_at"] >= as_of - 90 * DAY
        for row in tables["activity_participants"]
        if row["activity_id"] == a["activity_id"] and row["contact_id"] and row["attended"] is False
    }  # fmt: skip
    out: Values = {
        "highest_seniority": max((n for n in levels if n is not None), default=None),
        "meetings_held": len(meetings),
        "new_contacts_30d": len(met_lately),
        "no_shows_90d": len(stayed_away),
        "seniority_latest_meeting": None,
        "attendance_latest_meeting": None,
    }
    if not meetings:
        return out
    latest = max(meetings, key=lambda a: (a["occurred_at"], a["activity_id"]))
    out["seniority_latest_meeting"] = top(latest)
    out["attendance_latest_meeting"] = came(latest)
    return out
