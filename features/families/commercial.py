"""The deal, the customer and the seller."""

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Formula
from features.measures import all_of, count, current, days_since, number, total

__all__ = ["FEATURES"]

_DEAL = "What is bought, and how the amount moves, tells how serious a deal is."
_ACCOUNT = "Belief 5: responsibility structure says more than headcount bands."
_INFERRED = (
    "Belief 5: responsibility structure says more than headcount bands; who takes part betrays it. The rule was chosen "
    "on half of a simulated world's accounts; on the other half it agrees with the given structure for 922 of 1,260 deals "
    "at their last snapshot (73 %; the commoner structure alone: 53 %). Untested elsewhere."
)  # fmt: skip
_SELLER = "Sellers differ in skill, habits and load."
_PRIOR_DEALS = 5
_FEWEST_PEOPLE = 3
_DEPARTMENTS_BEYOND_SENIORS = 3


def _smoothed_rate(
    won: ir.FloatingValue, closed: ir.FloatingValue, all_won: ir.FloatingValue, all_closed: ir.FloatingValue
) -> ir.FloatingValue:
    """The seller's win rate, drawn to everybody's by five deals' weight; null before the first close."""
    everybody = all_won / all_closed.nullif(number(0))
    return (won.fill_null(0.0) + everybody * number(_PRIOR_DEALS)) / (
        closed.fill_null(0.0) + number(_PRIOR_DEALS)
    )


def _structure(
    given: ir.StringValue, seniors: ir.FloatingValue, leveled: ir.FloatingValue, placed: ir.FloatingValue,
    departments: ir.FloatingValue,
) -> ir.StringValue:  # fmt: skip
    """The given structure, else what the people met suggest; null below three people of known level and place.

    Distributed where the departments outnumber the VPs and C-levels by three or more: many units take part
    for themselves. Centralised otherwise: few units, and those who decide for all come along.
    """
    is_distributed = departments - seniors >= _DEPARTMENTS_BEYOND_SENIORS
    known = (leveled >= _FEWEST_PEOPLE) & (placed >= _FEWEST_PEOPLE)
    inferred = ibis.ifelse(is_distributed, "distributed", "centralised")
    return given.coalesce(ibis.ifelse(known, inferred, ibis.null("string")))


_feature = Entries("commercial", _DEAL)

FEATURES = (
    _feature(
        "amount", "number", "", current("amounts", "amount"),
        "The amount at as_of, in the deal's currency, from the amount history; null if none is recorded.",
        "depends", "The deal is worth {value}", "No amount is recorded",
    ),
    _feature(
        "currency", "category", "category", current("deals", "currency"),
        "The deal's currency.", "depends", "The deal is in {value}", "No currency is recorded",
    ),
    _feature(
        "amount_vs_first", "number", "times",
        all_of(lambda now, first: now / first.nullif(number(0)), current("amounts", "amount"), current("amounts", "first_amount")),
        "The amount at as_of divided by the first one recorded; null if none is recorded.",
        "depends", "The amount is {value} times the first one", "No amount is recorded",
    ),
    _feature(
        "amount_changes", "count", "changes", total("amounts", "is_change"),
        "Times the amount changed so far; zero if none.",
        "depends", "The amount changed {value} times", "The amount has not changed",
    ),
    _feature(
        "type", "category", "category", current("deals", "type"),
        "New business, expansion or renewal.", "depends", "The deal is of type {value}", "The deal has no type",
    ),
    _feature(
        "lead_source", "category", "category", current("deals", "lead_source"),
        "Where the deal came from.", "depends", "The deal came from {value}", "No source is recorded",
    ),
    _feature(
        "account_wins", "count", "deals", total("account_closings", "is_won"),
        "Deals of the account won before as_of; zero if none.",
        "higher is better", "The account has bought {value} times", "The account has not bought before",
    ),
    _feature(
        "account_losses", "count", "deals",
        all_of(lambda closed, won: closed - won, count("account_closings"), total("account_closings", "is_won")),
        "Deals of the account lost before as_of; zero if none.",
        "lower is better", "{value} deals with the account were lost", "No deal with the account was lost",
    ),
    _feature(
        "employees", "number", "people", current("accounts", "employees"),
        "The account's headcount, once the account is recorded; null if unknown.",
        "depends", "The account has {value} employees", "The headcount is unknown", _ACCOUNT,
    ),
    _feature(
        "industry", "category", "category", current("accounts", "industry"),
        "The account's industry, once recorded.", "depends", "The account is in {value}", "The industry is unknown", _ACCOUNT,
    ),
    _feature(
        "region", "category", "category", current("accounts", "region"),
        "The account's region, once recorded.", "depends", "The account is in {value}", "The region is unknown", _ACCOUNT,
    ),
    _feature(
        "decision_structure", "category", "category", current("accounts", "decision_structure"),
        "How the account decides: centralised or distributed; null if unknown.",
        "depends", "Decisions are {value}", "How the account decides is unknown", _ACCOUNT,
    ),
    _feature(
        "decision_structure_inferred", "category", "category",
        all_of(_structure, current("accounts", "decision_structure"), total("firsts", "is_senior", fact="person"),
               total("firsts", "has_level", fact="person"), total("firsts", "has_department", fact="person"), count("firsts", fact="department")),
        "The given decision structure; where none is recorded, distributed if the departments met outnumber the VPs and C-levels "
        "met by three or more, else centralised; null with fewer than three people met of known seniority or of known department.",
        "depends", "Decisions are {value}, by what is given or by who takes part", "Too few people are known to tell how the account decides",
        _INFERRED,
    ),
    _feature(
        "account_age_days", "number", "days", days_since(current("accounts", "created_s")),
        "Days since the account was created; null while it is not recorded.",
        "depends", "The account has been known for {value} days", "The account is not recorded yet", _ACCOUNT,
    ),
    _feature(
        "seller_win_rate", "number", "share",
        Formula(lambda _, *n: _smoothed_rate(*n),
                (total("owner_closings", "is_won"), count("owner_closings"),
                 total("all_closings", "is_won"), count("all_closings"))),
        "Share of the owner's deals closed before as_of that were won, drawn to everybody's by five deals' weight; "
        "null before any deal closed.",
        "higher is better", "The seller wins {value} of deals", "No deal has closed yet", _SELLER,
    ),
    _feature(
        "seller_deals_closed", "count", "deals", count("owner_closings"),
        "Deals that the owner closed before as_of; zero if none.",
        "higher is better", "The seller has closed {value} deals", "The seller has closed no deal", _SELLER,
    ),
    _feature(
        "seller_open_deals", "count", "deals", count("owner_load"),
        "Deals that the owner has open at as_of, this one included.",
        "lower is better", "The seller carries {value} open deals", "The deal has no owner", _SELLER,
    ),
)  # fmt: skip
