"""The oracle's part on how a purchase goes: steps, answers of both sides, acts, contracts and use."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from data.schema import MOMENT_KINDS, QUESTIONS, SIDES
from tests.features.worlds import DAY

__all__ = ["buying", "known_moments"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
Touches = list[tuple[Row, str]]
STEPS = MOMENT_KINDS[:12]
TALKS = ("meeting", "demo", "workshop", "event", "call")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def buying(
    tables: Tables, deal: Row, recorded: list[Row], past: list[Row], touches: Touches, changes: list[Row],
    as_of: datetime,
) -> Values:  # fmt: skip
    """The families journey and qualification.

    recorded: the deal's activities; past: those that happened and are known, in the order in which they
    became so; touches: (activity, contact) of these; changes: the deal's, known, in order.
    """
    moments = known_moments(tables, deal["opportunity_id"], as_of)
    standing = [m for m in moments if not (m["superseded_at"] and m["superseded_at"] < as_of)]
    latest, first_answer = _answers(tables, deal, as_of)
    return {
        **_steps(moments, deal, as_of),
        **_signals(standing),
        **_qualification(latest, as_of),
        "days_answer_to_proposal": _order(first_answer, moments, changes),
        **_acts(recorded, past, touches, moments, as_of),
        "data_shared": sum(m["kind"] == "data_shared" for m in standing),
        **_payment(tables, deal, latest, as_of),
    }


def known_moments(tables: Tables, deal: str, as_of: datetime) -> list[Row]:
    """Recorded and read moments of a deal that are seen before as_of, in the order in which they were.

    Without those read from a note whose recorded row stood before them.
    """
    found = []
    for row in tables["moments"]:
        found.append({**row, "derived": False, "superseded_at": None, "id": row["moment_id"]})
    for row in tables["text_moments"]:
        found.append({**row, "derived": True, "id": f"text:{row['activity_id']}:{row['kind']}"})
    out = []
    for row in found:
        if row["opportunity_id"] != deal or row["known_at"] is None:
            continue
        happened = row["occurred_at"] or row["known_at"]
        seen = max(happened, row["known_at"])
        if seen < as_of and not (row["superseded_at"] and row["superseded_at"] <= seen):
            out.append({**row, "occurred_at": happened, "seen": seen})
    return sorted(out, key=lambda row: (row["seen"], row["occurred_at"], row["id"]))


def _days(later: datetime, earlier: datetime) -> float:
    return (later - earlier) / DAY


def _steps(moments: list[Row], deal: Row, as_of: datetime) -> Values:
    furthest, back, last_step, advances = 0, 0, None, []
    reached: set[str] = set()
    read: list[tuple[str, datetime]] = []
    for row in moments:
        if row["kind"] not in STEPS:
            continue
        number = STEPS.index(row["kind"]) + 1
        stands_for_a_note = not row["derived"] and (row["kind"], row["known_at"]) in read
        if number > furthest:
            furthest = number
            advances.append(row["occurred_at"])
        elif number < furthest and not stands_for_a_note:
            back += 1
        if row["derived"] and row["superseded_at"]:
            read.append((row["kind"], row["superseded_at"]))
        reached.add(row["kind"])
        last_step = max(last_step or row["occurred_at"], row["occurred_at"])
    return {
        "furthest_step": furthest or None,
        "steps_reached": len(reached),
        "step_regressions": back,
        "steps_skipped": sum(step not in reached for step in STEPS[: max(furthest - 1, 0)]),
        "advances_90d": sum(at >= as_of - 90 * DAY for at in advances),
        "days_to_furthest_step": _days(max(advances), deal["created_at"]) if advances else None,
        "days_since_step": _days(as_of, last_step) if last_step else None,
    }


def _signals(standing: list[Row]) -> Values:
    def n(kind: str) -> int:
        return sum(row["kind"] == kind for row in standing)

    return {
        "competitor_mentions": n("competitor_mentioned"),
        "metrics_requests": n("metrics_requested"),
        "reference_requests": n("reference_requested"),
        "objections": n("objection"),
        "beta_offers": n("beta_or_launch_partner"),
        "advisor_mentions": n("advisor_involved"),
    }


def _answers(
    tables: Tables, deal: Row, as_of: datetime
) -> tuple[dict[tuple[str, str], Row], datetime | None]:
    """Each side's latest answer to each question, and when the first of all was given."""
    given = [
        row for row in tables["qualification"]
        if row["opportunity_id"] == deal["opportunity_id"] and row["answer"] is not None
        and row["known_at"] and row["known_at"] < as_of
    ]  # fmt: skip
    given.sort(key=lambda row: (row["known_at"], row["number"]))
    latest = {(row["question"], row["side"]): row for row in given}
    return latest, given[0]["known_at"] if given else None


def _qualification(latest: dict[tuple[str, str], Row], as_of: datetime) -> Values:
    out: Values = {}
    agreed = 0
    for question in QUESTIONS:
        of_sides = [latest.get((question, side)) for side in SIDES]
        for side, row in zip(SIDES, of_sides, strict=True):
            out[f"{question}_level_{side}"] = row["answer"] if row else None
        levels = [row["answer"] for row in of_sides if row]
        gap = abs(levels[0] - levels[1]) if len(levels) == 2 else None
        out[f"{question}_gap"] = gap
        agreed += gap is not None and gap <= 1
    for side in SIDES:
        given = [row["known_at"] for key, row in latest.items() if key[1] == side]
        out[f"questions_answered_{side}"] = len(given)
        out[f"answer_age_{side}"] = _days(as_of, max(given)) if given else None
    out["questions_agreed"] = agreed
    return out


def _order(answered: datetime | None, moments: list[Row], changes: list[Row]) -> float | None:
    proposed = [m["occurred_at"] for m in moments if m["kind"] in ("cost_benefit", "negotiation")]
    for row in changes:
        name = (row["new_value"] or "").lower()
        if row["field"] == "stage" and any(
            word in name for word in ("propos", "quote", "quotation", "offer")
        ):
            proposed.append(row["changed_at"])
    return _days(min(proposed), answered) if proposed and answered else None


def _acts(
    recorded: list[Row], past: list[Row], touches: Touches, moments: list[Row], as_of: datetime
) -> Values:
    ahead = [
        row["direction"] for row in recorded
        if row["kind"] in TALKS and row["known_at"] and row["known_at"] < as_of <= row["occurred_at"]
    ]  # fmt: skip
    met: set[str] = set()
    brought: list[datetime] = []
    for activity in past:
        here = {contact for a, contact in touches if a is activity}
        if here & met and (activity["direction"] == "inbound" or activity["kind"] in TALKS):
            brought.extend(activity["occurred_at"] for _ in here - met)
        met |= here
    shared = [m["occurred_at"] for m in moments if m["kind"] == "data_shared"]

    def of_buyer(days: int) -> int:
        from_then = as_of - days * DAY
        wrote = [a["occurred_at"] for a in past if a["direction"] == "inbound"]
        return sum(at >= from_then for at in [*wrote, *brought, *shared]) + ahead.count("inbound")

    def of_seller(days: int) -> int:
        wrote = [a["occurred_at"] for a in past if a["direction"] == "outbound"]
        return sum(at >= as_of - days * DAY for at in wrote) + ahead.count("outbound")

    both = of_buyer(90) + of_seller(90)
    return {
        "buyer_acts_30d": of_buyer(30),
        "seller_acts_30d": of_seller(30),
        "buyer_acts_share": of_buyer(90) / both if both else None,
        "colleagues_brought": len(brought),
    }


def _payment(tables: Tables, deal: Row, latest: dict[tuple[str, str], Row], as_of: datetime) -> Values:
    contracts = [
        row for row in tables["contracts"]
        if deal["account_id"] and row["account_id"] == deal["account_id"] and _is_seen(tables, row, as_of)
    ]  # fmt: skip
    post_pay = any(
        row["billing"] == "postpay" and not (row["end_at"] and row["end_at"] < as_of) for row in contracts
    )
    uses = _uses(tables, deal, as_of)
    lately, both = (sum(cents for at, cents in uses if at >= as_of - days * DAY) for days in (90, 180))
    whole = bool(uses) and min(uses)[0] <= as_of - 180 * DAY
    committed, days = _committed(contracts, as_of)
    return {
        "is_post_pay": post_pay,
        "consumption_growth": lately / (both - lately) if whole and both > lately else None,
        "consumption_vs_commitment": lately / committed if days >= 30 and committed > 0 else None,
    }


def _is_seen(tables: Tables, contract: Row, as_of: datetime) -> bool:
    """Recorded and begun, and the deal behind it closed unless it was created later than that."""
    if contract["known_at"] is None:
        return False
    seen = max(contract["known_at"], contract["start_at"] or contract["known_at"])
    waits = any(
        deal["opportunity_id"] == contract["opportunity_id"] and deal["created_at"] < seen
        and not (deal["outcome"] and deal["closed_at"] and deal["closed_at"] < as_of)
        for deal in tables["opportunities"]
    )  # fmt: skip
    return seen < as_of and not waits


def _uses(tables: Tables, deal: Row, as_of: datetime) -> list[tuple[datetime, int]]:
    """What the account used, as far as it is known: when it counts, and cents."""
    uses = []
    for row in tables["usage"]:
        if not deal["account_id"] or row["account_id"] != deal["account_id"] or row["amount"] is None:
            continue
        known = row["known_at"]
        began = row["usage_date"] or known
        if known is not None and max(known, began) < as_of:
            uses.append((min(max(known, began), began + timedelta(days=31)), round(row["amount"] * 100)))
    return uses


def _committed(contracts: list[Row], as_of: datetime) -> tuple[float, float]:
    """Cents committed to for the last 90 days, and the days of contracts among them."""
    cents = days = 0.0
    now = _days(as_of, EPOCH)
    for row in contracts:
        start, end = row["start_at"] or row["known_at"], row["end_at"]
        if not row["committed_amount"] or end is None or end <= start:
            continue
        first, last = math.floor(_days(start, EPOCH)), math.floor(_days(end, EPOCH))
        within = max(0.0, min(now, last) - max(now - 90, first))
        cents += within * math.floor(row["committed_amount"] * 100 / max(last - first, 1) + 0.5)
        days += within
    return cents, days
