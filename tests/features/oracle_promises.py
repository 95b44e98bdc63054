"""The oracle's part on promises, their spiral and the motive: one deal at one instant, in plain loops."""

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any, NamedTuple

from tests.features.worlds import DAY

__all__ = ["motive", "promised"]

Row = dict[str, Any]
Values = dict[str, Any]
Tables = dict[str, list[Row]]
Touches = list[tuple[Row, str]]
MEETINGS = ("meeting", "demo", "workshop", "event")
EVALUATIONS = ("solution_visualised", "proof_of_concept", "cost_benefit", "bake_off")
LEVEL = {"c_level": 5, "vp": 4, "director": 3, "manager": 2, "individual": 1}


class Seen(NamedTuple):
    """Something seen: when it may be seen, when it happened, its key, and until when it counts."""

    seen: datetime
    at: datetime
    key: str
    ends: datetime | None
    row: Row

    def counts(self, now: datetime) -> bool:
        return self.ends is None or self.ends >= now


def promised(tables: Tables, deal: str, past: Tables, touches: Touches, as_of: datetime) -> Values:
    """past: the deal's known activities in the order in which they became known; touches: who came."""
    events = _events(tables, deal, as_of)
    moments = _seen(tables, "moments", deal, as_of)
    threads: dict[Any, list[Seen]] = defaultdict(list)
    slips: dict[str, int] = {}
    moved = 0
    for event in events:
        thread = threads[event.row["feature"], event.row["derived"]]
        if event.row["event"] == "rescheduled":
            old, new = thread[-1].row["due_at"] if thread else None, event.row["due_at"]
            if new is None or old is None or new > old:
                slips[event.key] = event.counts(as_of)
                if new and old and event.counts(as_of):
                    moved += (new - old).days
        thread.append(event)
    values = _standing(threads, past, moments, as_of)
    values |= {
        "promise_slips": sum(slips.values()),
        "promise_days_moved": moved,
        "promise_withdrawn": any(e.row["event"] == "withdrawn" and e.counts(as_of) for e in events),
    }
    return values | _spiral(tables, events, threads, set(slips), moments, past, touches, as_of)


def _seen(tables: Tables, name: str, deal: str, as_of: datetime) -> list[Seen]:
    """A deal's moments or promise events, recorded or read from notes, in the order they became known."""
    out = []
    for derived, table in ((False, name), (True, f"text_{name}")):
        for row in tables[table]:
            if row["opportunity_id"] != deal or row["known_at"] is None:
                continue
            at = row["occurred_at"] or row["known_at"]
            seen, ends = max(at, row["known_at"]), row["superseded_at"] if derived else None
            said = row["event"] + ":" + row["feature"] if derived and name == "promises" else row.get("kind")
            key = f"text:{row['activity_id']}:{said}" if derived else row[f"{name[:-1]}_id"]
            if seen < as_of and (ends is None or ends > seen):
                out.append(Seen(seen, at, key, ends, row | {"derived": derived}))
    return sorted(out, key=lambda found: found[:3])


def _events(tables: Tables, deal: str, as_of: datetime) -> list[Seen]:
    return _seen(tables, "promises", deal, as_of)


def _standing(threads: dict[Any, list[Seen]], past: Tables, moments: list[Seen], as_of: datetime) -> Values:
    """What became of each promise whose latest event still counts."""
    open_days, delivered_days, overdue, late = [], [], [], 0
    for events in threads.values():
        last = events[-1]
        if not last.counts(as_of):
            continue
        since = min((e.at for e in events if e.row["event"] == "promised"), default=last.at)
        due = next((e.row["due_at"] for e in events if e.row["due_at"]), None)
        if last.row["event"] == "delivered":
            delivered_days.append(max(0, (last.at - since).days))
            late += due is not None and last.at > due
        elif last.row["event"] != "withdrawn":
            open_days.append((as_of - since) / DAY)
            if last.row["due_at"] and last.row["due_at"] < as_of:
                overdue.append((as_of - last.row["due_at"]) / DAY)
    evaluated = sum(a["kind"] in ("demo", "workshop") for a in past["activities"])
    evaluated += sum(m.row["kind"] in EVALUATIONS and m.counts(as_of) for m in moments)
    resting = sum(1 + days / 30 for days in open_days)
    whole = resting + sum(1 + days / 30 for days in delivered_days) + evaluated
    return {
        "promises_open": len(open_days),
        "promises_delivered": len(delivered_days),
        "promises_delivered_late": late,
        "promised_feature_dependence": resting / whole if whole else None,
        "promises_overdue": len(overdue),
    }


def _spiral(
    tables: Tables, events: list[Seen], threads: dict[Any, list[Seen]], moved: set[str],
    moments: list[Seen], past: Tables, touches: Touches, as_of: datetime,
) -> Values:  # fmt: skip
    slip = _first_slip(threads, moved, as_of)
    meetings = _meetings(tables, past, touches)
    reached: dict[int, tuple[datetime, datetime]] = {}

    def reach(phase: int, seen: datetime, at: datetime) -> None:
        if seen < as_of:
            reached[phase] = min(reached.get(phase, (seen, at)), (seen, at))

    def after(seen: datetime, at: datetime) -> datetime | None:
        """From when a row may be seen as one after the slip."""
        return max(seen, slip[0]) if slip and at >= slip[1] else None

    for event in events:
        if event.row["event"] == "promised" and _attention_lost(event, past, meetings):
            reach(1, event.seen, event.at)
    if slip:
        reach(2, slip[0], slip[1])
    for n, meeting in enumerate(meetings):
        seen = after(meeting["seen"], meeting["at"])
        if seen and n and meeting["new"]:
            reach(3, seen, meeting["at"])
        best = max((m["level"] for m in meetings[:n] if m["level"]), default=0)
        if seen and meeting["level"] and (meeting["level"] == 1 or best - meeting["level"] >= 2):
            reach(6, seen, meeting["at"])
    out = {e.row["event"] for e in events if e.row["event"] in ("delivered", "withdrawn")}
    for moment in moments:
        kind, seen = moment.row["kind"], after(moment.seen, moment.at)
        if kind == "competitor_mentioned" and seen:
            reach(4, seen, moment.at)
        if kind in ("metrics_requested", "reference_requested") and seen and _is_open(threads, seen):
            reach(5, seen, moment.at)
        asked = any(
            m.row["kind"] == "reference_requested" and m.seen <= moment.seen and m.at <= moment.at
            for m in moments
        )
        in_time = _is_open(threads, moment.seen) or seen
        if in_time and (kind == "beta_or_launch_partner" or (kind == "reference_delivered" and asked)):
            out.add(kind)
    for event in events:
        seen, name = after(event.seen, event.at), event.row["feature"]
        if event.row["event"] == "promised" and seen and name and slip and slip[2] and name != slip[2]:
            reach(7, seen, event.at)
    since = (as_of - slip[1]) / DAY if slip else None
    steps = [at for _, at in reached.values()]
    return {
        "spiral_phase": max(reached, default=0),
        "spiral_phases_seen": len(reached),
        "days_since_spiral_step": (as_of - max(steps)) / DAY if steps else None,
        "spiral_pace": sum(n >= 2 for n in reached) / max(1.0, since / 30) if since is not None else None,
        "ways_out_seen": len(out),
    }


def _first_slip(
    threads: dict[Any, list[Seen]], moved: set[str], as_of: datetime
) -> tuple[datetime, datetime, str | None] | None:
    """When it may be seen, when it happened, and the feature."""
    found: list[tuple[datetime, datetime, str, str | None]] = []
    for events in threads.values():
        for event, later in zip(events, [*events[1:], None], strict=True):
            feature, due = event.row["feature"], event.row["due_at"]
            if event.key in moved:
                found.append((event.seen, event.at, event.key, feature))
            if due is None or event.row["event"] in ("delivered", "withdrawn"):
                continue
            passed = max(event.seen, due + timedelta(days=7))
            still = (later is None or later.seen > passed) and (event.ends is None or event.ends > passed)
            if passed < as_of and still:
                found.append((passed, due, event.key, feature))
    if not found:
        return None
    seen, at, _, feature = min(found, key=lambda slip: slip[:3])
    return seen, at, feature


def _is_open(threads: dict[Any, list[Seen]], now: datetime) -> bool:
    """Whether some promise is open at an instant."""
    for events in threads.values():
        known = [event for event in events if event.seen <= now]
        if known and known[-1].row["event"] in ("promised", "rescheduled"):
            ends = known[-1].ends
            if ends is None or ends > now:
                return True
    return False


def _attention_lost(event: Seen, past: Tables, meetings: list[Row]) -> bool:
    known = [a for a in past["activities"] if max(a["known_at"], a["occurred_at"]) <= event.seen]
    heard = [
        a["occurred_at"] for a in known
        if a["direction"] == "inbound" or a["kind"] in (*MEETINGS, "call")
    ]  # fmt: skip
    if heard and event.at - max(heard) >= 14 * DAY:
        return True
    held = [m for m in meetings if m["seen"] <= event.seen]
    if not held:
        return False
    latest = max(m["at"] for m in held)
    return any(m["at"] == latest and _fewer(m, meetings) for m in held)


def _fewer(meeting: Row, meetings: list[Row]) -> bool:
    """Whether fewer came than to the three meetings recorded before."""
    before = [m["came"] for m in meetings[: meetings.index(meeting)]][-3:]
    return bool(before) and meeting["came"] < fmean(before)


def _meetings(tables: Tables, past: Tables, touches: Touches) -> list[Row]:
    """Past meetings somebody came to, in the order in which they became known."""
    people = {row["contact_id"]: row for row in tables["contacts"]}
    met: set[str] = set()
    out = []
    for activity in past["activities"]:
        came = {contact for a, contact in touches if a is activity}
        seen = max(activity["known_at"], activity["occurred_at"])
        levels = [
            LEVEL.get(people[c]["seniority"], 0) for c in came
            if c in people and people[c]["known_at"] and people[c]["known_at"] <= seen
        ]  # fmt: skip
        if came and activity["kind"] in MEETINGS:
            out.append({
                "seen": seen, "at": activity["occurred_at"], "key": activity["activity_id"],
                "came": len(came), "new": len(came - met), "level": max(levels, default=0),
            })  # fmt: skip
        met |= came
    return out


def motive(tables: Tables, deal: str, touches: Touches, roles: list[Row], as_of: datetime) -> Values:
    """roles: rows of the deal's buying group recorded before as_of."""
    moments = _seen(tables, "moments", deal, as_of)

    def signs(kind: str) -> int:
        return sum(m.row["kind"] == kind and m.counts(as_of) for m in moments)

    answers = [
        row for row in tables["qualification"]
        if row["opportunity_id"] == deal and row["question"] == "why" and row["side"] == "customer"
        and row["answer"] is not None and row["known_at"] and row["known_at"] < as_of
    ]  # fmt: skip
    answers.sort(key=lambda row: (row["known_at"], row["number"]))
    top = {
        row["contact_id"] for row in tables["contacts"]
        if row["seniority"] == "c_level" and row["known_at"] and row["known_at"] < as_of
    }  # fmt: skip
    top |= {row["contact_id"] for row in roles if row["buying_role"] == "executive_sponsor"}
    meetings = {
        a["activity_id"] for a, contact in touches
        if contact in top and a["kind"] in MEETINGS and a["occurred_at"] >= as_of - 90 * DAY
    }  # fmt: skip
    supporters = [
        row for row in roles
        if row["stance"] == "supporter" and row["buying_role"] in ("executive_sponsor", "economic_buyer")
        and not (row["removed_at"] and row["removed_at"] < as_of)
    ]  # fmt: skip
    avenues = {m.row["kind"] for m in moments} & {
        "competitor_mentioned", "long_list", "short_list", "proof_of_concept", "bake_off",
    }  # fmt: skip
    need = signs("mission_critical") > 0 or bool(answers and answers[-1]["answer"] >= 3)
    backing = signs("sponsor_backing") > 0 or bool(meetings) or bool(supporters)
    backed = [m.at for m in moments if m.row["kind"] == "sponsor_backing"]
    return {
        "mission_critical_evidence": signs("mission_critical"),
        "has_mission_critical_need": need,
        "fomo_evidence": signs("fomo"),
        "sponsor_backing_evidence": signs("sponsor_backing"),
        "days_since_sponsor_backing": (as_of - max(backed)) / DAY if backed else None,
        "has_senior_backing": backing,
        "avenues_tested": len(avenues),
        "lasting_motives": need + backing + bool(avenues),
        "is_fomo_only": signs("fomo") > 0 and not (need or backing or avenues),
    }
