"""The steps of the purchase, and signals beside them (belief 5)."""

from features.families.entries import Entries
from features.measures import all_of, count, current, days_since, last, number
from features.snapshots import DAY

__all__ = ["FEATURES"]

_BELIEF = "Belief 5: a purchase is a series of micro-moments."
_SPIRAL = "Belief 2: rivals and requests for proof come with promises that slip."

_feature = Entries("journey", _BELIEF)

FEATURES = (
    _feature(
        "furthest_step", "number", "step of 12", last("steps", "step"),
        "The furthest recorded step, from 1 (problem recognised) to 12 (sign-off); null if none.",
        "higher is better", "The furthest step is number {value} of 12", "No step of the purchase is recorded",
        certain=True,
    ),
    _feature(
        "steps_reached", "count", "steps", count("steps", is_first=True),
        "Distinct steps of the purchase recorded so far; zero if none.",
        "higher is better", "{value} of 12 steps have been seen", "No step of the purchase is recorded",
    ),
    _feature(
        "step_regressions", "count", "steps back", count("steps", is_regression=True),
        "Steps recorded after a further one; zero if none.",
        "lower is better", "The purchase went back {value} times", "The purchase never went back",
        certain=True,
    ),
    _feature(
        "steps_skipped", "count", "steps",
        all_of(lambda furthest, reached: furthest - reached, last("steps", "step"), count("steps", is_first=True)),
        "Steps before the furthest one that were never seen; zero if none.",
        "lower is better", "{value} steps before the furthest one were skipped", "No step was skipped",
    ),
    _feature(
        "advances_90d", "count", "steps", count("steps", 90, is_advance=True),
        "Steps of the last 90 days that went beyond all seen before; zero if none.",
        "higher is better", "The purchase moved ahead {value} times in 90 days", "The purchase has not moved ahead in 90 days",
    ),
    _feature(
        "days_to_furthest_step", "number", "days",
        all_of(lambda then, created: number(then - created) / number(DAY),
               last("steps", "advanced_s"), current("deals", "created_s")),
        "Days from the deal's creation to the latest step that went beyond all seen before it; null if none.",
        "lower is better", "The furthest step was reached {value} days after the start", "No step of the purchase is recorded",
    ),
    _feature(
        "days_since_step", "number", "days", days_since(last("steps")),
        "Days since the latest recorded step; null if none.",
        "lower is better", "The last step was {value} days ago", "No step of the purchase is recorded",
    ),
    _feature(
        "competitor_mentions", "count", "mentions", count("moments", kind="competitor_mentioned"),
        "Times a competitor was mentioned; zero if none.",
        "lower is better", "A competitor came up {value} times", "No competitor came up", _SPIRAL,
    ),
    _feature(
        "metrics_requests", "count", "requests", count("moments", kind="metrics_requested"),
        "Times the buyer asked for metrics; zero if none.",
        "lower is better", "Metrics were asked for {value} times", "No metrics were asked for", _SPIRAL,
    ),
    _feature(
        "reference_requests", "count", "requests", count("moments", kind="reference_requested"),
        "Times the buyer asked for a reference; zero if none.",
        "depends", "A reference was asked for {value} times", "No reference was asked for", _SPIRAL,
    ),
    _feature(
        "objections", "count", "objections", count("moments", kind="objection"),
        "Objections recorded so far; zero if none.",
        "lower is better", "{value} objections were raised", "No objection was raised",
        certain=True,
    ),
    _feature(
        "beta_offers", "count", "offers", count("moments", kind="beta_or_launch_partner"),
        "Times beta or launch partnership was agreed or offered; zero if none.",
        "higher is better", "Beta or launch partnership came up {value} times", "No beta was offered",
        "Belief 2: beta or launch partner is the honest way out.",
    ),
    _feature(
        "advisor_mentions", "count", "mentions", count("moments", kind="advisor_involved"),
        "Times that an analyst or a consultancy had a part, as read from notes; zero if none.",
        "depends", "An analyst or a consultancy came up {value} times", "No analyst or consultancy came up",
    ),
)  # fmt: skip
