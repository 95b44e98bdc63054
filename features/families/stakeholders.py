"""Who is in the room (belief 1: the whole buying group decides, and one person can veto)."""

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.measures import all_of, count, current, days_since, distinct, is_any, last, number, ratio, total

__all__ = ["FEATURES"]

_BELIEF = "Belief 1: selling through one sponsor is a risk; untouched blockers stall deals."
_SPONSORS = ("champion", "mobilizer")


def _share_engaged(met: ir.FloatingValue, known: ir.FloatingValue) -> ir.FloatingValue:
    """Met per known, at most 1; null where nobody is known (LEAST alone would skip the null)."""
    return ibis.ifelse(met > known, known, met) / known.nullif(number(0))


_feature = Entries("stakeholders", _BELIEF)

FEATURES = (
    _feature(
        "stakeholders_known", "count", "people", count("contacts_present"),
        "Contacts recorded in the buying group at as_of and not removed; zero if none.",
        "higher is better", "{value} people of the buying group are known", "Nobody of the buying group is recorded",
    ),
    _feature(
        "stakeholders_engaged", "count", "people", distinct("touches"),
        "Distinct contacts who took part in any past activity; zero if none.",
        "higher is better", "{value} people have been met or written with", "Nobody has been met yet",
    ),
    _feature(
        "stakeholders_engaged_30d", "count", "people", distinct("touches", 30),
        "Distinct contacts who took part in an activity of the last 30 days; zero if none.",
        "higher is better", "{value} people were engaged in the last 30 days", "Nobody was engaged in the last 30 days",
    ),
    _feature(
        "stakeholders_engaged_90d", "count", "people", distinct("touches", 90),
        "Distinct contacts who took part in an activity of the last 90 days; zero if none.",
        "higher is better", "{value} people were engaged in the last 90 days", "Nobody was engaged in the last 90 days",
    ),
    _feature(
        "is_single_threaded", "flag", "", all_of(lambda n: n == 1, distinct("touches", 90)),
        "Whether exactly one contact took part in the activities of the last 90 days.",
        "lower is better", "Everything runs through one person", "More than one person, or nobody, is engaged",
    ),
    _feature(
        "roles_known", "count", "roles", count("role_kinds"),
        "Distinct buying roles recorded and present at as_of (unknown counts as one); zero if none.",
        "higher is better", "{value} buying roles are recorded", "No buying role is recorded",
    ),
    _feature(
        "roles_engaged", "count", "roles", count("roles_met"),
        "Distinct buying roles (without unknown) whose holder took part in an activity; zero if none.",
        "higher is better", "{value} buying roles have been engaged", "No known role has been engaged",
    ),
    _feature(
        "top_contact_share", "number", "share", ratio(last("touches", "nth_of_contact"), count("touches")),
        "Share of all touchpoints that fall on the most-touched contact; null without touchpoints.",
        "lower is better", "{value} of the contact runs through one person", "There is no contact yet",
    ),
    _feature(
        "champion_present", "flag", "", is_any(count("roles_present", role=_SPONSORS)),
        "Whether a champion or mobilizer is recorded and present.",
        "higher is better", "A champion or mobilizer is in place", "No champion or mobilizer is recorded",
    ),
    _feature(
        "days_since_champion_touch", "number", "days", days_since(last("role_touches", buying_role=_SPONSORS)),
        "Days since a champion or mobilizer took part in an activity; null if never.",
        "lower is better", "A champion or mobilizer was last heard {value} days ago",
        "No champion or mobilizer has been engaged",
    ),
    _feature(
        "economic_buyer_engaged", "flag", "", is_any(count("roles_met", buying_role="economic_buyer")),
        "Whether an economic buyer took part in any past activity.",
        "higher is better", "The economic buyer has been engaged", "No economic buyer has been engaged",
        certain=True,
    ),
    _feature(
        "blockers_known", "count", "people", count("roles_present", role="blocker"),
        "Contacts recorded as blockers and present; zero if none.",
        "lower is better", "{value} blockers are known", "No blocker is recorded",
    ),
    _feature(
        "blockers_untouched", "count", "people", count("roles_untouched", role="blocker"),
        "Contacts recorded as blockers and present that nobody has spoken to; zero if none.",
        "lower is better", "{value} blockers have not been spoken to", "No known blocker is left out",
        certain=True,
    ),
    _feature(
        "days_blockers_untouched", "number", "days",
        days_since(last("blocker_clock")),
        "Days since a blocker was last spoken to or first recorded, whichever is later; null if none was ever recorded.",
        "lower is better", "Nobody has spoken to a known blocker for {value} days", "No blocker is recorded",
    ),
    _feature(
        "opponents_known", "count", "people", count("stances", stance="opponent"),
        "Contacts recorded as opponents and present; zero if none.",
        "lower is better", "{value} people are recorded as against it", "No opponent is recorded",
    ),
    _feature(
        "supporters_known", "count", "people", count("stances", stance="supporter"),
        "Contacts recorded as supporters and present; zero if none.",
        "higher is better", "{value} people are recorded as for it", "No supporter is recorded",
    ),
    _feature(
        "highest_seniority", "number", "level (5 = C-level)", last("touches", "seniority"),
        "Highest seniority engaged so far (5 C-level, 4 VP, 3 director, 2 manager, 1 individual) of contacts recorded by the time; null if unknown.",
        "higher is better", "The most senior person engaged is of level {value} of 5", "No seniority is known",
    ),
    _feature(
        "seniority_latest_meeting", "number", "level (5 = C-level)", current("meetings", "seniority"),
        "Highest seniority at the latest past meeting; null without a meeting or a known seniority.",
        "higher is better", "The latest meeting reached level {value} of 5", "No meeting with known seniority",
    ),
    _feature(
        "attendance_latest_meeting", "number", "people", current("meetings", "attendance"),
        "Contacts who came to the latest past meeting; null without a meeting.",
        "higher is better", "{value} people came to the latest meeting", "There was no meeting",
    ),
    _feature(
        "no_shows_90d", "count", "people", count("absences", 90),
        "Invited contacts who did not come, over the activities of the last 90 days; zero if none.",
        "lower is better", "{value} invited people did not come in the last 90 days", "Nobody stayed away",
    ),
    _feature(
        "meetings_held", "count", "meetings", count("meetings"),
        "Past meetings, demos, workshops and events with at least one contact; zero if none.",
        "higher is better", "{value} meetings have been held", "No meeting has been held",
    ),
    _feature(
        "unknown_role_share", "number", "share",
        all_of(lambda touches, roled: (touches - roled) / touches.nullif(number(0)),
               count("touches"), count("roled_touches")),
        "Share of touchpoints with contacts whose buying role is not recorded; null without touchpoints.",
        "depends", "{value} of the contact is with people of unknown role", "There is no contact yet",
    ),
    _feature(
        "new_contacts_30d", "count", "people", total("touches", "is_first", 30),
        "Contacts met for the first time in the last 30 days; zero if none.",
        "higher is better", "{value} people were met for the first time in the last 30 days", "No new faces lately",
    ),
)  # fmt: skip
