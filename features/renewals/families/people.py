# ruff: noqa: E501 (catalogue entries are prose, read a line each)
"""Who is in touch with the account, over all of its deals and beyond them."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Formula
from features.measures import all_of, count, days_since, is_any, last, number, total
from features.renewals.windows import Past
from features.snapshots import DAY
from features.streams.people import MEETING_KINDS

__all__ = ["FEATURES"]

_QUIET = "Silence comes before a loss."
_CHAMPION = "Belief 1: who sells through one sponsor loses the renewal with the sponsor."
_FEWEST = 3


def _silence(as_of_s: Any, last_s: Any, earliest: Any, n: Any) -> ir.FloatingValue:
    """Days since the last touch per usual gap, of a day at least; null before the third touch."""
    gap = number(last_s + earliest) / number(DAY) / (n - number(1)).nullif(number(0))
    gap = ibis.ifelse(gap < number(1), number(1), gap)
    since = number(as_of_s - last_s) / number(DAY)
    return ibis.ifelse(n >= number(_FEWEST), since / gap, ibis.null("float64"))


def _left(ever: Any, present: Any) -> ir.BooleanValue:
    return ever.notnull() & (present.fill_null(0.0) == 0)


def _share(part: Any, whole: Any) -> ir.FloatingValue:
    return part.fill_null(0.0) / whole.nullif(number(0))


_PRESENT = count("sponsors")
_SINCE = last("sponsor_touches")

_feature = Entries("people", _QUIET)

FEATURES = (
    _feature(
        "days_since_contact", "number", "days", days_since(last("contacts_made")),
        "Days since the last activity with the account, on any deal or none; null if there was none.",
        "lower is better", "The last contact was {value} days ago", "There was no contact",
    ),
    _feature(
        "contacts_made_90d", "count", "activities", count("contacts_made", 90),
        "Activities with the account in the last 90 days; zero if none.",
        "higher is better", "{value} contacts were made in the last 90 days", "No contact was made in the last 90 days",
    ),
    _feature(
        "contact_trend", "number", "times",
        all_of(_share, count("contacts_made", 90), Past("contacts_made", "count", "", (), 180, 90)),
        "Activities of the last 90 days, divided by those of the 90 before; null where there were none.",
        "higher is better", "There is {value} times as much contact as in the 90 days before", "There was no contact in the 90 days before",
    ),
    _feature(
        "meetings_90d", "count", "meetings", count("contacts_made", 90, kind=MEETING_KINDS),
        "Meetings, demos, workshops and events with the account in the last 90 days; zero if none.",
        "higher is better", "{value} meetings were held in the last 90 days", "No meeting was held in the last 90 days",
    ),
    _feature(
        "meetings_180d", "count", "meetings", count("contacts_made", 180, kind=MEETING_KINDS),
        "Meetings, demos, workshops and events with the account in the last 180 days; zero if none.",
        "higher is better", "{value} meetings were held in the last 180 days", "No meeting was held in the last 180 days",
    ),
    _feature(
        "inbound_share_180d", "number", "share",
        all_of(_share, total("contacts_made", "is_inbound", 180), total("contacts_made", "has_direction", 180)),
        "Share of the last 180 days' activities of known direction that the customer began; null without any.",
        "higher is better", "{value} of the contact came from the customer", "Nobody wrote or called in the last 180 days",
    ),
    _feature(
        "people_met_180d", "count", "people", Past("people_met", "distinct", "contact_id", (), 180),
        "Contacts who took part in an activity of the last 180 days; zero if none.",
        "higher is better", "{value} people were in touch in the last 180 days", "Nobody was in touch in the last 180 days",
        "Belief 1: the whole group decides; who knows one person knows too few.",
    ),
    _feature(
        "seniority_180d", "number", "level (5 = C-level)", Past("people_met", "max", "seniority", (), 180),
        "Highest seniority met in the last 180 days (5 C-level, 4 VP, 3 director, 2 manager, 1 individual); null if unknown.",
        "higher is better", "The most senior person met in the last 180 days is of level {value} of 5", "No seniority is known of anybody met in the last 180 days",
    ),
    _feature(
        "champion_in_place", "flag", "", is_any(_PRESENT),
        "Whether a champion, mobilizer, executive sponsor or economic buyer is recorded in any of the account's deals and not removed.",
        "higher is better", "A champion or sponsor is in place", "No champion or sponsor is in place", _CHAMPION,
    ),
    _feature(
        "champion_left", "flag", "", all_of(_left, last("sponsors", "one"), _PRESENT),
        "Whether every champion, mobilizer, executive sponsor and economic buyer of the account's deals was removed.",
        "lower is better", "The champion or sponsor has left", "No champion or sponsor has left without another in place", _CHAMPION,
    ),
    _feature(
        "days_since_champion", "number", "days", days_since(_SINCE),
        "Days since a champion, mobilizer, executive sponsor or economic buyer of the account's deals took part in an activity; null if never.",
        "lower is better", "A champion or sponsor was last heard {value} days ago", "No champion or sponsor was ever heard", _CHAMPION,
    ),
    _feature(
        "champion_silence", "number", "times", Formula(_silence, (_SINCE, last("sponsor_touches", "earlier_s"), count("sponsor_touches"))),
        "Days since the last activity with a champion or sponsor, divided by the mean gap between such activities (a day at least); null before the third.",
        "lower is better", "The champion or sponsor has been quiet for {value} times the usual gap", "Too little was heard of a champion or sponsor to tell", _CHAMPION,
    ),
)  # fmt: skip
