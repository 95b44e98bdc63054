"""The oracle's part on use: whose it is, when it counts, and what follows from it, in plain loops."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from tests.features.worlds import DAY

__all__ = ["Used", "days", "in_term", "seen_at", "usage_by_contract", "use_values"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def days(later: datetime, earlier: datetime) -> float:
    return (later - earlier) / DAY


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


def seen_at(use: Used, contract: Row) -> datetime:
    return max(use.seen, contract["known_at"])


def in_term(use: Used, contract: Row) -> bool:
    return use.began >= contract["begins"] and not (contract["end_at"] and use.began >= contract["end_at"])


def _half_up(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def usage_by_contract(tables: Tables, by_id: dict[str, Row]) -> dict[str, list[Used]]:
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


def use_values(tables: Tables, contract: Row, line: list[Used], own: list[Used], as_of: datetime) -> Values:
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
    reports = sorted({(seen_at(u, contract), u.began, u.at) for u in own})
    for report in reports:
        for use in own:
            if (seen_at(use, contract), use.began, use.at) == report:
                cents, milli, amounts = cents + use.cents, milli + use.milli, amounts + use.amounts
        elapsed = max(1, math.floor(days(report[2], contract["begins"])))
        whole = max(1, math.floor(term)) if term else 1
        due = committed * elapsed / whole * 0.05 if committed and contract["end_at"] else 0.0
        if (cents > 0 and cents >= due) if amounts else milli > 0:
            reached.append(report[1])
    return min(reached, default=None)
