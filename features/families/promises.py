"""Promised features (belief 2: selling what is not shipped starts a spiral)."""

import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Formula
from features.measures import count, is_any, number, total
from features.snapshots import DAY

__all__ = ["FEATURES"]

_BELIEF = "Belief 2: promises kill deals; a slip brings new faces, rivals and doubt. Not yet tested."
_DAYS_PER_WEIGHT = 30
_EVALUATIONS = ("solution_visualised", "proof_of_concept", "cost_benefit", "bake_off")


def _dependence(
    as_of_s: ir.IntegerValue, n_open: ir.FloatingValue, since_s: ir.FloatingValue,
    n_delivered: ir.FloatingValue, waited_days: ir.FloatingValue, n_demos: ir.FloatingValue,
    n_evaluations: ir.FloatingValue,
) -> ir.FloatingValue:  # fmt: skip
    """Weighted open promises as a share of everything that the deal rests on.

    A promise weighs 1 + days outstanding / 30; a delivered capability that was evaluated weighs 1.
    """
    outstanding_days = (number(as_of_s) * n_open - since_s) / number(DAY)
    resting = n_open + outstanding_days / number(_DAYS_PER_WEIGHT)
    shipped = n_delivered + waited_days / number(_DAYS_PER_WEIGHT)
    return resting / (resting + shipped + n_demos + n_evaluations).nullif(number(0))


_feature = Entries("promises", _BELIEF)

_OPEN = count("promise_states", state="open")
_OVERDUE = count("promises_overdue")

FEATURES = (
    _feature(
        "promises_open", "count", "features", _OPEN,
        "Promised features neither delivered nor withdrawn at as_of; zero if none.",
        "lower is better", "{value} promised features are not delivered", "Nothing undelivered is promised",
    ),
    _feature(
        "promises_delivered", "count", "features", count("promise_states", state="delivered"),
        "Promised features delivered by as_of; zero if none.",
        "higher is better", "{value} promised features were delivered", "No promised feature was delivered",
    ),
    _feature(
        "promised_feature_dependence", "number", "share",
        Formula(_dependence, (
            _OPEN, total("promise_states", "since_s", state="open"),
            count("promise_states", state="delivered"), total("promise_states", "waited_days", state="delivered"),
            count("activities", kind=("demo", "workshop")), count("moments", kind=_EVALUATIONS),
        )),
        "Open / (open + delivered + evaluated), where a promise weighs 1 + days outstanding / 30 (for a delivered "
        "one: the whole days it took) and each demo, workshop, visualised solution, proof of concept, cost/benefit "
        "or bake-off weighs 1, as an evaluation of what exists; null when there is none of these.",
        "lower is better", "{value} of what the deal rests on is not shipped", "Nothing was promised or evaluated",
    ),
    _feature(
        "promises_overdue", "count", "features", _OVERDUE,
        "Open promises whose due date lies before as_of; zero if none.",
        "lower is better", "{value} promised features are overdue", "No promise is overdue",
    ),
    _feature(
        "promise_days_overdue", "number", "days",
        Formula(lambda as_of_s, n, due_s: (number(as_of_s) * n.nullif(number(0)) - due_s) / number(DAY),
                (_OVERDUE, total("promises_overdue", "due_s"))),
        "Days overdue, summed over open promises past their date; null if none is overdue.",
        "lower is better", "Promises are overdue by {value} days in all", "No promise is overdue",
    ),
    _feature(
        "promise_slips", "count", "slips", total("promise_events", "is_slip"),
        "Times a promise was rescheduled, unless from a known date to the same or an earlier one; zero if none.",
        "lower is better", "Promises slipped {value} times", "No promise slipped",
    ),
    _feature(
        "promises_after_slip", "count", "promises", total("promise_events", "is_promise_after_slip"),
        "Promises made after the deal's first slip; zero if none.",
        "lower is better", "{value} more features were promised after a slip", "Nothing was promised after a slip",
    ),
    _feature(
        "promise_withdrawn", "flag", "", is_any(count("promise_events", event="withdrawn")),
        "Whether a promised feature was withdrawn.",
        "lower is better", "A promised feature was withdrawn", "No promise was withdrawn",
    ),
)  # fmt: skip
