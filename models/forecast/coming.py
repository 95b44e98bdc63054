"""Deals not yet created, drawn: a compound Poisson process that common shocks speed up, slow down and delay.

Deals come at a rate that varies from month to month; a share of them is won, some time after; each win is
one of the amounts of past wins. Wins of a month are Poisson given the rates, because a Poisson number
thinned by chance is Poisson: no deal that is lost or comes too late has to be drawn.
"""

import numpy as np

from models.arrays import FloatArray
from models.forecast.arrivals import NewBusiness
from models.forecast.chance import factors, stream
from models.forecast.groups import Cells
from models.forecast.lots import CENTS, Shocked, Sums, empty_sums
from models.forecast.months import Months
from models.forecast.shocks import Shocks

__all__ = ["draw_new_business", "expected_new_business", "landing_days"]

_STEPS_A_DAY = 4


def landing_days(months: Months, days: FloatArray, won_by: FloatArray) -> FloatArray:
    """Days' worth of creation, by month of creation and month of the win, shape (m, m).

    One deal a day, all of them won in the end, gives so many wins. days, won_by: as in `NewBusiness`; won_by
    may have further axes behind the first, which stay: shape (k, ...) gives (m, m, ...).
    """
    edges = np.concatenate([[0.0], months.end_days])
    width = edges[-1] / np.ceil(edges[-1] * _STEPS_A_DAY)
    at = np.arange(round(edges[-1] / width)) * width + width / 2
    curve = np.concatenate([np.zeros((1, *won_by.shape[1:])), won_by])
    landed = np.zeros((months.count, months.count, *won_by.shape[1:]))
    month = np.minimum(np.searchsorted(edges[1:], at, side="right"), months.count - 1)
    for end in range(months.count):
        by_end = _interpolated(edges[end + 1] - at, np.concatenate([[0.0], days]), curve)
        np.add.at(landed[:, end], month, by_end * width)
    return np.diff(landed, axis=1, prepend=0.0)


def expected_new_business(new: NewBusiness, months: Months) -> FloatArray:
    """The mean booked by cell and month, shape (c, m)."""
    wins = landing_days(months, new.days, new.won_by).sum(axis=0)
    return np.outer(new.rate * new.share_won * new.amount_scale * new.mean_amount, wins)


def draw_new_business(
    new: NewBusiness, months: Months, shocks: Shocks, shocked: Shocked, cells: Cells
) -> Sums:
    """Hundredths by level, key, month and draw, before the common factor of amounts.

    shocked: the levels that open deals have, too: a market that turns, turns for both. cells: one per cell of
    `new`, by the levels that are kept.
    """
    m, draws, seed = months.count, shocked.draws, shocked.seed
    rate = _monthly_rates(m, draws, new.overdispersion, shocks.creation_sd, seed)
    landing = landing_days(months, new.days, shocked.share.shares(new.won_by))
    wins = np.einsum("jd,jtd->td", rate, landing[:, :, shocked.share.of_draw])
    chances = shocked.chance.shares(new.share_won)
    sums = empty_sums(cells, m, draws)
    for place in range(new.rate.size):
        name = "|".join(group.keys[group.codes[place]] for group in new.groups.values())
        mean = wins * (new.rate[place] * chances[place].take(shocked.chance.of_draw))
        worth = np.rint(new.amounts * (new.amount_scale[place] * CENTS))
        booked = _compound(mean, worth, stream(seed, "coming", name))
        sums["total"][0] += booked
        for (level, _), places in zip(cells.levels, cells.of, strict=True):
            sums[level][places[cells.cell[place]]] += booked
    return sums


def _monthly_rates(months: int, draws: int, overdispersion: float, sd: float, seed: int) -> FloatArray:
    """What multiplies the rate of creation, shape (months, draws), mean 1: a lasting shock, and monthly
    ones."""
    lasting = factors(draws, sd, seed, "creation")
    if overdispersion <= 0:
        return np.broadcast_to(lasting, (months, draws))
    shape = 1.0 / overdispersion
    monthly = stream(seed, "creation by month").gamma(shape, 1.0 / shape, (months, draws))
    return lasting * monthly


def _compound(mean: FloatArray, worth: FloatArray, chance: np.random.Generator) -> FloatArray:
    """Sums of Poisson many amounts: mean, shape (m, d), of their number; worth: equally likely amounts."""
    booked = np.zeros(mean.shape)
    for month, rates in enumerate(mean):
        number = chance.poisson(rates)
        which = chance.integers(0, worth.size, int(number.sum()))
        draw = np.repeat(np.arange(number.size), number)
        booked[month] = np.bincount(draw, weights=worth[which], minlength=number.size)
    return booked


def _interpolated(at: FloatArray, knots: FloatArray, values: FloatArray) -> FloatArray:
    """Linear between knots, 0 before the first, the last value after; values: shape (k, ...)."""
    place = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, knots.size - 2)
    part = np.clip((at - knots[place]) / (knots[place + 1] - knots[place]), 0.0, 1.0)
    part = part.reshape(-1, *[1] * (values.ndim - 1))
    return values[place] * (1.0 - part) + values[place + 1] * part
