"""The oracle's third part: vetoes, sponsors, first encounters, how sellers record roles."""

from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

from data.schema import BUYING_ROLES
from tests.features.worlds import DAY

__all__ = ["room"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
VETO = {
    "blocker", "economic_buyer", "decision_maker", "executive_sponsor", "procurement", "legal", "finance",
    "technical_evaluator",
}  # fmt: skip
SPONSOR = {"champion", "mobilizer"}
MEETINGS = ("meeting", "demo", "workshop", "event")
LEVEL = {"c_level": 5, "vp": 4, "director": 3, "manager": 2, "individual": 1}


class Touch(NamedTuple):
    deal: str | None
    contact: str
    at: datetime
    seen: datetime
    kind: str | None
    two_way: bool


def room(tables: Tables, deal: Row, as_of: datetime) -> Values:
    """What the catalogue says of the people around one deal at one instant."""
    every = _touches(tables, as_of)
    own = [touch for touch in every if touch.deal == deal["opportunity_id"]]
    roles = [row for row in _roles(tables, as_of) if row["opportunity_id"] == deal["opportunity_id"]]
    here = [row for row in roles if _is_here(row, as_of)]
    met = {touch.contact for touch in own}
    return {
        **_vetoes(here, met),
        **_stall(tables, deal, here, met, as_of),
        **_sponsors(here, own, as_of),
        **_load(tables, here, every, as_of),
        **_entry(tables, deal, roles, own, as_of),
        "seller_role_completeness": _completeness(tables, deal, every, as_of),
    }


def _is_past(activity: Row, as_of: datetime) -> bool:
    return bool(activity["known_at"]) and max(activity["known_at"], activity["occurred_at"]) < as_of


def _is_two_way(activity: Row) -> bool:
    return activity["direction"] == "inbound" or activity["kind"] in (*MEETINGS, "call")


def _touches(tables: Tables, as_of: datetime) -> list[Touch]:
    came = defaultdict(set)
    for row in tables["activity_participants"]:
        if row["contact_id"] and row["attended"] is not False:
            came[row["activity_id"]].add(row["contact_id"])
    return [
        Touch(
            a["opportunity_id"], contact, a["occurred_at"], max(a["known_at"], a["occurred_at"]), a["kind"],
            _is_two_way(a),
        )
        for a in tables["activities"] if _is_past(a, as_of)
        for contact in came[a["activity_id"]]
    ]  # fmt: skip


def _roles(tables: Tables, as_of: datetime) -> list[Row]:
    return [row for row in tables["opportunity_contacts"] if row["known_at"] and row["known_at"] < as_of]


def _is_here(row: Row, as_of: datetime) -> bool:
    return not (row["removed_at"] and row["removed_at"] < as_of)


def _is_open(deal: Row, as_of: datetime) -> bool:
    is_closed = deal["outcome"] and deal["closed_at"] and deal["closed_at"] < as_of
    return deal["created_at"] < as_of and not is_closed


def _vetoes(here: list[Row], met: set[str]) -> Values:
    holders = {row["contact_id"] for row in here if row["buying_role"] in VETO}
    against = {row["contact_id"] for row in here if row["stance"] == "opponent"}
    exposed = {contact for contact in holders if contact in against or contact not in met}
    return {
        "veto_exposure": len(exposed),
        "veto_exposure_share": len(exposed) / len(holders) if holders else None,
    }


def _stall(tables: Tables, deal: Row, here: list[Row], met: set[str], as_of: datetime) -> Values:
    heard = [
        a["occurred_at"] for a in tables["activities"]
        if a["opportunity_id"] == deal["opportunity_id"] and _is_past(a, as_of) and _is_two_way(a)
    ]  # fmt: skip
    silence = (as_of - max(heard, default=deal["created_at"])) / DAY
    left_out = [row for row in here if row["buying_role"] == "blocker" and row["contact_id"] not in met]
    stalled = bool(left_out) and silence >= 14
    return {"is_stalled_on_blocker": stalled}


def _sponsors(here: list[Row], own: list[Touch], as_of: datetime) -> Values:
    sponsors = {row["contact_id"] for row in here if row["buying_role"] in SPONSOR}
    lately = [touch for touch in own if touch.at >= as_of - 90 * DAY]
    two_way = [touch.contact for touch in lately if touch.two_way]
    share = None
    if len(sponsors) == 1 and two_way:
        share = sum(contact in sponsors for contact in two_way) / len(two_way)
    return {"sponsor_share_90d": share}


def _load(tables: Tables, here: list[Row], every: list[Touch], as_of: datetime) -> Values:
    sponsors = {row["contact_id"] for row in here if row["buying_role"] in {*SPONSOR, "executive_sponsor"}}
    still_open = {d["opportunity_id"] for d in tables["opportunities"] if _is_open(d, as_of)}
    groups = [row for row in _roles(tables, as_of) if _is_here(row, as_of)]
    deals = {
        sponsor: len({r["opportunity_id"] for r in groups if r["contact_id"] == sponsor} & still_open)
        for sponsor in sponsors
    }
    meetings = {
        sponsor: sum(
            touch.contact == sponsor and touch.kind in MEETINGS and touch.at >= as_of - 30 * DAY
            for touch in every
        )
        for sponsor in sponsors
    }
    return {
        "sponsor_open_deals": sum(deals.values()) / len(sponsors) if sponsors else None,
        "sponsor_meetings_30d": sum(meetings.values()) / len(sponsors) if sponsors else None,
    }


def _structure(
    tables: Tables, deal: Row, levels: list[int], departments: list[str], as_of: datetime
) -> str | None:
    for account in tables["accounts"]:
        is_known = account["known_at"] and account["known_at"] < as_of
        if is_known and account["account_id"] == deal["account_id"] and account["decision_structure"]:
            return str(account["decision_structure"])
    if min(len(levels), len(departments)) < 3:
        return None
    beyond = len(set(departments)) - sum(n >= 4 for n in levels)
    return "distributed" if beyond >= 3 else "centralised"


def _entry(tables: Tables, deal: Row, roles: list[Row], own: list[Touch], as_of: datetime) -> Values:
    people = {c["contact_id"]: c for c in tables["contacts"] if c["known_at"] and c["known_at"] < as_of}
    since: dict[tuple[str, str], datetime] = {}
    for row in roles:
        if row["buying_role"] not in (None, "unknown"):
            member = (row["contact_id"], row["buying_role"])
            since[member] = min(since.get(member, row["known_at"]), row["known_at"])
    by_role = [
        (touch.at, max(touch.seen, known), BUYING_ROLES.index(role), touch.contact, role)
        for touch in own for (contact, role), known in since.items() if contact == touch.contact
    ]  # fmt: skip
    level = {key: LEVEL[c["seniority"]] for key, c in people.items() if c["seniority"]}
    by_level = [
        (touch.at, max(touch.seen, people[touch.contact]["known_at"]), -level[touch.contact])
        for touch in own if touch.contact in level
    ]  # fmt: skip
    met = {touch.contact for touch in own} & set(people)
    levels = [level[contact] for contact in met if contact in level]
    departments = [people[contact]["department"] for contact in met if people[contact]["department"]]
    return {
        "decision_structure_inferred": _structure(tables, deal, levels, departments, as_of),
        "entry_role": min(by_role)[-1] if by_role else None,
        "entry_seniority": -min(by_level)[-1] if by_level else None,
        "departments_engaged": len(set(departments)),
        "senior_share": sum(n >= 4 for n in levels) / len(levels) if levels else None,
    }


def _owner(tables: Tables, deal: Row, at: datetime) -> str | None:
    """Who owned the deal from an instant on."""
    history = [
        row for row in tables["opportunity_changes"]
        if row["opportunity_id"] == deal["opportunity_id"] and row["field"] == "owner" and row["new_value"]
        and row["changed_at"] <= max(at, deal["created_at"])
    ]  # fmt: skip
    if not history:
        return None if deal["owner_id"] is None else str(deal["owner_id"])
    return str(max(history, key=lambda row: (row["changed_at"], row["number"]))["new_value"])


def _present_owner(tables: Tables, deal: Row, as_of: datetime) -> str | None:
    """The owner as of a snapshot: changes at that very instant are not known yet."""
    earlier = [
        row["changed_at"] for row in tables["opportunity_changes"]
        if row["opportunity_id"] == deal["opportunity_id"] and row["field"] == "owner" and row["new_value"]
        and row["changed_at"] < as_of
    ]  # fmt: skip
    return _owner(tables, deal, max(earlier, default=deal["created_at"]))


def _completeness(tables: Tables, deal: Row, every: list[Touch], as_of: datetime) -> float | None:
    roled: dict[tuple[str, str], datetime] = {}
    for row in _roles(tables, as_of):
        if row["buying_role"] not in (None, "unknown"):
            roled[row["opportunity_id"], row["contact_id"]] = row["known_at"]
    owner = _present_owner(tables, deal, as_of)
    met: dict[tuple[str, str], datetime] = {}
    for touch in every:
        if touch.deal:
            met[touch.deal, touch.contact] = min(met.get((touch.deal, touch.contact), touch.seen), touch.seen)
    deals = {d["opportunity_id"]: d for d in tables["opportunities"] if d["created_at"] < as_of}
    all_met = all_recorded = own_met = own_recorded = 0
    for (deal_id, contact), first in met.items():
        if deal_id not in deals or (of := _owner(tables, deals[deal_id], first)) is None:
            continue
        recorded = (deal_id, contact) in roled
        all_met, all_recorded = all_met + 1, all_recorded + recorded
        if of == owner:
            own_met, own_recorded = own_met + 1, own_recorded + recorded
    if not all_met:
        return None
    return (own_recorded + 20 * all_recorded / all_met) / (own_met + 20)
