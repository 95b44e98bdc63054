# ruff: noqa: E501 (catalogue entries are prose, read a line each)
"""The contract's terms, the account's other contracts and deals, and who the customer is."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Formula
from features.measures import all_of, count, current, days_ahead, days_since, is_any, last, number
from features.snapshots import DAY
from features.streams.stream import as_count

__all__ = ["FEATURES"]

_TERMS = "Terms, size and billing frame every renewal."
_HISTORY = "Who has renewed before renews again; who left once may leave again."
_TALKS = "Open talks of more business show a customer who plans to stay."
_WHO = "Belief 5: responsibility structure says more than headcount bands."

_BEGINS, _ENDS = current("terms", "begins_s"), current("terms", "end_s")


def _days(seconds: Any) -> ir.FloatingValue:
    return number(seconds) / number(DAY)


def _others(as_of_s: Any, running: Any, begins_s: Any, ends_s: Any) -> ir.FloatingValue:
    """The account's running contracts but this one."""
    is_running = (begins_s < as_of_s) & (ends_s.isnull() | (ends_s >= as_of_s))
    return ibis.greatest(running.fill_null(0.0) - as_count(is_running).cast("float64"), number(0))


def _overdue(as_of_s: Any, ends_s: Any) -> ir.FloatingValue:
    return ibis.ifelse(ends_s < as_of_s, _days(as_of_s - ends_s), ibis.null("float64"))


def _grown(committed: Any, before: Any) -> ir.FloatingValue:
    return ibis.ifelse(before > 0, number(committed) / number(before), ibis.null("float64"))


_feature = Entries("contract", _TERMS)

FEATURES = (
    _feature(
        "days_to_term", "number", "days", days_ahead(_ENDS),
        "Days from as_of to the end of the term, negative once it has passed; null without an end.",
        "depends", "The term ends in {value} days", "The contract has no end",
    ),
    _feature(
        "is_overdue", "flag", "", Formula(lambda as_of_s, ends_s: ends_s < as_of_s, (_ENDS,)),
        "Whether the term has ended and no outcome is recorded.",
        "lower is better", "The term is over and no outcome is recorded", "The term is not over",
        "What is settled late was not wanted in time.",
    ),
    _feature(
        "days_overdue", "number", "days", Formula(_overdue, (_ENDS,)),
        "Days since the term ended without an outcome; null while it runs or without an end.",
        "lower is better", "The term ended {value} days ago without an outcome", "The term is not over",
        "What is settled late was not wanted in time.",
    ),
    _feature(
        "term_days", "number", "days", all_of(lambda ends_s, begins_s: _days(ends_s - begins_s), _ENDS, _BEGINS),
        "Length of the term; null without an end.",
        "depends", "The term is {value} days long", "The contract has no end",
    ),
    _feature(
        "days_since_start", "number", "days", days_since(_BEGINS),
        "Days since the term began, negative before it does; null if unknown.",
        "depends", "The term began {value} days ago", "The start is unknown",
    ),
    _feature(
        "billing", "category", "category", current("terms", "billing"),
        "How it is paid: prepaid, commit or postpay; null if unknown.",
        "depends", "It is paid as {value}", "How it is paid is unknown",
    ),
    _feature(
        "committed_amount", "number", "", current("terms", "amount"),
        "Committed for the term, in the contract's currency; null if nothing is recorded.",
        "depends", "They committed to {value}", "No commitment is recorded",
    ),
    _feature(
        "currency", "category", "category", current("terms", "currency"),
        "The contract's currency; null if unknown.",
        "depends", "The contract is in {value}", "No currency is recorded",
    ),
    _feature(
        "commitment_vs_before", "number", "times", all_of(_grown, current("terms", "committed"), current("terms", "previous_committed")),
        "The commitment divided by that of the contract before, in the same currency; null without one.",
        "higher is better", "They commit to {value} times what they did before", "There is no contract before to compare with", _HISTORY,
    ),
    _feature(
        "terms_before", "count", "terms", current("terms", "generation"),
        "Terms of the same business before this one, each within 31 days of the next; zero for a first term.",
        "higher is better", "It was renewed {value} times before", "It is the first term", _HISTORY,
    ),
    _feature(
        "account_renewals", "count", "contracts", count("decisions", outcome="renewed"),
        "Contracts of the account known to be renewed; zero if none.",
        "higher is better", "The account renewed {value} contracts", "The account has not renewed yet", _HISTORY,
    ),
    _feature(
        "account_churns", "count", "contracts", count("decisions", outcome="churned"),
        "Contracts of the account known to have ended for good; zero if none.",
        "lower is better", "The account let {value} contracts end", "The account has let no contract end", _HISTORY,
    ),
    _feature(
        "other_contracts_running", "count", "contracts", Formula(_others, (count("running"), _BEGINS, _ENDS)),
        "Contracts of the account, besides this one, that have begun and not ended; zero if none.",
        "higher is better", "{value} other contracts run beside it", "It is the account's only running contract", _HISTORY,
    ),
    _feature(
        "customer_for_days", "number", "days", Formula(lambda as_of_s, earliest: _days(as_of_s + earliest), (last("running", "earlier_s"),)),
        "Days since the account's first recorded contract began; null before the first begins.",
        "higher is better", "They have been a customer for {value} days", "They are not a customer yet", _HISTORY,
    ),
    _feature(
        "open_deals", "count", "deals", count("deals"),
        "Deals of the account that are open; zero if none.",
        "higher is better", "{value} deals are open with the account", "No deal is open with the account", _TALKS,
    ),
    _feature(
        "expansion_is_open", "flag", "", is_any(count("deals", type="expansion")),
        "Whether an expansion is being talked about.",
        "higher is better", "An expansion is being talked about", "No expansion is being talked about", _TALKS,
    ),
    _feature(
        "industry", "category", "category", current("accounts", "industry"),
        "The account's industry, once recorded; null if unknown.",
        "depends", "The account is in {value}", "The industry is unknown", _WHO,
    ),
    _feature(
        "region", "category", "category", current("accounts", "region"),
        "The account's region, once recorded; null if unknown.",
        "depends", "The account is in {value}", "The region is unknown", _WHO,
    ),
    _feature(
        "employees", "number", "people", current("accounts", "employees"),
        "The account's headcount, once the account is recorded; null if unknown.",
        "depends", "The account has {value} employees", "The headcount is unknown", _WHO,
    ),
    _feature(
        "decision_structure", "category", "category", current("accounts", "decision_structure"),
        "How the account decides: centralised or distributed; null if unknown.",
        "depends", "Decisions are {value}", "How the account decides is unknown", _WHO,
    ),
)  # fmt: skip
