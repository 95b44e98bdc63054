"""Why they buy (belief 3: fear of missing out buys once, mission-critical work renews)."""

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.measures import all_of, count, days_since, last
from features.streams.stream import as_count

__all__ = ["FEATURES"]

_BELIEF = "Belief 3: without a mission-critical job and senior backing, FOMO is shelfware."
_TESTED = "Belief 3: who has tested other avenues buys on more than fear of missing out."

_feature = Entries("motive", _BELIEF)


def _any(*counts: ir.FloatingValue) -> ir.BooleanValue:
    """Whether any of the counts is above zero; a count without rows is null."""
    return ibis.or_(*((count > 0).fill_null(False) for count in counts))


def _kinds_of_motive(*counts: ir.FloatingValue) -> ir.IntegerValue:
    """Need, backing and tested avenues that show. counts: of two signs, three, and one."""
    return as_count(_any(*counts[:2])) + as_count(_any(*counts[2:5])) + as_count(_any(*counts[5:]))


def _fomo_only(fomo: ir.FloatingValue, *others: ir.FloatingValue) -> ir.BooleanValue:
    """Whether the first count is the only one above zero."""
    return _any(fomo) & ~_any(*others)


_NEED = (count("moments", kind="mission_critical"), count("stated_needs"))
_BACKING = (
    count("moments", kind="sponsor_backing"), count("senior_meetings", 90), count("senior_supporters"),
)  # fmt: skip
_AVENUES = count("avenues")
_FOMO = count("moments", kind="fomo")

FEATURES = (
    _feature(
        "mission_critical_evidence", "count", "signs", _NEED[0],
        "Recorded signs that the work is mission-critical; zero if none.",
        "higher is better", "{value} signs of a mission-critical need", "No sign of a mission-critical need",
        certain=True,
    ),
    _feature(
        "has_mission_critical_need", "flag", "", all_of(_any, *_NEED),
        "Whether there is a sign that the work is mission-critical, or the customer's latest answer to why is at level 3 or 4.",
        "higher is better", "The work is mission-critical to the customer", "Nothing shows that the work is mission-critical",
    ),
    _feature(
        "fomo_evidence", "count", "signs", _FOMO,
        "Recorded signs of fear of missing out; zero if none.",
        "depends", "{value} signs of fear of missing out", "No sign of fear of missing out",
    ),
    _feature(
        "sponsor_backing_evidence", "count", "signs", _BACKING[0],
        "Recorded signs of senior backing; zero if none.",
        "higher is better", "Senior backing showed {value} times", "No senior backing has shown",
        certain=True,
    ),
    _feature(
        "days_since_sponsor_backing", "number", "days", days_since(last("moments", kind="sponsor_backing")),
        "Days since the latest sign of senior backing; null if none.",
        "lower is better", "Senior backing last showed {value} days ago", "No senior backing has shown",
    ),
    _feature(
        "has_senior_backing", "flag", "", all_of(_any, *_BACKING),
        "Whether senior people back the deal: a sign of it on record, a C-level contact or executive sponsor at a meeting of the last 90 days, or an executive sponsor or economic buyer recorded as a supporter.",
        "higher is better", "Senior people back the deal", "Nobody senior is seen to back the deal",
    ),
    _feature(
        "avenues_tested", "count", "avenues", _AVENUES,
        "Kinds of other ways looked at so far, of five: a competitor, a long list, a short list, a proof of concept, a bake-off; zero if none.",
        "depends", "The buyer tested {value} of 5 avenues", "The buyer tested no other avenue", _TESTED,
    ),
    _feature(
        "lasting_motives", "count", "motives", all_of(_kinds_of_motive, *_NEED, *_BACKING, _AVENUES),
        "How many of three lasting motives show: a mission-critical need, senior backing, other avenues tested; zero if none.",
        "higher is better", "{value} of 3 lasting motives have shown", "No lasting motive has shown",
    ),
    _feature(
        "is_fomo_only", "flag", "", all_of(_fomo_only, _FOMO, *_NEED, *_BACKING, _AVENUES),
        "Whether there are signs of fear of missing out, and neither a mission-critical need, nor senior backing, nor other avenues tested.",
        "lower is better", "The deal runs on fear of missing out alone", "The deal does not run on fear of missing out alone",
    ),
)  # fmt: skip
