"""What each row of a book is expected to give in each month: exact means, prices included."""

import numpy as np

from models.arrays import FloatArray
from models.calibration import sigmoid
from models.forecast.book import Book, Consumption, OpenDeals, Renewals
from models.forecast.coming import expected_new_business
from models.forecast.lots import Lots
from models.forecast.shocks import CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS

__all__ = [
    "coming_by_month",
    "consumption_by_month",
    "deal_lots",
    "deals_by_month",
    "goes_on",
    "kept",
    "renewal_lots",
    "renewals_by_month",
]


def deal_lots(deals: OpenDeals) -> Lots:
    """Open deals as lots."""
    spread = np.broadcast_to(np.asarray(deals.spread, dtype=np.float64), deals.amount.shape)
    return Lots("deal", deals.ids, deals.log_odds, deals.share_closed, deals.amount, spread)


def renewal_lots(renewals: Renewals, months: int) -> Lots:
    """Contracts as lots: each in the month that it falls due in, worth what it renews for."""
    share = (np.arange(months) >= renewals.due[:, None]).astype(np.float64)
    relative = np.divide(
        renewals.ratio_sd, renewals.ratio, out=np.zeros_like(renewals.ratio), where=renewals.ratio > 0
    )
    amount, spread = renewals.committed * renewals.ratio, np.sqrt(np.log1p(relative**2))
    return Lots("contract", renewals.ids, renewals.log_odds, share, amount, spread)


def deals_by_month(book: Book) -> FloatArray:
    """By open deal and month, shape (n, m); 0 where its amount is unknown."""
    return _lots_by_month(deal_lots(book.deals)) * book.price.get(OPEN_DEALS, 1.0)


def coming_by_month(book: Book) -> FloatArray:
    """By cell of deals not yet created and month, shape (c, m); no rows where nothing is known of them."""
    if book.new is None:
        return np.zeros((0, book.months.count))
    return expected_new_business(book.new, book.months) * book.price.get(NOT_YET_CREATED, 1.0)


def renewals_by_month(book: Book) -> FloatArray:
    """By contract and month, shape (n, m); 0 where its amount is unknown."""
    return _lots_by_month(renewal_lots(book.renewals, book.months.count)) * book.price.get(RENEWALS, 1.0)


def consumption_by_month(book: Book) -> FloatArray:
    """By series and month, shape (s, m): what comes after a term counts as far as it is renewed."""
    used, p = book.consumption, goes_on(book.consumption, book.renewals.log_odds)
    return kept(used.mean, used.after_term, p) * book.price.get(CONSUMPTION, 1.0)


def goes_on(consumption: Consumption, log_odds: FloatArray) -> FloatArray:
    """The chance that each series goes on after its contract's term, by the contracts' log-odds; 1 where
    nothing decides it."""
    if not log_odds.size:
        return np.ones(len(consumption.contract))
    return np.where(consumption.contract >= 0, sigmoid(log_odds)[consumption.contract], 1.0)


def kept(mean: FloatArray, after_term: FloatArray, p: FloatArray) -> FloatArray:
    """What is left of each series' mean, if what lies after the term comes with probability p."""
    return mean * (1.0 - after_term * (1.0 - p)[:, None])


def _lots_by_month(lots: Lots) -> FloatArray:
    worth = np.where(np.isnan(lots.amount), 0.0, lots.amount)
    return (sigmoid(lots.log_odds) * worth)[:, None] * np.diff(lots.share, axis=1, prepend=0.0)
