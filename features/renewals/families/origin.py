# ruff: noqa: E501 (catalogue entries are prose, read a line each)
"""How the deal was won that the contract, or the first one of its chain, goes back to."""

from typing import Literal

from features.feature import Expected, Feature
from features.measures import current
from features.origin import ORIGIN_FEATURES

__all__ = ["FEATURES"]

_MOTIVE = "Belief 3: fear of missing out buys once; mission-critical work with senior backing renews."
_PROMISES = "Belief 2: what was sold on a promise renews once the promise is kept."
_GROUP = "Belief 1: a deal won through one person hangs on that person."
_MUTUAL = "Belief 4: a customer who answered for itself knows what it bought."
_UNKNOWN = "How the first deal was won is not known"


def _entry(
    name: str, kind: Literal["flag", "number"], unit: str, what: str, rationale: str, expected: Expected, sentence: str,
    absent: str = _UNKNOWN,
) -> Feature:  # fmt: skip
    if name not in ORIGIN_FEATURES:
        raise KeyError(name)
    description = f"{what} at the last snapshot before the deal closed; null if no such deal is known."
    return Feature(
        f"origin_{name}", "origin", kind, unit, description, rationale, expected, sentence, absent,
        current("origins", name),
    )  # fmt: skip


FEATURES = (
    _entry("has_mission_critical_need", "flag", "", "Whether the work was mission-critical to the customer", _MOTIVE, "higher is better",
           "It was bought for mission-critical work", "Nothing showed that it was bought for mission-critical work"),
    _entry("has_senior_backing", "flag", "", "Whether senior people backed the deal", _MOTIVE, "higher is better",
           "Senior people backed the purchase", "Nobody senior was seen to back the purchase"),
    _entry("avenues_tested", "number", "avenues", "Kinds of other ways looked at, of five,", _MOTIVE, "depends",
           "Before buying they tested {value} of 5 avenues"),
    _entry("lasting_motives", "number", "motives", "How many of three lasting motives (need, backing, avenues tested) showed", _MOTIVE, "higher is better",
           "{value} of 3 lasting motives showed when they bought"),
    _entry("fomo_evidence", "number", "signs", "Signs of fear of missing out", _MOTIVE, "lower is better",
           "{value} signs of fear of missing out showed when they bought"),
    _entry("is_fomo_only", "flag", "", "Whether fear of missing out was the only motive that showed", _MOTIVE, "lower is better",
           "They bought on fear of missing out alone", "They did not buy on fear of missing out alone"),
    _entry("promises_open", "number", "features", "Promised features neither delivered nor withdrawn", _PROMISES, "lower is better",
           "They bought with {value} promised features not delivered"),
    _entry("promised_feature_dependence", "number", "share", "Share of what the deal rested on that was not shipped,", _PROMISES, "lower is better",
           "{value} of what they bought it for was not shipped"),
    _entry("spiral_phase", "number", "position", "The furthest phase of the promise spiral, of 7,", _PROMISES, "lower is better",
           "The promise spiral had reached phase {value} of 7 when they bought"),
    _entry("ways_out_seen", "number", "ways out", "Kinds of honest ways out of a promise taken, of four,", _PROMISES, "higher is better",
           "{value} of 4 honest ways out of a promise were taken when they bought"),
    _entry("is_single_threaded", "flag", "", "Whether a single person was in touch in the deal's last 90 days", _GROUP, "lower is better",
           "The deal was won through one person", "The deal was not won through one person alone"),
    _entry("top_contact_share", "number", "share", "Share of the touchpoints with the most-touched contact", _GROUP, "lower is better",
           "{value} of the contact before the purchase ran through one person"),
    _entry("questions_agreed", "number", "questions", "Questions of mutual qualification on which both sides agreed", _MUTUAL, "higher is better",
           "Both sides agreed on {value} questions when they bought"),
)  # fmt: skip
