"""What users would otherwise forecast from: reps' categories, stage probabilities, last year, a base rate.

Each uses only what was known strictly before the origin. All are point forecasts, by row (deal or contract)
or by cell.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from models.arrays import NEVER, FloatArray, IntArray, to_micros
from models.backtest.contracts import Contracts
from models.backtest.history import Deals, Texts, months_after
from models.backtest.rows import cell_sums
from models.forecast.months import Months

__all__ = [
    "ALL_RENEW",
    "RENEWALS_BASE_RATE",
    "expected_month",
    "past_baselines",
    "past_of_new_deals",
    "renewal_baselines",
    "rep_baselines",
    "stage_baseline",
]

COMMITTED = "rep_commit"
CATEGORIES = "rep_categories"
STAGES = "stage_probability"
RENEWALS_BASE_RATE = "base_rate"
ALL_RENEW = "all_renew"
TRAILING = "mean_of_last_year"
LAST_YEAR = "same_month_last_year"

_COMMIT = "commit"
_FINISHED = ("closed", "omitted")
_PAST = 12
_FEWEST = 10


def expected_month(deals: Deals, origin: datetime) -> IntArray:
    """Months ahead of each deal's expected close as known at the origin; 0 where it has passed.

    Further than any month where none is recorded.
    """
    dates = deals.histories["close_date"].before(origin, len(deals))
    at = np.array([_microseconds(text) for text in dates], dtype=np.int64)
    return np.maximum(months_after(at, origin), 0)


def rep_baselines(deals: Deals, origin: datetime) -> dict[str, FloatArray]:
    """Chances that the reps' categories say, by baseline, shape (n,); empty where the CRM has no categories.

    rep_commit: 1 in the category "commit", else 0. rep_categories: the past share won of each category, over
    monthly looks back at the year before; the overall share where a category was seen under ten times.
    """
    now = _lower(deals.histories["forecast_category"].before(origin, len(deals)))
    open_now = deals.open_at(origin)
    if not any(category for category in now[open_now]):
        return {}
    return {
        COMMITTED: (now == _COMMIT).astype(np.float64),
        CATEGORIES: _past_share(deals, origin, "forecast_category"),
    }


def stage_baseline(
    deals: Deals, origin: datetime, probabilities: Mapping[str, float]
) -> dict[str, FloatArray]:
    """The chance that each deal's stage says: the CRM's own where it has one, else its past share won.

    probabilities: by stage as the CRM sets them. Empty where no stage is recorded.
    """
    stage = deals.histories["stage"].before(origin, len(deals))
    if not any(stage[deals.open_at(origin)]):
        return {}
    past = _past_share(deals, origin, "stage")
    told = np.array([probabilities.get(one, np.nan) if one else np.nan for one in stage], dtype=np.float64)
    return {STAGES: np.where(np.isnan(told), past, told)}


def renewal_baselines(contracts: Contracts, origin: datetime) -> dict[str, FloatArray]:
    """Expected amounts ÷ committed of each contract: everything renews; the share renewed so far.

    The base rate counts decisions known at the origin, all amounts alike; one half before the first.
    """
    decided = contracts.decided < to_micros(origin)
    rate = float((contracts.renewed[decided].sum() + 1) / (decided.sum() + 2))
    n = len(contracts)
    return {RENEWALS_BASE_RATE: np.full(n, rate), ALL_RENEW: np.ones(n)}


def past_baselines(
    keys: Texts, month: IntArray, amount: FloatArray, *, order: Sequence[str], months: int, origin: datetime
) -> dict[str, FloatArray]:
    """The mean of the year before, and the same month last year: by key and month ahead, (k, months <= 12).

    month: calendar months from the origin's to each row's, negative in the past. Month 0 counts by the share
    of it that is left.
    """
    year = cell_sums(keys, month + _PAST, amount, level="", order=order, months=_PAST).amounts
    left = _left_of(origin, months)
    return {TRAILING: year.mean(axis=1, keepdims=True) * left, LAST_YEAR: year[:, :months] * left}


def past_of_new_deals(
    keys: Texts, created: IntArray, closed: IntArray, amount: FloatArray, *, order: Sequence[str], months: int
) -> FloatArray:
    """What deals created from a month on booked so many months later, the mean of looks back; (k, months).

    created, closed: calendar months from the origin's, negative in the past. A look back j months sees its
    first j months whole; the year of looks before the latest that can be seen is taken for each month ahead.
    """
    found = np.zeros((len(order), months))
    for ahead in range(months):
        for back in range(ahead + 1, ahead + 1 + _PAST):
            counted = (created >= -back) & (closed == ahead - back)
            cells = cell_sums(
                keys[counted], closed[counted] * 0, amount[counted], level="", order=order, months=1
            )
            found[:, ahead] += cells.amounts[:, 0] / _PAST
    return found


def _left_of(origin: datetime, months: int) -> FloatArray:
    """The share of each month ahead that lies after the origin: 1 but for the first."""
    left = np.ones(months)
    start, end = Months(origin, 1).edges
    left[0] = (end - origin) / (end - start)
    return left


def _past_share(deals: Deals, origin: datetime, field: str) -> FloatArray:
    """The share won, as known at the origin, of deals that had the same value at looks in the year before."""
    won: dict[str | None, list[float]] = {}
    at = to_micros(origin)
    known = (deals.closed < at) & (deals.closed < NEVER)
    for back in range(1, _PAST + 1):
        then = origin - timedelta(days=back * 30)
        looked = np.flatnonzero(deals.open_at(then) & known)
        values = _lower(deals.histories[field].before(then, len(deals)))
        for deal in looked:
            won.setdefault(values[deal], []).append(float(deals.won[deal]))
    every = [one for of in won.values() for one in of]
    overall = float(np.mean(every)) if every else 0.0
    share = {value: float(np.mean(of)) for value, of in won.items() if len(of) >= _FEWEST}
    now = _lower(deals.histories[field].before(origin, len(deals)))
    return np.array([_finished(value, share.get(value, overall)) for value in now], dtype=np.float64)


def _finished(value: str | None, share: float) -> float:
    return 0.0 if value in _FINISHED else share


def _lower(values: Texts) -> Texts:
    return np.array([value.strip().lower() if value else None for value in values], dtype=object)


def _microseconds(text: str | None) -> int:
    """The midnight (UTC) that a text's first ten characters say, in microseconds; NEVER if they say none."""
    try:
        day = date.fromisoformat(text[:10]) if text else None
    except ValueError:
        day = None
    return to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC)) if day else int(NEVER)
