"""The features of contracts a second time, in plain Python: one contract and one instant at a time.

Written from the catalogue's descriptions and the stated rules, not from the expressions under test.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from tests.features.oracle_promises import _events, promised
from tests.features.worlds import DAY, Rows

__all__ = ["complete", "oracle_keys", "oracle_renewals"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MEETINGS = ("meeting", "demo", "workshop", "event")
SPONSORS = ("champion", "mobilizer", "executive_sponsor", "economic_buyer")
LEVEL = {"c_level": 5, "vp": 4, "director": 3, "manager": 2, "individual": 1}


def complete(rows: Rows) -> Tables:
    """Every column of every row; clocks filled from business times and business times from clocks."""
    from tests.features.oracle import _complete

    return _complete(rows)


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
    uses = _usage_by_contract(tables, by_id)
    return [
        {"contract_id": key, "as_of": as_of, **_snapshot(tables, by_id, uses, by_id[key], as_of)}
        for key, as_of in keys
    ]


def begins(contract: Row) -> datetime | None:
    return contract["start_at"] or contract["known_at"]


def days(later: datetime, earlier: datetime) -> float:
    return (later - earlier) / DAY


def _snapshot(tables: Tables, by_id: dict[str, Row], uses: Any, contract: Row, as_of: datetime) -> Values:
    previous = _previous(by_id, contract)
    line = [use for use in uses[contract["contract_id"]] if _seen(use, contract) < as_of]
    own = [use for use in line if _in_term(use, contract)]
    before = uses[previous["contract_id"]] if previous else []
    line += [use for use in before if _seen(use, contract) < as_of]
    return {
        **_use(tables, contract, line, own, as_of),
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


class Used(NamedTuple):
    """Use of a product in a period, of one contract."""

    product: str | None
    began: datetime
    seen: datetime
    cents: int
    milli: int
    users: int
    amounts: int
    credits: int

    @property
    def at(self) -> datetime:
        return min(self.seen, self.began + 31 * DAY)

    @property
    def is_active(self) -> bool:
        return self.cents > 0 or self.milli > 0 or self.users > 0


def _seen(use: Used, contract: Row) -> datetime:
    return max(use.seen, contract["known_at"])


def _in_term(use: Used, contract: Row) -> bool:
    return use.began >= contract["begins"] and not (contract["end_at"] and use.began >= contract["end_at"])


def _half_up(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _usage_by_contract(tables: Tables, by_id: dict[str, Row]) -> dict[str, list[Used]]:
    """Rows that name their contract; the others, added up by account, product and period, shared."""
    out: dict[str, list[Used]] = defaultdict(list)
    loose: dict[Any, list[Used]] = defaultdict(list)
    for row in tables["usage"]:
        if row["known_at"] is None:
            continue
        began = row["usage_date"] or row["known_at"]
        amount, quantity = row["amount"], row["quantity"]
        use = Used(
            row["product"], began, max(row["known_at"], began), _half_up((amount or 0) * 100),
            _half_up((quantity or 0) * 1000), row["active_users"] or 0, int(amount is not None),
            int((amount or 0) < 0 or (quantity or 0) < 0),
        )  # fmt: skip
        if row["contract_id"] is not None:
            out[row["contract_id"]].append(use)
        else:
            loose[row["account_id"], use.product, use.began, use.seen].append(use)
    for (account, *_), group in loose.items():
        whole = group[0]._replace(
            **{name: sum(getattr(use, name) for use in group) for name in Used._fields[3:]}
        )
        running = [
            row for row in by_id.values()
            if row["account_id"] == account and row["known_at"] and row["known_at"] <= whole.seen
            and row["begins"] <= whole.began and not (row["end_at"] and row["end_at"] <= whole.began)
        ]  # fmt: skip
        mixed = len({row["currency"] for row in running} - {None}) > 1
        weights = [_half_up((row["committed_amount"] or 0) * 100) for row in running]
        if mixed or not all(weight > 0 for weight in weights):
            weights = [1] * len(running)
        for row, weight in zip(running, weights, strict=True):
            share = weight / sum(weights)
            out[row["contract_id"]].append(whole._replace(
                cents=0 if mixed else _half_up(whole.cents * share),
                amounts=0 if mixed else whole.amounts,
                milli=_half_up(whole.milli * share),
            ))  # fmt: skip
    return out


def _last_reported(tables: Tables, as_of: datetime) -> datetime | None:
    """When anybody's use last counted, of days that are over."""
    found = []
    for row in tables["usage"]:
        if row["known_at"] is None:
            continue
        began = row["usage_date"] or row["known_at"]
        seen = max(row["known_at"], began)
        midnight = EPOCH + timedelta(days=math.floor(days(seen, EPOCH)) + 1)
        if midnight - timedelta(seconds=1) < as_of:
            found.append(min(seen, began + 31 * DAY))
    return max(found, default=None)


def _use(tables: Tables, contract: Row, line: list[Used], own: list[Used], as_of: datetime) -> Values:
    feed = _last_reported(tables, as_of)
    money = any(use.amounts for use in line)
    reported = max((use.at for use in line), default=None)
    through = max([at for at in (reported, feed and min(as_of - 62 * DAY, feed)) if at], default=None)
    if through is None:
        through = as_of - 62 * DAY

    def rate(first: int, last: int) -> float | None:
        """Per day, from `first` to `last` days ago."""
        if not line:
            return None
        older = [use.at for use in line if use.at < as_of - first * DAY]
        inside = [use for use in line if as_of - first * DAY <= use.at and (use.at < as_of - last * DAY)]
        start = max(older) if older else min(use.began for use in line)
        ends = [use.at for use in line if use.at < as_of - last * DAY]
        end = through if last == 0 else max(ends, default=None)
        if end is None or days(end, start) < 14:
            return None
        return max(0, sum(use.cents if money else use.milli for use in inside)) / days(end, start)

    def over(a: float | None, b: float | None) -> float | None:
        return a / b if a is not None and b is not None and b > 0 else None

    ends, start = contract["end_at"], contract["begins"]
    committed = _half_up(contract["committed_amount"] * 100) if contract["committed_amount"] else None
    committed = committed if committed and committed > 0 else None
    term = days(ends, start) if ends and ends > start else None
    used = sum(use.cents for use in own) if own else None
    elapsed = min(1.0, days(through, start) / term) if term and days(through, start) >= 1 else None
    due = committed * elapsed if committed and elapsed else None
    net = None if used is None else max(0, used)
    burn = over(net, due) if money else None
    pace = rate(90, 0)
    ahead = max(0.0, days(ends, max(through, start))) if ends else None
    known = pace is not None and ahead is not None and committed is not None and money
    small = money and used is not None and due is not None and used < 0.05 * due
    rates = [r for n in range(6) if (r := rate(30 * n + 30, 30 * n)) is not None]
    lately, earlier = _window(line, as_of, 90, 0), _window(line, as_of, 180, 90)
    people = [over(sum(u.users for u in part), len({u.began for u in part})) for part in (lately, earlier)]
    products = [len({u.product for u in part if u.is_active and u.product}) for part in (lately, earlier)]
    had_products = any(u.is_active and u.product for u in (*lately, *earlier))
    active = [use.at for use in line if use.is_active]
    first = _first_value(contract, own, committed, term)
    return {
        "burn_ratio": burn,
        "projected_burn": ((net or 0) + pace * ahead) / committed if known else None,  # type: ignore[operator]
        "unused_commitment_share": max(0.0, 1 - burn) if burn is not None else None,
        "overage_share": max(0.0, net / committed - 1) if money and committed and net is not None else None,
        "is_shelfware": feed is not None and start <= as_of - 30 * DAY and (not own or small),
        "use_per_month": pace * 0.3 if money and pace is not None else None,
        "pace_vs_commitment": over(pace, committed / term) if money and committed and term else None,
        "use_trend_90d": over(pace, rate(180, 90)),
        "use_trend_30d": over(rate(30, 0), rate(120, 30)),
        "use_vs_year_before": over(pace, rate(455, 365)),
        "use_volatility": over(pstdev(rates), fmean(rates)) if len(rates) >= 3 else None,
        "days_since_use": days(as_of, max(active)) if active else None,
        "days_to_first_value": days(first, start) if first else None,
        "products_active_90d": products[0],
        "products_change": products[0] - products[1] if had_products else None,
        "active_users": people[0],
        "active_users_trend": over(people[0], people[1]),
        "credit_notes_180d": sum(use.credits for use in _window(line, as_of, 180, 0)),
    }


def _window(line: list[Used], as_of: datetime, first: int, last: int) -> list[Used]:
    return [
        use for use in line if as_of - first * DAY <= use.at and (last == 0 or use.at < as_of - last * DAY)
    ]


def _first_value(
    contract: Row, own: list[Used], committed: int | None, term: float | None
) -> datetime | None:
    """The first period by whose report use had passed 5 % of the commitment pro rata."""
    cents = milli = amounts = 0
    reached = []
    reports = sorted({(_seen(u, contract), u.began, u.at) for u in own})
    for report in reports:
        for use in own:
            if (_seen(use, contract), use.began, use.at) == report:
                cents, milli, amounts = cents + use.cents, milli + use.milli, amounts + use.amounts
        elapsed = max(1, math.floor(days(report[2], contract["begins"])))
        whole = max(1, math.floor(term)) if term else 1
        due = committed * elapsed / whole * 0.05 if committed and contract["end_at"] else 0.0
        if (cents > 0 and cents >= due) if amounts else milli > 0:
            reached.append(report[1])
    return min(reached, default=None)


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
