"""Which features a seller can move by what they do next, and between which values: declared here alone."""

from dataclasses import dataclass
from typing import Any

from data.errors import UsageError
from data.schema import BUYING_ROLES, QUESTIONS, SIDES
from features.feature import Feature, Kind

__all__ = ["ACTIONABLE", "Allowed", "checked_value", "is_actionable"]


@dataclass(frozen=True)
class Allowed:
    """The smallest and the largest value, both included, in the feature's own unit (flags: 0 and 1)."""

    low: float
    high: float


_FLAG = Allowed(0, 1)
_SHARE = Allowed(0, 1)
_COUNT = Allowed(0, 999)
_DAYS = Allowed(0, 3_650)
_LEVEL_OF_4 = Allowed(0, len(QUESTIONS))
_LEVEL_OF_5 = Allowed(1, 5)

_ROLES = tuple(role for role in BUYING_ROLES if role != "unknown")
_NO_WINDOW = ("executive_sponsor", "legal", "mobilizer", "user")
"""Roles without a feature of 90 days, see `features.families.touchpoints`."""

ACTIONABLE: dict[str, Allowed] = {
    **{f"{role}_touches": _COUNT for role in _ROLES},
    **{f"{role}_touches_90d": _COUNT for role in _ROLES if role not in _NO_WINDOW},
    **{f"days_since_{role}": _DAYS for role in _ROLES},
    **dict.fromkeys(
        (
            "stakeholders_engaged", "stakeholders_engaged_30d", "stakeholders_engaged_90d",
            "attendance_latest_meeting", "meetings_held", "new_contacts_30d", "veto_exposure",
            "blockers_untouched", "departments_engaged", "activities_30d", "activities_90d",
            "meetings_booked", "sponsor_backing_evidence", "seller_acts_30d", "promises_open",
            "promises_overdue", "beta_offers",
        ),
        _COUNT,
    ),
    "roles_engaged": Allowed(0, len(_ROLES)),
    **dict.fromkeys(
        ("top_contact_share", "veto_exposure_share", "senior_share", "sponsor_share_90d", "offline_share",
         "promised_feature_dependence"),
        _SHARE,
    ),
    **dict.fromkeys(
        ("days_since_champion_touch", "days_blockers_untouched", "days_since_two_way", "days_since_activity",
         "days_since_sponsor_backing", "answer_age_vendor", "answer_age_customer"),
        _DAYS,
    ),
    **dict.fromkeys(
        ("is_single_threaded", "economic_buyer_engaged", "is_stalled_on_blocker", "next_meeting_booked",
         "has_senior_backing", "promise_withdrawn"),
        _FLAG,
    ),
    **dict.fromkeys(("highest_seniority", "seniority_latest_meeting"), _LEVEL_OF_5),
    **{f"{question}_level_{side}": _LEVEL_OF_4 for question in QUESTIONS for side in SIDES},
    **{f"{question}_gap": _LEVEL_OF_4 for question in QUESTIONS},
    **dict.fromkeys(
        ("questions_answered_vendor", "questions_answered_customer", "questions_agreed"),
        Allowed(0, len(QUESTIONS)),
    ),
    "ways_out_seen": Allowed(0, 4),
}  # fmt: skip
"""Features by name with their values allowed. What is left out follows from others, from history, from the
customer or the seller as they are, or is a field of one's own, of which nobody knows what moves it."""


def is_actionable(feature: Feature) -> bool:
    """Whether a seller can move the feature by what they do next."""
    return feature.name in ACTIONABLE


def checked_value(name: str, kind: Kind, value: Any, unit: str = "") -> int | float | bool:
    """The value as the feature of that name holds it: a flag as bool, a count as int, a number as float.

    Raises UsageError for a feature that is not actionable, a value of another type, or one out of range.
    """
    if name not in ACTIONABLE:
        raise UsageError(
            f"{name}: not a feature that a seller can move, so it cannot be changed here. "
            "The catalogue says which are actionable."
        )
    allowed = ACTIONABLE[name]
    said = f"{name}: expected {_expected(kind, allowed, unit)}, found {value!r}."
    if kind == "flag":
        if not isinstance(value, bool):
            raise UsageError(said)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(said)
    if not allowed.low <= value <= allowed.high or (kind == "count" and value != int(value)):
        raise UsageError(said)
    return int(value) if kind == "count" else float(value)


def _expected(kind: Kind, allowed: Allowed, unit: str) -> str:
    if kind == "flag":
        return "true or false"
    whole = "a whole number" if kind == "count" else "a number"
    return f"{whole} from {allowed.low:g} to {allowed.high:g}{f' ({unit})' if unit else ''}"
