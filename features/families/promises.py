"""Promised features (belief 2: selling what is not shipped starts a spiral)."""

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Formula
from features.measures import count, days_since, is_any, last, number, total
from features.snapshots import DAY

__all__ = ["FEATURES"]

_BELIEF = "Belief 2: promises kill deals; a slip brings new faces, rivals and doubt."
_DAYS_PER_WEIGHT = 30
_DAYS_PER_MONTH = 30
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


def _pace(
    as_of_s: ir.IntegerValue, n_phases: ir.FloatingValue, slip_at_s: ir.FloatingValue
) -> ir.FloatingValue:
    """Phases per 30 days since the slip, over 30 days at least."""
    months = number(as_of_s - slip_at_s) / number(_DAYS_PER_MONTH * DAY)
    return n_phases / ibis.ifelse(months < number(1), number(1), months)


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
        certain=True,
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
        certain=True,
    ),
    _feature(
        "promise_slips", "count", "slips", total("promise_events", "is_slip"),
        "Times a promise was rescheduled, unless from a known date to the same or an earlier one; zero if none.",
        "lower is better", "Promises slipped {value} times", "No promise slipped",
        certain=True,
    ),
    _feature(
        "promise_withdrawn", "flag", "", is_any(count("promise_events", event="withdrawn")),
        "Whether a promised feature was withdrawn.",
        "lower is better", "A promised feature was withdrawn", "No promise was withdrawn",
    ),
    _feature(
        "promise_days_moved", "count", "days", total("promise_events", "days_moved"),
        "Whole days by which slips moved due dates out, summed; zero if none.",
        "lower is better", "{value} days were added to promised dates in all", "No promised date moved out",
    ),
    _feature(
        "promises_delivered_late", "count", "features", count("promise_states", state="delivered", is_late=True),
        "Promised features delivered after the date first promised; zero if none.",
        "lower is better", "{value} promised features came later than first promised", "No promised feature came late",
    ),
    _feature(
        "spiral_phase", "count", "position", last("spiral_steps", "phase"),
        "The furthest phase of the promise spiral reached: 1 promised after attention was lost, and from the first slip on 2 the slip, 3 new faces, 4 a competitor, 5 metrics or references asked for, 6 only junior guests, 7 the next promise; zero if none.",
        "lower is better", "The promise spiral has reached phase {value} of 7", "No promise spiral has begun",
    ),
    _feature(
        "spiral_phases_seen", "count", "phases", count("spiral_steps"),
        "Distinct phases of the promise spiral seen so far; zero if none.",
        "lower is better", "{value} of 7 phases of the promise spiral have been seen", "No phase of the promise spiral has been seen",
    ),
    _feature(
        "days_since_spiral_step", "number", "days", days_since(last("spiral_steps")),
        "Days since the latest phase of the promise spiral was first reached; null if none was.",
        "higher is better", "The promise spiral last moved {value} days ago", "No promise spiral has begun",
    ),
    _feature(
        "spiral_pace", "number", "phases in 30 days",
        Formula(_pace, (total("spiral_steps", "is_after"), last("spiral_steps", "slip_at_s"))),
        "Phases of the promise spiral from the first slip on, per 30 days since it (counted as 30 days at least); null without a slip.",
        "lower is better", "The promise spiral moves by {value} phases in 30 days", "No promise has slipped",
    ),
    _feature(
        "ways_out_seen", "count", "ways out", count("spiral_ways_out"),
        "Kinds of honest ways out seen, of four: beta or launch partnership, or a reference that was asked for, while a promise was open or after a slip; a promise delivered; a promise withdrawn; zero if none.",
        "higher is better", "{value} of 4 honest ways out of a promise were taken", "No honest way out of a promise was taken",
        "Belief 2: delivering, withdrawing or a launch partnership ends the spiral.",
    ),
)  # fmt: skip
