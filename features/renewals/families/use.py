# ruff: noqa: E501 (catalogue entries are prose, read a line each)
"""What the customer uses of what it bought, and whether that grows."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.families.entries import Entries
from features.feature import Measure
from features.measures import all_of, count, current, days_since, last, number, total
from features.renewals.use_streams import SMALL_SHARE
from features.renewals.windows import Past, Use, of_use
from features.snapshots import DAY
from features.streams.stream import as_count

__all__ = ["FEATURES"]

_PAID = "A vendor that is paid by use loses the revenue before it loses the contract."
_SHELF = "Belief 3: what was bought on fear of missing out becomes shelfware and does not renew."
_BREADTH = "Many products and many people in use are harder to replace."
_GRACE_DAYS = 30
_MONTHS = 6

_OWN = total("use", "cents", is_own=True)
_OWN_ROWS = count("use", is_own=True)
_COMMITTED = current("terms", "committed")
_BEGINS = current("terms", "begins_s")
_ENDS = current("terms", "end_s")
_TERMS = (_OWN, _OWN_ROWS, _COMMITTED, _BEGINS, _ENDS)
_FEED = last("usage_feed")
_BLOCKS = tuple((30 * (n + 1), 30 * n) for n in range(_MONTHS))

Values = tuple[Any, ...]


def _days(seconds: ir.IntegerValue) -> ir.FloatingValue:
    return number(seconds) / number(DAY)


def _positive(value: ir.FloatingValue) -> ir.FloatingValue:
    """The value, null unless it is above zero."""
    return ibis.ifelse(value > number(0), value, ibis.null("float64"))


def _committed(committed: ir.IntegerValue) -> ir.FloatingValue:
    return _positive(number(committed))


def _elapsed(use: Use, begins_s: ir.IntegerValue, ends_s: ir.IntegerValue) -> ir.FloatingValue:
    """Share of the term until which use is reported, at most 1; null before a day of it or without an end."""
    days = _days(use.through_s - begins_s)
    share = days / _positive(_days(ends_s - begins_s))
    return ibis.ifelse(
        days >= number(1), ibis.ifelse(share > number(1), number(1), share), ibis.null("float64")
    )


def _net(used: ir.FloatingValue) -> ir.FloatingValue:
    """Use less credit notes, not below zero; null where nothing is recorded."""
    return ibis.ifelse(used < number(0), number(0), used)


def _burn(use: Use, used: Any, rows: Any, committed: Any, begins_s: Any, ends_s: Any) -> ir.FloatingValue:
    due = _committed(committed) * _elapsed(use, begins_s, ends_s)
    return ibis.ifelse(use.has_amounts, _net(used) / due, ibis.null("float64"))


def _unused(use: Use, *terms: Any) -> ir.FloatingValue:
    unused = number(1) - _burn(use, *terms)
    return ibis.ifelse(unused < number(0), number(0), unused)


def _projected(
    use: Use, used: Any, rows: Any, committed: Any, begins_s: Any, ends_s: Any
) -> ir.FloatingValue:
    ahead = _days(ends_s - ibis.greatest(use.through_s, begins_s))
    ahead = ibis.ifelse(ahead < number(0), number(0), ahead)
    expected = (_net(used.fill_null(0.0)) + use.rates[0] * ahead) / _committed(committed)
    return ibis.ifelse(use.has_amounts, expected, ibis.null("float64"))


def _pace(use: Use, committed: Any, begins_s: Any, ends_s: Any) -> ir.FloatingValue:
    daily = _committed(committed) / _positive(_days(ends_s - begins_s))
    return ibis.ifelse(use.has_amounts, use.rates[0] / daily, ibis.null("float64"))


def _beyond(use: Use, used: Any, committed: Any) -> ir.FloatingValue:
    beyond = _net(used) / _committed(committed) - number(1)
    beyond = ibis.ifelse(beyond < number(0), number(0), beyond)
    return ibis.ifelse(use.has_amounts, beyond, ibis.null("float64"))


def _shelfware(
    use: Use, used: Any, rows: Any, committed: Any, begins_s: Any, ends_s: Any, feed_s: Any
) -> ir.BooleanValue:
    """No use recorded or, where there is a commitment in money, less than 5 % of it pro rata."""
    due = _committed(committed) * _elapsed(use, begins_s, ends_s) * number(SMALL_SHARE)
    barely = use.has_amounts & (number(used) < due).fill_null(False)
    started = begins_s <= use.as_of_s - _GRACE_DAYS * DAY
    return feed_s.notnull() & started & ((rows.fill_null(0.0) == 0) | barely)


def _change(use: Use) -> ir.FloatingValue:
    """The first window's rate per the second's; null where that is nothing."""
    return use.rates[0] / _positive(use.rates[1])


def _volatility(use: Use) -> ir.FloatingValue:
    """Standard deviation over mean of the rates that are known, of three at least."""
    known = [as_count(rate.notnull()).cast("float64") for rate in use.rates]
    n = _sum(known)
    mean = _sum([rate.fill_null(0.0) for rate in use.rates]) / n.nullif(number(0))
    squares = _sum([((rate - mean) * (rate - mean)).fill_null(0.0) for rate in use.rates])
    spread = (squares / n.nullif(number(0))).sqrt()
    return ibis.ifelse(n >= number(3), spread / _positive(mean), ibis.null("float64"))


def _sum(values: list[ir.FloatingValue]) -> ir.FloatingValue:
    whole = values[0]
    for value in values[1:]:
        whole = whole + value
    return whole


def _past(how: Any, stream: str, column: str, days: int, ended_days: int) -> Measure:
    return Past(stream, how, column, (), days, ended_days)


def _per_period(people: Any, periods: Any) -> ir.FloatingValue:
    return people / _positive(periods)


_PEOPLE = _past("sum", "periods", "users", 90, 0)
_PERIODS = _past("distinct", "periods", "began_s", 90, 0)
_PEOPLE_BEFORE = _past("sum", "periods", "users", 180, 90)
_PERIODS_BEFORE = _past("distinct", "periods", "began_s", 180, 90)
_PRODUCTS = _past("distinct", "products_used", "product", 90, 0)
_PRODUCTS_BEFORE = _past("distinct", "products_used", "product", 180, 90)

_feature = Entries("use", _PAID)

FEATURES = (
    _feature(
        "burn_ratio", "number", "times", of_use(_burn, also=_TERMS),
        "Use of the term so far, less credit notes, divided by the commitment pro rata to the last report (after 62 days of silence: to 62 days ago); null without a commitment, an end, or use in money.",
        "higher is better", "They use {value} times what they have paid for so far", "Burn cannot be told: no commitment, or no use in money",
    ),
    _feature(
        "projected_burn", "number", "times", of_use(_projected, (90, 0), also=_TERMS),
        "Use of the term so far and, for what is left of it, the pace of the last 90 days, divided by the commitment; null as for the burn, or where fewer than 14 days are reported.",
        "higher is better", "At this pace they will have used {value} times the commitment by the end of the term", "Use at the end of the term cannot be projected",
    ),
    _feature(
        "unused_commitment_share", "number", "share", of_use(_unused, also=_TERMS),
        "Share of the commitment, pro rata to the last report, that is not used, at least 0; null as for the burn.",
        "lower is better", "{value} of what they have paid for so far is unused", "Nothing can be said of unused commitment",
    ),
    _feature(
        "overage_share", "number", "share", of_use(_beyond, also=(_OWN, _COMMITTED)),
        "Use beyond the whole term's commitment, per commitment, 0 up to it; null without a commitment or use in money.",
        "depends", "They are {value} above the whole term's commitment", "There is no commitment to exceed",
    ),
    _feature(
        "is_shelfware", "flag", "", of_use(_shelfware, also=(*_TERMS, _FEED)),
        "Whether, 30 days or more after its start, nothing of the contract is used or less than 5 % of the commitment pro rata, while use is reported at all.",
        "lower is better", "It is shelfware: bought, and never or barely used", "It is in use, or too young to tell, or use is not reported", _SHELF,
    ),
    _feature(
        "use_per_month", "number", "", of_use(lambda use: ibis.ifelse(use.has_amounts, use.rates[0] * number(0.3), ibis.null("float64")), (90, 0)),
        "Worth of the use in 30 days at the pace of the last 90, in the contract's currency; null where fewer than 14 days are reported, or no money.",
        "higher is better", "They use {value} in 30 days", "The level of use is unknown",
    ),
    _feature(
        "pace_vs_commitment", "number", "times", of_use(_pace, (90, 0), also=(_COMMITTED, _BEGINS, _ENDS)),
        "Use per day over the last 90 days, divided by the commitment per day of the term; null as for the burn, or where fewer than 14 days are reported.",
        "higher is better", "Of late they use {value} times the commitment's pace", "The pace against the commitment is unknown",
    ),
    _feature(
        "use_trend_90d", "number", "times", of_use(_change, (90, 0), (180, 90)),
        "Use per day over the last 90 days, divided by that over the 90 before, the contract before this one included; null where either is not reported for 14 days, or nothing was used before.",
        "higher is better", "Use is {value} times that of the 90 days before", "The trend of use is unknown",
    ),
    _feature(
        "use_trend_30d", "number", "times", of_use(_change, (30, 0), (120, 30)),
        "Use per day over the last 30 days, divided by that over the 90 before, the contract before this one included; null where either is not reported for 14 days, or nothing was used before.",
        "higher is better", "Use of the last 30 days is {value} times that of the 90 before", "The latest trend of use is unknown",
    ),
    _feature(
        "use_vs_year_before", "number", "times", of_use(_change, (90, 0), (455, 365)),
        "Use per day over the last 90 days, divided by that over the same days a year before, so that the season does not count; null where there is no such year.",
        "higher is better", "Use is {value} times that of the same days a year before", "There is no year before to compare with",
    ),
    _feature(
        "use_volatility", "number", "times", of_use(_volatility, *_BLOCKS),
        "Standard deviation of use per day over its mean, over the last six stretches of 30 days that are reported; null with fewer than three, or without use.",
        "lower is better", "Use swings by {value} times its mean from month to month", "Too little use to tell how steady it is",
    ),
    _feature(
        "days_since_use", "number", "days", days_since(last("use", "active_s")),
        "Days since the latest use counted (when it was reported, at the latest 31 days after its period began); null if never used.",
        "lower is better", "The last use was {value} days ago", "Nothing was ever used",
    ),
    _feature(
        "days_to_first_value", "number", "days",
        all_of(lambda first, begins_s: _days(-first - begins_s), last("value", "earlier_s"), _BEGINS),
        "Days from the start to the first period by whose report use had passed 5 % of the commitment pro rata (any use, without a commitment); null if it has not.",
        "lower is better", "The first value came {value} days after the start", "No value has come of it yet", _SHELF,
    ),
    _feature(
        "products_active_90d", "count", "products", _PRODUCTS,
        "Products used in the last 90 days, the contract before this one included; zero if none.",
        "higher is better", "{value} products are in use", "No product is in use", _BREADTH,
    ),
    _feature(
        "products_change", "number", "products",
        all_of(lambda now, then: ibis.ifelse(now.notnull() | then.notnull(), now.fill_null(0.0) - then.fill_null(0.0), ibis.null("float64")), _PRODUCTS, _PRODUCTS_BEFORE),
        "Products used in the last 90 days less those in the 90 before; null before the first use.",
        "higher is better", "{value} products more than in the 90 days before", "No product was used", _BREADTH,
    ),
    _feature(
        "active_users", "number", "people", all_of(lambda people, periods: _per_period(people, periods), _PEOPLE, _PERIODS),
        "People who used it in an average reported period of the last 90 days, added up over the products; null without a report.",
        "higher is better", "{value} people use it", "How many people use it is unknown", _BREADTH,
    ),
    _feature(
        "active_users_trend", "number", "times",
        all_of(lambda now, periods, then, before: _per_period(now, periods) / _positive(_per_period(then, before)), _PEOPLE, _PERIODS, _PEOPLE_BEFORE, _PERIODS_BEFORE),
        "People who used it in an average reported period of the last 90 days, divided by those of the 90 before; null where there were none.",
        "higher is better", "{value} times as many people use it as in the 90 days before", "The trend of users is unknown", _BREADTH,
    ),
    _feature(
        "credit_notes_180d", "count", "corrections", total("periods", "credits", 180),
        "Negative rows of use (credit notes, corrections) in the last 180 days; zero if none.",
        "lower is better", "{value} credit notes or corrections in the last 180 days", "No credit note in the last 180 days",
        "A customer who disputes the bill is at risk.",
    ),
)  # fmt: skip
