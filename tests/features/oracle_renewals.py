"""The features of contracts a second time, in plain Python: one contract and one instant at a time.

Written from the catalogue's descriptions and the stated rules, not from the expressions under test.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.features.oracle import _complete as complete
from tests.features.oracle_promises import _events, promised
from tests.features.oracle_renewal_use import days, in_term, seen_at, usage_by_contract, use_values
from tests.features.worlds import DAY

__all__ = ["complete", "oracle_keys", "oracle_renewals"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MEETINGS = ("meeting", "demo", "workshop", "event")
SPONSORS = ("champion", "mobilizer", "executive_sponsor", "economic_buyer")
LEVEL = {"c_level": 5, "vp": 4, "director": 3, "manager": 2, "individual": 1}


def oracle_keys(
    tables: Tables, as_of: datetime, horizons: Iterable[int], also_at: Iterable[datetime], overdue_days: int
) -> list[tuple[str, datetime]]:
    """Which contracts are looked at, and when."""
    found = set()
    for row in tables["contracts"]:
        ends, drawn = row["end_at"], set()
        if ends:
            drawn = {ends - days * DAY for days in horizons}
            drawn = {at for at in drawn if at < as_of and not (row["start_at"] and row["start_at"] > at)}
        for at in {as_of, *also_at}:
            if not ends or ends >= at - overdue_days * DAY:
                drawn.add(at)
        for at in drawn:
            known = row["known_at"] is not None and row["known_at"] < at
            if known and not (row["decided_at"] and row["decided_at"] < at):
                found.add((row["contract_id"], at))
    return sorted(found)


def oracle_renewals(tables: Tables, keys: list[tuple[str, datetime]]) -> list[Values]:
    """What the renewal frame should hold, but for how the deal was won."""
    by_id = {row["contract_id"]: row | {"begins": begins(row)} for row in tables["contracts"]}
    uses = usage_by_contract(tables, by_id)
    return [
        {"contract_id": key, "as_of": as_of, **_snapshot(tables, by_id, uses, by_id[key], as_of)}
        for key, as_of in keys
    ]


def begins(contract: Row) -> datetime | None:
    return contract["start_at"] or contract["known_at"]


def _snapshot(tables: Tables, by_id: dict[str, Row], uses: Any, contract: Row, as_of: datetime) -> Values:
    previous = _previous(by_id, contract)
    line = [use for use in uses[contract["contract_id"]] if seen_at(use, contract) < as_of]
    own = [use for use in line if in_term(use, contract)]
    before = uses[previous["contract_id"]] if previous else []
    line += [use for use in before if seen_at(use, contract) < as_of]
    return {
        **use_values(tables, contract, line, own, as_of),
        **_terms(tables, by_id, contract, as_of),
        **_people(tables, contract, as_of),
        **_promises(tables, _origin(by_id, contract), contract, as_of),
    }


def _previous(by_id: dict[str, Row], row: Row) -> Row | None:
    found = []
    for old in by_id.values():
        unlike = old["currency"] and row["currency"] and old["currency"] != row["currency"]
        if old["account_id"] is None or old["account_id"] != row["account_id"] or unlike:
            continue
        if old["known_at"] is None or old["known_at"] > row["known_at"] or old["end_at"] is None:
            continue
        if old["begins"] < row["begins"] and abs(old["end_at"] - row["begins"]) <= 31 * DAY:
            agreed = (
                old["decided_at"] is not None and old["decided_at"] <= row["known_at"]
                and old["renewed_amount"] is not None and old["renewed_amount"] == row["committed_amount"]
            )  # fmt: skip
            found.append((not agreed, EPOCH - old["known_at"], old["contract_id"], old))
    return min(found, key=lambda entry: entry[:3])[3] if found else None


def _chain(by_id: dict[str, Row], row: Row) -> list[Row]:
    chain = [row]
    while (previous := _previous(by_id, chain[-1])) is not None:
        chain.append(previous)
    return chain


def _origin(by_id: dict[str, Row], row: Row) -> str | None:
    return next((r["opportunity_id"] for r in _chain(by_id, row) if r["opportunity_id"]), None)


def _terms(tables: Tables, by_id: dict[str, Row], contract: Row, as_of: datetime) -> Values:
    ends, start = contract["end_at"], contract["begins"]
    account = contract["account_id"]
    previous = _previous(by_id, contract)
    mine = [row for row in by_id.values() if account and row["account_id"] == account and row["known_at"]]
    begun = [row for row in mine if max(row["known_at"], row["begins"]) < as_of]
    running = [row for row in begun if not (row["end_at"] and row["end_at"] < as_of)]
    decided = [
        row["outcome"] for row in mine
        if row["known_at"] < as_of and row["decided_at"] and row["decided_at"] < as_of
    ]  # fmt: skip
    deals = [
        row for row in tables["opportunities"]
        if account and row["account_id"] == account and row["created_at"] < as_of
        and not (row["outcome"] and row["closed_at"] and row["closed_at"] < as_of)
    ]  # fmt: skip
    facts: Row = next(
        (
            r
            for r in tables["accounts"]
            if r["account_id"] == account and r["known_at"] and r["known_at"] < as_of
        ),
        {},
    )
    before = previous["committed_amount"] if previous else None
    is_over = ends is not None and ends < as_of
    return {
        "days_to_term": days(ends, as_of) if ends else None,
        "is_overdue": is_over,
        "days_overdue": days(as_of, ends) if is_over else None,
        "term_days": days(ends, start) if ends else None,
        "days_since_start": days(as_of, start),
        "billing": contract["billing"],
        "committed_amount": contract["committed_amount"],
        "currency": contract["currency"],
        "commitment_vs_before": contract["committed_amount"] / before
        if before and contract["committed_amount"] is not None else None,
        "terms_before": len(_chain(by_id, contract)) - 1,
        "account_renewals": decided.count("renewed"),
        "account_churns": decided.count("churned"),
        "other_contracts_running": sum(row["contract_id"] != contract["contract_id"] for row in running),
        "customer_for_days": days(as_of, min(row["begins"] for row in begun)) if begun else None,
        "open_deals": len(deals),
        "expansion_is_open": any(row["type"] == "expansion" for row in deals),
        **{name: facts.get(name) for name in ("industry", "region", "employees", "decision_structure")},
    }  # fmt: skip


def _activities(tables: Tables, account: str | None, as_of: datetime) -> list[tuple[Row, datetime]]:
    """Past activities of the account with the time from which each is seen."""
    deals = {row["opportunity_id"]: row for row in tables["opportunities"]}
    out = []
    for row in tables["activities"]:
        deal = deals.get(row["opportunity_id"])
        of = row["account_id"] or (deal["account_id"] if deal else None)
        if of is None or of != account or row["known_at"] is None:
            continue
        seen = max(row["known_at"], row["occurred_at"])
        if row["account_id"] is None and deal:
            seen = max(seen, deal["created_at"])
        if seen < as_of:
            out.append((row, seen))
    return out


def _people(tables: Tables, contract: Row, as_of: datetime) -> Values:
    past = _activities(tables, contract["account_id"], as_of)
    came: dict[str, set[str]] = defaultdict(set)
    for row in tables["activity_participants"]:
        if row["contact_id"] and row["attended"] is not False:
            came[row["activity_id"]].add(row["contact_id"])
    contacts = {row["contact_id"]: row for row in tables["contacts"]}

    def within(n: int, m: int = 0) -> list[tuple[Row, datetime]]:
        low, high = as_of - n * DAY, as_of - m * DAY
        return [(row, seen) for row, seen in past if low <= row["occurred_at"] < high]

    half = within(180)
    told = [row["direction"] for row, _ in half if row["direction"]]
    levels = [
        LEVEL[person["seniority"]]
        for row, seen in half for contact in came[row["activity_id"]]
        if (person := contacts.get(contact)) and person["seniority"]
        and person["known_at"] and person["known_at"] <= seen
    ]  # fmt: skip
    now, then = len(within(90)), len(within(180, 90))
    return {
        "days_since_contact": days(as_of, max(row["occurred_at"] for row, _ in past)) if past else None,
        "contacts_made_90d": now,
        "contact_trend": now / then if then else None,
        "meetings_90d": sum(row["kind"] in MEETINGS for row, _ in within(90)),
        "meetings_180d": sum(row["kind"] in MEETINGS for row, _ in half),
        "inbound_share_180d": told.count("inbound") / len(told) if told else None,
        "people_met_180d": len({contact for row, _ in half for contact in came[row["activity_id"]]}),
        "seniority_180d": max(levels, default=None),
        **_sponsors(tables, contract["account_id"], past, came, as_of),
    }


def _sponsors(tables: Tables, account: str | None, past: Any, came: Any, as_of: datetime) -> Values:
    deals = {row["opportunity_id"]: row for row in tables["opportunities"] if account}
    ever, here = set(), set()
    since: dict[str, datetime] = {}
    for row in tables["opportunity_contacts"]:
        deal = deals.get(row["opportunity_id"])
        if (
            not deal
            or deal["account_id"] != account
            or row["buying_role"] not in SPONSORS
            or not row["known_at"]
        ):
            continue
        seen, contact = max(row["known_at"], deal["created_at"]), row["contact_id"]
        if seen >= as_of:
            continue
        since[contact] = min(since.get(contact, seen), seen)
        if row["removed_at"] is None or row["removed_at"] > seen:
            ever.add(contact)
            if row["removed_at"] is None or row["removed_at"] >= as_of:
                here.add(contact)
    heard = sorted(
        row["occurred_at"] for row, _ in past if any(contact in since for contact in came[row["activity_id"]])
    )
    gap = max(1.0, days(heard[-1], heard[0]) / (len(heard) - 1)) if len(heard) > 1 else None
    return {
        "champion_in_place": bool(here),
        "champion_left": bool(ever) and not here,
        "days_since_champion": days(as_of, heard[-1]) if heard else None,
        "champion_silence": days(as_of, heard[-1]) / gap if gap and len(heard) >= 3 else None,
    }


def _promises(tables: Tables, deal: str | None, contract: Row, as_of: datetime) -> Values:
    names = ("promises_undelivered", "promises_overdue", "promises_delivered", "promise_slips")
    if deal is None or not any(row["opportunity_id"] == deal for row in tables["opportunities"]):
        return dict.fromkeys(("promises_at_signature", *names), 0)
    values = promised(tables, deal, {"activities": [], "moments": [], "promises": []}, [], as_of)
    made = {
        event.row["feature"] for event in _events(tables, deal, as_of)
        if event.row["event"] == "promised" and event.at <= contract["begins"] and event.counts(as_of)
    }  # fmt: skip
    return {
        "promises_at_signature": len(made),
        **{name: values[name.replace("undelivered", "open")] for name in names},
    }
