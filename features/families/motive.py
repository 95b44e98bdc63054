"""Why they buy (belief 3: fear of missing out buys once, mission-critical work renews)."""

from features.families.entries import Entries
from features.measures import all_of, count, days_since, last

__all__ = ["FEATURES"]

_BELIEF = "Belief 3: without a mission-critical job and senior backing, FOMO is shelfware. Not yet tested."

_feature = Entries("motive", _BELIEF)

FEATURES = (
    _feature(
        "mission_critical_evidence", "count", "signs", count("moments", kind="mission_critical"),
        "Recorded signs that the work is mission-critical; zero if none.",
        "higher is better", "{value} signs of a mission-critical need", "No sign of a mission-critical need",
    ),
    _feature(
        "fomo_evidence", "count", "signs", count("moments", kind="fomo"),
        "Recorded signs of fear of missing out; zero if none.",
        "depends", "{value} signs of fear of missing out", "No sign of fear of missing out",
    ),
    _feature(
        "sponsor_backing_evidence", "count", "signs", count("moments", kind="sponsor_backing"),
        "Recorded signs of senior backing; zero if none.",
        "higher is better", "Senior backing showed {value} times", "No senior backing has shown",
    ),
    _feature(
        "days_since_sponsor_backing", "number", "days", days_since(last("moments", kind="sponsor_backing")),
        "Days since the latest sign of senior backing; null if none.",
        "lower is better", "Senior backing last showed {value} days ago", "No senior backing has shown",
    ),
    _feature(
        "is_fomo_only", "flag", "",
        all_of(lambda fomo, critical, backing: (fomo > 0) & (critical == 0) & (backing == 0),
               *(count("moments", kind=kind) for kind in ("fomo", "mission_critical", "sponsor_backing"))),
        "Whether fear of missing out is the only motive on record.",
        "lower is better", "The deal runs on fear of missing out alone", "The deal does not run on fear of missing out alone",
    ),
)  # fmt: skip
