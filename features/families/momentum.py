"""Momentum: stage, pace, silence and what is booked (belief 5: a purchase is a series of moments)."""

import ibis

from features.families.entries import Entries
from features.feature import AgainstNorm, Formula
from features.measures import all_of, count, current, days_ahead, days_since, is_any, last, number, total

__all__ = ["FEATURES"]

_BELIEF = "Belief 5: progress and regressions show where a purchase stands."
_SILENCE = "Belief 5: silence comes before a loss."


def _slope(n21: ibis.Value, n42: ibis.Value, n63: ibis.Value, n84: ibis.Value) -> ibis.Value:
    """Least-squares slope of the weekly rate over four three-week stretches; null if all are empty."""
    latest, before, earlier, oldest = n21, n42 - n21, n63 - n42, n84 - n63
    slope = (latest * number(3) + before - earlier - oldest * number(3)) / number(90)
    return ibis.ifelse(n84 > 0, slope, ibis.null("float64"))


_feature = Entries("momentum", _BELIEF)

FEATURES = (
    _feature(
        "deal_age_days", "number", "days", days_since(current("deals", "created_s")),
        "Days from the deal's creation to as_of.",
        "depends", "The deal is {value} days old", "The deal's age is unknown",
    ),
    _feature(
        "stage", "category", "category", current("stages", "new_value"),
        "The stage at as_of, from the stage history; null before the first recorded stage.",
        "depends", "The deal is at stage {value}", "No stage is recorded",
    ),
    _feature(
        "stage_position", "number", "position", current("stages", "position"),
        "The stage's place in the process; null where the stage is not listed.",
        "higher is better", "The stage is number {value} of the process", "The stage is not in the process",
    ),
    _feature(
        "crm_stage_probability", "number", "probability", current("stages", "default_probability"),
        "The CRM's own probability for the stage; null where the CRM has none.",
        "higher is better", "The CRM gives this stage {value}", "The CRM has no probability for this stage",
    ),
    _feature(
        "days_in_stage", "number", "days", days_since(current("stages", "entered_s")),
        "Days since the present stage was entered; null before the first recorded stage.",
        "lower is better", "The deal has been at this stage for {value} days", "No stage is recorded",
    ),
    _feature(
        "days_in_stage_vs_norm", "number", "times", AgainstNorm("days_in_stage", "stage"),
        "Days in stage divided by the median of won training deals at that stage; null without a stage.",
        "lower is better", "The time at this stage is {value} times what won deals took", "No stage is recorded",
    ),
    _feature(
        "stage_changes", "count", "changes", total("stages", "is_step"),
        "Moves from one stage to another so far; zero if none.",
        "depends", "The stage changed {value} times", "The stage has not changed",
    ),
    _feature(
        "stage_regressions", "count", "steps back", total("stages", "is_regression"),
        "Moves to an earlier stage so far; zero if none.",
        "lower is better", "The deal fell back {value} times", "The deal never fell back",
        certain=True,
    ),
    _feature(
        "forecast_category", "category", "category", current("forecasts", "new_value"),
        "The forecast category at as_of, from its history; null if none is recorded.",
        "depends", "The seller's forecast category is {value}", "No forecast category is recorded",
    ),
    _feature(
        "close_date_pushes", "count", "pushes", total("close_dates", "is_push"),
        "Times the expected close date was moved to a later day; zero if none.",
        "lower is better", "The close date was pushed {value} times", "The close date was never pushed",
    ),
    _feature(
        "days_pushed", "count", "days", total("close_dates", "days_pushed"),
        "Days by which the expected close date was pushed in all; zero if none.",
        "lower is better", "The close date has moved out by {value} days in all", "The close date was never pushed",
    ),
    _feature(
        "days_to_expected_close", "number", "days", days_ahead(current("close_dates", "close_s")),
        "Days from as_of to the expected close date at as_of; negative once passed; null if none is recorded.",
        "depends", "The expected close is {value} days away", "No expected close date is recorded",
    ),
    _feature(
        "days_since_two_way", "number", "days", days_since(last("activities", two_way=True)),
        "Days since the buyer last wrote, called or met; null if never.",
        "lower is better", "The last two-way contact was {value} days ago", "There was no two-way contact yet", _SILENCE,
    ),
    _feature(
        "days_since_activity", "number", "days", days_since(last("activities")),
        "Days since the latest past activity; null if none.",
        "lower is better", "The last activity was {value} days ago", "There was no activity yet", _SILENCE,
    ),
    _feature(
        "activities_ever", "count", "activities", count("activities"),
        "Past activities of the deal; zero if none.",
        "higher is better", "{value} activities so far", "There was no activity yet", _SILENCE,
    ),
    _feature(
        "activities_30d", "count", "activities", count("activities", 30),
        "Activities of the last 30 days; zero if none.",
        "higher is better", "{value} activities in the last 30 days", "Nothing happened in 30 days", _SILENCE,
    ),
    _feature(
        "activities_90d", "count", "activities", count("activities", 90),
        "Activities of the last 90 days; zero if none.",
        "higher is better", "{value} activities in the last 90 days", "Nothing happened in 90 days", _SILENCE,
    ),
    _feature(
        "weekly_activity_slope", "number", "activities per week, per week",
        all_of(_slope, *(count("activities", days) for days in (21, 42, 63, 84))),
        "Slope of the weekly activity rate over the last twelve weeks (four stretches of three weeks); null if nothing happened in them.",
        "higher is better", "Weekly activity changes by {value} per week", "No activity to measure", _SILENCE,
    ),
    _feature(
        "offline_share", "number", "share",
        Formula(lambda _, offline, known: offline / known.nullif(number(0)),
                (count("activities", channel="in_person"), count("activities", channel=("in_person", "remote")))),
        "Share of past activities held in person, of those whose channel is known; null if none is.",
        "higher is better", "{value} of the contact was in person", "No channel is recorded",
    ),
    _feature(
        "next_meeting_booked", "flag", "", is_any(count("booked")),
        "Whether a meeting or call that lies ahead is recorded at as_of.",
        "higher is better", "The next meeting is booked", "No next meeting is booked",
    ),
    _feature(
        "meetings_booked", "count", "meetings", count("booked"),
        "Meetings and calls that lie ahead and are recorded at as_of; zero if none.",
        "higher is better", "{value} meetings lie ahead", "No next meeting is booked",
    ),
)  # fmt: skip
