# ruff: noqa: E501 (catalogue entries are prose, read a line each)
"""What was promised when the contract was signed, and what became of it."""

from features.families.entries import Entries
from features.feature import Measure
from features.measures import count, total

__all__ = ["FEATURES"]

_feature = Entries("promises", "Belief 2: what was sold on a promise renews once the promise is kept.")

FEATURES = (
    _feature(
        "promises_at_signature", "count", "features", Measure("promises_made", "distinct", "what"),
        "Distinct features promised before the contract began, on the deal that it goes back to; zero if none.",
        "lower is better", "{value} features were promised at signature", "Nothing was promised at signature",
    ),
    _feature(
        "promises_undelivered", "count", "features", count("promise_states", state="open"),
        "Promised features of that deal neither delivered nor withdrawn by now; zero if none.",
        "lower is better", "{value} promised features are still not delivered", "Nothing promised is undelivered",
    ),
    _feature(
        "promises_overdue", "count", "features", count("promises_overdue"),
        "Undelivered features of that deal whose date has passed; zero if none.",
        "lower is better", "{value} promised features are overdue", "No promise is overdue",
    ),
    _feature(
        "promises_delivered", "count", "features", count("promise_states", state="delivered"),
        "Promised features of that deal delivered by now; zero if none.",
        "higher is better", "{value} promised features were delivered", "No promised feature was delivered",
    ),
    _feature(
        "promise_slips", "count", "slips", total("promise_events", "is_slip"),
        "Times a promise of that deal was rescheduled, unless from a known date to the same or an earlier one; zero if none.",
        "lower is better", "Promises slipped {value} times", "No promise slipped",
    ),
)  # fmt: skip
