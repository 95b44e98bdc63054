"""Contact with each buying role, and who answers whom (belief 1)."""

from data.schema import BUYING_ROLES
from features.feature import Expected, Feature
from features.measures import all_of, count, days_since, last, number, ratio, total

__all__ = ["FEATURES"]

_BELIEF = "Belief 1: a role nobody speaks to can stall or veto the deal."
_HOUR = 3_600
_NO_WINDOW = ("executive_sponsor", "legal", "mobilizer", "user")
"""Roles whose touchpoints of 90 days told nothing beyond those ever (docs/worth.md)."""


def _of_role(role: str) -> tuple[Feature, ...]:
    """Touchpoints with one buying role: ever, in 90 days where that tells more, and days since the last."""
    words = role.replace("_", " ")
    expected: Expected = "depends" if role in ("blocker", "procurement", "legal") else "higher is better"
    counts = tuple(
        Feature(
            f"{role}_touches{suffix}", "touchpoints", "count", "touchpoints",
            f"Activities{within} in which a contact of role {words} took part; zero if none.",
            _BELIEF, expected, f"{{value}} touchpoints with role {words}{within}", f"No contact with role {words}{within}",
            count("role_touches", days, buying_role=role),
        )
        for suffix, days, within in (("", None, ""), ("_90d", 90, " in the last 90 days"))
        if days is None or role not in _NO_WINDOW
    )  # fmt: skip
    recency = Feature(
        f"days_since_{role}", "touchpoints", "number", "days",
        f"Days since a contact of role {words} took part in an activity; null if never.",
        _BELIEF, "lower is better", f"Last contact with role {words} was {{value}} days ago", f"No contact with role {words} yet",
        days_since(last("role_touches", buying_role=role)),
    )  # fmt: skip
    return (*counts, recency)


_ROLES = tuple(role for role in BUYING_ROLES if role != "unknown")

FEATURES = (
    *(feature for role in _ROLES for feature in _of_role(role)),
    Feature(
        "unknown_role_touches", "touchpoints", "count", "touchpoints",
        "Touchpoints with contacts whose buying role is not recorded at as_of; zero if none.",
        _BELIEF, "depends", "{value} touchpoints are with people of unknown role", "Every contact's role is known",
        all_of(lambda touches, roled: touches - roled, count("touches"), count("roled_touches")),
    ),
    Feature(
        "unknown_role_touches_90d", "touchpoints", "count", "touchpoints",
        "Touchpoints of the last 90 days less those of contacts whose role was known by then; zero if none.",
        _BELIEF, "depends", "{value} touchpoints in 90 days are with people of unknown role",
        "Every recent contact's role is known",
        all_of(lambda touches, roled: touches - roled, count("touches", 90), count("roled_touches", 90)),
    ),
    Feature(
        "inbound_share", "touchpoints", "number", "share",
        "Share of past activities with a direction that came from the buyer; null if none has a direction.",
        "Belief 4: qualification is mutual; a buyer who writes is buying.",
        "higher is better", "{value} of the messages came from the buyer", "No message has a direction",
        ratio(count("activities", direction="inbound"), count("activities", direction=("inbound", "outbound"))),
    ),
    Feature(
        "inbound_30d", "touchpoints", "count", "messages",
        "Activities of the last 30 days that came from the buyer; zero if none.",
        "Belief 4: qualification is mutual.",
        "higher is better", "The buyer wrote or called {value} times in 30 days", "Nothing came from the buyer in 30 days",
        count("activities", 30, direction="inbound"),
    ),
    Feature(
        "reply_latency_hours", "touchpoints", "number", "hours",
        "Mean hours from an outbound message to the buyer's answer, over all answers; null without one.",
        "Belief 5: momentum shows in how fast the buyer answers.",
        "lower is better", "The buyer answers after {value} hours", "The buyer has not answered a message yet",
        all_of(lambda seconds, n: seconds / n.nullif(number(0)) / number(_HOUR),
               total("replies", "latency_s"), count("replies")),
    ),
    Feature(
        "replies_90d", "touchpoints", "count", "replies",
        "The buyer's answers to outbound messages in the last 90 days; zero if none.",
        "Belief 5: silence comes before a loss.",
        "higher is better", "The buyer answered {value} times in 90 days", "The buyer has not answered in 90 days",
        count("replies", 90),
    ),
)  # fmt: skip
