"""Who is in the room, continued: vetoes, sponsors, the way in (belief 1: one person can veto)."""

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Formula, Measure
from features.measures import all_of, count, current, last, number, ratio, total
from features.snapshots import DAY

__all__ = ["FEATURES"]

_VETO = "Belief 1: the whole buying group decides, and one person can veto."
_SPONSOR = "Belief 1: one sponsor is a risk, even a willing one, since a mobilizer has a day job."
_ENTRY = "Belief 5: the entry point tells how a purchase began."
_BREADTH = "Belief 5: who takes part shows how an account decides."
_RECORDS = "Belief 1: a role that is not recorded may still be filled."
_STALL_DAYS = 14
_PRIOR_PEOPLE = 20


def _stalled_days(
    as_of_s: ir.IntegerValue,
    untouched: ir.FloatingValue,
    heard_s: ir.NumericValue,
    created_s: ir.NumericValue,
) -> ir.FloatingValue:
    """Days of silence (since creation if the buyer was never heard) with a blocker untouched, from 14 on."""
    silence = number(as_of_s - heard_s.coalesce(created_s)) / number(DAY)
    return ibis.ifelse((untouched > 0) & (silence >= _STALL_DAYS), silence, ibis.null("float64"))


_STALL = (
    count("roles_untouched", role="blocker"),
    last("activities", two_way=True),
    current("deals", "created_s"),
)


def _sponsor_share(
    sponsors: ir.FloatingValue, through: ir.FloatingValue, touches: ir.FloatingValue
) -> ir.FloatingValue:
    """The part of two-way touches that is one sponsor's; null unless there is exactly one."""
    return ibis.ifelse(sponsors == 1, through / touches.nullif(number(0)), ibis.null("float64"))


def _carried(fact: str) -> Measure:
    """What sponsors and backers carry at as_of, all taken together."""
    return count("sponsor_load", fact=fact)


def _recorded_share(
    recorded: ir.FloatingValue,
    met: ir.FloatingValue,
    all_recorded: ir.FloatingValue,
    all_met: ir.FloatingValue,
) -> ir.FloatingValue:
    """The seller's share, drawn to everybody's by twenty people's weight; null before anybody was met."""
    everybody = all_recorded / all_met.nullif(number(0))
    weight = number(_PRIOR_PEOPLE)
    return (recorded.fill_null(0.0) + everybody * weight) / (met.fill_null(0.0) + weight)


_feature = Entries("stakeholders", _VETO)

FEATURES = (
    _feature(
        "veto_exposure", "count", "people", count("vetoes", fact="exposed"),
        "People present whose role can veto (blocker, economic buyer, decision maker, executive sponsor, procurement, legal, "
        "finance, technical evaluator) and who are recorded as opponents or were never spoken to; zero if none.",
        "lower is better", "{value} people who can veto are against it or have not been spoken to",
        "Nobody known who can veto is against it or left out",
    ),
    _feature(
        "veto_exposure_share", "number", "share", ratio(count("vetoes", fact="exposed"), count("vetoes", fact="holds")),
        "Share of the people present whose role can veto that are opponents or were never spoken to; null if none is recorded.",
        "lower is better", "{value} of those who can veto are against it or have not been spoken to",
        "Nobody who can veto is recorded",
    ),
    _feature(
        "is_stalled_on_blocker", "flag", "", Formula(lambda *n: _stalled_days(*n).notnull(), _STALL),
        "Whether there was no two-way contact for 14 days or more while a known blocker has not been spoken to.",
        "lower is better", "The deal stands still, and a known blocker has not been spoken to",
        "The deal does not stand still before a blocker nobody spoke to",
    ),
    _feature(
        "sponsor_share_90d", "number", "share",
        all_of(_sponsor_share, count("sponsors", fact="present"), count("sponsors", fact="two_way"),
               count("touches", 90, two_way=True)),
        "Share of the two-way touchpoints of the last 90 days with the one champion or mobilizer present; null without exactly "
        "one, or without two-way contact.",
        "lower is better", "{value} of the two-way contact runs through the only champion or mobilizer",
        "There is no single champion or mobilizer, or no two-way contact", _SPONSOR,
    ),
    _feature(
        "sponsor_open_deals", "number", "deals", ratio(_carried("deals"), _carried("present")),
        "Open deals, this one included, in whose buying group a champion, mobilizer or executive sponsor of this one stands: "
        "the mean over those present; null if none is.",
        "lower is better", "A sponsor stands in the buying groups of {value} open deals",
        "No champion, mobilizer or executive sponsor is recorded", _SPONSOR,
    ),
    _feature(
        "sponsor_meetings_30d", "number", "meetings", ratio(_carried("meetings"), _carried("present")),
        "Meetings of the last 30 days, over all deals, that a champion, mobilizer or executive sponsor attended: the mean over "
        "those present; null if none is.",
        "depends", "A sponsor sat in {value} meetings in 30 days",
        "No champion, mobilizer or executive sponsor is recorded", _SPONSOR,
    ),
    _feature(
        "entry_role", "category", "category", current("firsts", "role", fact="role"),
        "The buying role first met, of the contacts whose role is recorded at as_of (of several at once, the one recorded "
        "first); null without one.",
        "depends", "The way in was a person of role {value}", "No contact with a known role has been met", _ENTRY,
    ),
    _feature(
        "entry_seniority", "number", "level (5 = C-level)", current("firsts", "level", fact="level"),
        "The level of the first contact met whose seniority is recorded at as_of (5 C-level, 4 VP, 3 director, 2 manager, 1 "
        "individual; of several at once, the one recorded first, then the most senior); null without one.",
        "higher is better", "The way in was a person of level {value} of 5", "No contact with a known level has been met", _ENTRY,
    ),
    _feature(
        "departments_engaged", "count", "departments", count("firsts", fact="department"),
        "Distinct departments of the contacts met so far, as recorded at as_of; zero if none.",
        "depends", "{value} departments have been met", "No department is known of those met", _BREADTH,
    ),
    _feature(
        "senior_share", "number", "share", ratio(total("firsts", "is_senior", fact="person"), total("firsts", "has_level", fact="person")),
        "Share of VP and C-level among the contacts met so far whose seniority is recorded at as_of; null without any.",
        "higher is better", "{value} of the people met are VP or C-level", "No seniority is known of those met", _BREADTH,
    ),
    _feature(
        "seller_role_completeness", "number", "share",
        all_of(_recorded_share, count("owner_people", fact="recorded"), count("owner_people", fact="met"),
               count("all_people", fact="recorded"), count("all_people", fact="met")),
        "Share of the people met on the seller's deals before as_of whose buying role is recorded by then, drawn to everybody's by "
        "twenty people's weight; null before anybody was met.",
        "depends", "The seller records the buying role of {value} of the people met", "Nobody has been met on any deal yet", _RECORDS,
    ),
)  # fmt: skip
