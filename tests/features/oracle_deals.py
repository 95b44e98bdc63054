"""The oracle's second half: momentum, messages, the deal, its account and its seller."""

import itertools
from datetime import UTC, date, datetime
from statistics import fmean, linear_regression
from typing import Any

from tests.features.worlds import DAY

__all__ = ["commercial", "custom", "momentum"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
TALKS = ("meeting", "demo", "workshop", "event", "call")


def momentum(
    tables: Tables, deal: Row, recorded: list[Row], past: list[Row], changes: list[Row], as_of: datetime
) -> Values:
    """past: activities that happened and are known; recorded: all of the deal's; changes: known ones."""
    times = [a["occurred_at"] for a in past]
    two_way = [a["occurred_at"] for a in past if a["direction"] == "inbound" or a["kind"] in TALKS]
    booked = [
        a for a in recorded
        if a["kind"] in TALKS and a["known_at"] and a["known_at"] < as_of <= a["occurred_at"]
    ]  # fmt: skip
    located = [a["channel"] for a in past if a["channel"]]
    forecasts = _values(changes, "forecast_category")
    stretches = [
        sum(as_of - (3 * n + 3) * 7 * DAY <= t < as_of - 3 * n * 7 * DAY for t in times) / 3 for n in range(4)
    ]
    # a stretch ends where the next one begins: an instant on the border belongs to the later one
    return {
        "deal_age_days": (as_of - deal["created_at"]) / DAY,
        "days_since_activity": _ago(as_of, times),
        "days_since_two_way": _ago(as_of, two_way),
        "activities_ever": len(times),
        "activities_30d": sum(t >= as_of - 30 * DAY for t in times),
        "activities_90d": sum(t >= as_of - 90 * DAY for t in times),
        "weekly_activity_slope": (
            linear_regression([-3 * n for n in range(4)], stretches).slope if any(stretches) else None
        ),
        "offline_share": located.count("in_person") / len(located) if located else None,
        "next_meeting_booked": bool(booked),
        "meetings_booked": len(booked),
        "forecast_category": forecasts[-1] if forecasts else None,
        **_messages(past, as_of),
        **_stage(tables, changes, as_of),
        **_close_date(changes, as_of),
    }


def _ago(as_of: datetime, times: list[datetime]) -> float | None:
    return (as_of - max(times)) / DAY if times else None


def _values(changes: list[Row], field: str) -> list[str]:
    return [row["new_value"] for row in changes if row["field"] == field and row["new_value"] is not None]


def _messages(past: list[Row], as_of: datetime) -> Values:
    directed = [a for a in past if a["direction"]]
    inbound = [a for a in directed if a["direction"] == "inbound"]
    messages = [a for a in directed if a["kind"] in ("email", "call", "other")]
    answers = [
        (a, max(0.0, (a["occurred_at"] - before["occurred_at"]).total_seconds()))
        for before, a in itertools.pairwise(messages)
        if before["direction"] == "outbound" and a["direction"] == "inbound"
    ]
    return {
        "inbound_share": len(inbound) / len(directed) if directed else None,
        "inbound_30d": sum(a["occurred_at"] >= as_of - 30 * DAY for a in inbound),
        "reply_latency_hours": fmean(seconds for _, seconds in answers) / 3600 if answers else None,
        "replies_90d": sum(a["occurred_at"] >= as_of - 90 * DAY for a, _ in answers),
    }


def _stage(tables: Tables, changes: list[Row], as_of: datetime) -> Values:
    stages = {row["stage"]: row for row in tables["stages"]}
    stage, entered, moves, back = None, None, 0, 0
    for row in changes:
        new = row["new_value"]
        if row["field"] != "stage" or new is None or new == stage:
            continue
        if stage is not None:
            moves += 1
            back += new in stages and stage in stages and stages[new]["position"] < stages[stage]["position"]
        stage, entered = new, row["changed_at"]
    listed = stages.get(stage or "", {})
    return {
        "stage": stage,
        "stage_position": listed.get("position"),
        "crm_stage_probability": listed.get("default_probability"),
        "days_in_stage": (as_of - entered) / DAY if entered else None,
        "stage_changes": moves,
        "stage_regressions": back,
    }


def _close_date(changes: list[Row], as_of: datetime) -> Values:
    dates = [date.fromisoformat(text) for text in _values(changes, "close_date")]
    pushes = [(new - old).days for old, new in itertools.pairwise(dates) if new > old]
    ahead = None
    if dates:
        ahead = (datetime.combine(dates[-1], datetime.min.time(), UTC) - as_of) / DAY
    return {"close_date_pushes": len(pushes), "days_pushed": sum(pushes), "days_to_expected_close": ahead}


def commercial(tables: Tables, deal: Row, changes: list[Row], as_of: datetime) -> Values:
    """changes: the deal's own, known before as_of."""
    amounts = [float(text) for text in _values(changes, "amount") if text != "n/a"]
    account = _account(tables, deal, as_of)
    closed = [
        d for d in tables["opportunities"] if d["outcome"] and d["closed_at"] and d["closed_at"] < as_of
    ]
    of_account = [d for d in closed if deal["account_id"] and d["account_id"] == deal["account_id"]]
    won = sum(d["outcome"] == "won" for d in of_account)
    first = amounts[0] if amounts else 0.0
    return {
        "amount": amounts[-1] if amounts else None,
        "amount_vs_first": amounts[-1] / first if first else None,
        "amount_changes": sum(a != b for a, b in itertools.pairwise(amounts)),
        "type": deal["type"], "lead_source": deal["lead_source"], "currency": deal["currency"],
        "account_wins": won, "account_losses": len(of_account) - won,
        "employees": account.get("employees"), "industry": account.get("industry"),
        "region": account.get("region"), "decision_structure": account.get("decision_structure"),
        "account_age_days": (as_of - account["created_at"]) / DAY if account.get("created_at") else None,
        **_seller(tables, deal, closed, as_of),
    }  # fmt: skip


def _account(tables: Tables, deal: Row, as_of: datetime) -> Row:
    for row in tables["accounts"]:
        if row["account_id"] == deal["account_id"] and row["known_at"] and row["known_at"] < as_of:
            return row
    return {}


def _owner(tables: Tables, deal: Row, before: datetime) -> str | None:
    """Who owned a deal just before an instant; an entry at the deal's creation counts from then on."""
    history = [
        row for row in tables["opportunity_changes"]
        if row["opportunity_id"] == deal["opportunity_id"] and row["field"] == "owner" and row["new_value"]
        and (row["changed_at"] < before or row["changed_at"] <= deal["created_at"])
    ]  # fmt: skip
    if not history:
        return deal["owner_id"]
    return str(max(history, key=lambda row: (row["changed_at"], row["number"]))["new_value"])


def _seller(tables: Tables, deal: Row, closed: list[Row], as_of: datetime) -> Values:
    owner = _owner(tables, deal, as_of)
    own = [d for d in closed if owner and _owner(tables, d, d["closed_at"]) == owner]
    open_now = [
        d for d in tables["opportunities"]
        if d["created_at"] < as_of and not (d["outcome"] and d["closed_at"] and d["closed_at"] < as_of)
    ]  # fmt: skip
    rate = None
    if closed:
        everybody = sum(d["outcome"] == "won" for d in closed) / len(closed)
        rate = (sum(d["outcome"] == "won" for d in own) + 5 * everybody) / (len(own) + 5)
    return {
        "seller_win_rate": rate,
        "seller_deals_closed": len(own),
        "seller_open_deals": sum(_owner(tables, d, as_of) == owner for d in open_now) if owner else 0,
    }


def custom(tables: Tables, deal: Row, changes: list[Row], as_of: datetime) -> Values:
    """The generated worlds' own fields."""
    health, score, hot = _values(changes, "x_health"), deal.get("x_score"), deal.get("x_hot")
    return {
        "opportunities_x_score": None if score is None else float(score),
        "opportunities_x_hot": None if hot is None else hot == "yes",
        "accounts_x_tier": _account(tables, deal, as_of).get("x_tier"),
        "x_health_history": health[-1] if health else None,
    }
