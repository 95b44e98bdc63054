"""Mutual qualification (belief 4: both sides must answer means, decision process, why and when)."""

import ibis
import ibis.expr.types as ir

from data.schema import QUESTIONS, SIDES
from features.families.entries import Entries
from features.feature import Feature, Formula, Measure
from features.measures import all_of, count, days_since, is_any, last, number, total
from features.snapshots import DAY
from features.streams.consumption import WINDOW_DAYS
from features.streams.moments import PROPOSAL_KINDS
from features.streams.stream import as_count

__all__ = ["FEATURES"]

_BELIEF = "Belief 4: qualification is mutual; the sides must agree."
_ACTS = "Belief 4: a buyer who acts is buying; a seller who acts alone is not selling."
_PAY = "Belief 4: under post-pay the vendor is paid only if the customer succeeds."
_ABOUT = {
    "means": "the means",
    "decision_process": "the decision process",
    "why": "why they buy",
    "when": "when they buy",
}
_WHO = {"vendor": "our side", "customer": "the buyer"}
_COMMITTED_DAYS = 30

_feature = Entries("qualification", _BELIEF)


def _level(points: ir.FloatingValue) -> ir.FloatingValue:
    """An answer from its points; null where there are none."""
    return points.nullif(number(0)) - number(1)


def _agreed(*points: ir.FloatingValue) -> ir.FloatingValue:
    """Over pairs of points, vendor's and customer's: how many are at most one level apart."""
    gaps = [_gap(*points[i : i + 2]) for i in range(0, len(points), 2)]
    return sum((number(as_count(gap <= 1)) for gap in gaps), number(0))


def _gap(vendor: ir.FloatingValue, customer: ir.FloatingValue) -> ir.FloatingValue:
    """How far two answers lie apart; null unless both are given."""
    return (_level(vendor) - _level(customer)).abs()


_POINTS = {
    (question, side): total("answers", "points", question=question, side=side)
    for question in QUESTIONS for side in SIDES
}  # fmt: skip


def _level_of(question: str, side: str) -> Feature:
    about, who = _ABOUT[question], _WHO[side]
    return _feature(
        f"{question}_level_{side}", "number", "level of 4", all_of(_level, _POINTS[question, side]),
        f"Level (0 unknown to 4 proven) of the latest answer of {who} on {about}; null if never answered.",
        "higher is better", f"On {about}, {who} stands at level {{value}} of 4",
        f"On {about}, {who} has not answered",
    )  # fmt: skip


def _of_question(question: str) -> tuple[Feature, ...]:
    """Both sides' answers to one question, and how far they lie apart."""
    about = _ABOUT[question]
    gap = _feature(
        f"{question}_gap", "number", "levels", all_of(_gap, *(_POINTS[question, side] for side in SIDES)),
        f"How far the latest answers of both sides on {about} lie apart; null unless both answered.",
        "lower is better", f"On {about}, the sides' answers lie {{value}} levels apart",
        f"On {about}, not both sides have answered",
    )  # fmt: skip
    return (*(_level_of(question, side) for side in SIDES), gap)


def _answered(side: str) -> tuple[Feature, ...]:
    """How many questions a side has answered, and how stale its latest answer is."""
    who = _WHO[side]
    return (
        _feature(
            f"questions_answered_{side}", "count", "questions", count("answers", side=side),
            f"Of means, decision process, why and when: how many {who} has answered; zero if none.",
            "higher is better", f"{who.capitalize()} answered {{value}} of 4 questions",
            f"{who.capitalize()} has answered no question",
        ),
        _feature(
            f"answer_age_{side}", "number", "days", days_since(last("answers", side=side)),
            f"Days since {who} last answered any of the four questions; null if never.",
            "lower is better", f"{who.capitalize()} last answered {{value}} days ago",
            f"{who.capitalize()} has answered no question",
        ),
    )  # fmt: skip


def _days_between(
    answered: ir.FloatingValue, moment: ir.FloatingValue, stage: ir.FloatingValue
) -> ir.FloatingValue:
    """Days from the first answer to the first proposal; all three are seconds with the sign turned."""
    return number(answered - ibis.greatest(moment, stage)) / number(DAY)


def _sum(*counts: ir.FloatingValue) -> ir.FloatingValue:
    return sum(counts, number(0))


def _share_of_buyer(*counts: ir.FloatingValue) -> ir.FloatingValue:
    """The buyer's acts as a share of both sides'; the seller's are the last two."""
    return _sum(*counts[:-2]) / _sum(*counts).nullif(number(0))


def _buyer_acts(days: int) -> tuple[Measure, ...]:
    return (
        count("activities", days, direction="inbound"), count("booked", direction="inbound"),
        count("colleagues", days), count("moments", days, kind="data_shared"),
    )  # fmt: skip


def _seller_acts(days: int) -> tuple[Measure, Measure]:
    return count("activities", days, direction="outbound"), count("booked", direction="outbound")


def _growth(
    as_of_s: ir.IntegerValue, lately: ir.FloatingValue, both: ir.FloatingValue, first: ir.FloatingValue
) -> ir.FloatingValue:
    """Consumption of a window against the one before it; null unless both are whole and there was some.

    first: the second of the first use, with the sign turned.
    """
    before, used_s = both - lately, as_of_s + first
    known = (before > 0) & (used_s >= 2 * WINDOW_DAYS * DAY)
    return lately / ibis.ifelse(known, before, ibis.null("float64"))


def _against_commitment(
    as_of_s: ir.IntegerValue, used: ir.FloatingValue, daily: ir.FloatingValue, offset: ir.FloatingValue,
    days: ir.FloatingValue, days_offset: ir.FloatingValue,
) -> ir.FloatingValue:  # fmt: skip
    """Consumption per committed amount that falls on the same days; null before 30 days of a term."""
    as_of_day = number(as_of_s) / number(DAY)
    committed, term_days = as_of_day * daily - offset, as_of_day * days - days_offset
    known = (term_days >= _COMMITTED_DAYS) & (committed > 0)
    return used / ibis.ifelse(known, committed, ibis.null("float64"))


_ACTS_TEXT = (
    "messages and meetings that came from the buyer, meetings they booked that lie ahead, colleagues they "
    "brought, data they shared"
)
_POST_PAY = count("billing", billing="postpay")
_USED = total("consumption", "cents", WINDOW_DAYS)

FEATURES = (
    *(feature for question in QUESTIONS for feature in _of_question(question)),
    *(feature for side in SIDES for feature in _answered(side)),
    _feature(
        "questions_agreed", "count", "questions",
        all_of(_agreed, *(_POINTS[question, side] for question in QUESTIONS for side in SIDES)),
        "Questions answered by both sides at most one level apart; zero if none.",
        "higher is better", "Both sides agree on {value} of 4 questions", "The sides agree on no question yet",
        certain=True,
    ),
    _feature(
        "days_answer_to_proposal", "number", "days",
        all_of(_days_between, last("answers", "earlier_s"),
               last("moments", "earlier_s", kind=PROPOSAL_KINDS), last("proposals", "earlier_s")),
        "Days from the first answer of either side to the first proposal (a cost/benefit or negotiation moment, or a stage "
        "whose name says proposal, quote or offer); negative if proposed before asking; null while either is missing.",
        "higher is better", "The first proposal followed the first answer by {value} days",
        "Nothing was proposed yet, or no question answered",
    ),
    _feature(
        "buyer_acts_30d", "count", "acts", all_of(_sum, *_buyer_acts(30)),
        f"Acts of the buyer in the last 30 days: {_ACTS_TEXT}; zero if none.",
        "higher is better", "The buyer acted {value} times in 30 days", "The buyer did nothing in 30 days", _ACTS,
    ),
    _feature(
        "seller_acts_30d", "count", "acts", all_of(_sum, *_seller_acts(30)),
        "Acts of the seller in the last 30 days: outbound messages and meetings, and outbound meetings booked that lie ahead; zero if none.",
        "depends", "Our side acted {value} times in 30 days", "Our side did nothing in 30 days", _ACTS,
    ),
    _feature(
        "buyer_acts_share", "number", "share", all_of(_share_of_buyer, *_buyer_acts(90), *_seller_acts(90)),
        f"The buyer's acts as a share of both sides' in the last 90 days ({_ACTS_TEXT}); null if neither acted.",
        "higher is better", "{value} of what was done in 90 days came from the buyer", "Neither side did anything in 90 days", _ACTS,
    ),
    _feature(
        "colleagues_brought", "count", "people", count("colleagues"),
        "Contacts first met in a meeting, a call or a message of the buyer's with somebody met before; zero if none.",
        "higher is better", "{value} people were brought in by people already met", "Nobody has brought a colleague", _ACTS,
    ),
    _feature(
        "data_shared", "count", "times", count("moments", kind="data_shared"),
        "Times that the buyer shared data, as read from notes; zero if none.",
        "higher is better", "The buyer shared data {value} times", "The buyer has shared no data", _ACTS,
    ),
    _feature(
        "is_post_pay", "flag", "", is_any(_POST_PAY),
        "Whether a post-pay contract of the account runs at as_of (known once the deal that it came from has closed).",
        "depends", "The account pays by what it consumes", "No post-pay contract runs", _PAY,
    ),
    _feature(
        "consumption_growth", "number", "times",
        Formula(_growth, (
            _USED, total("consumption", "cents", 2 * WINDOW_DAYS), last("consumption", "earlier_s"),
        )),
        "The account's consumption of the last 90 days divided by that of the 90 days before, each period dated when "
        "recorded, at most 31 days after it began; null unless the first lies 180 days back and there was some before.",
        "higher is better", "Consumption is {value} times that of the 90 days before", "There was no consumption to compare with", _PAY,
    ),
    _feature(
        "consumption_vs_commitment", "number", "share",
        Formula(_against_commitment, (
            _USED, *(total("commitments", column)
                     for column in ("committed_daily", "committed_offset", "days", "days_offset")),
        )),
        "The account's consumption of the last 90 days divided by what its contracts commit to for their days among "
        "them; null unless a commitment covers 30 of them.",
        "higher is better", "Consumption reaches {value} of the commitment", "No commitment has run for 30 days", _PAY,
    ),
)  # fmt: skip
