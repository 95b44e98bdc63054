"""Deals not yet created, drawn: a compound Poisson process that common shocks speed up, slow down and delay.

Deals come at a rate that varies from month to month; a share of them is won, some time after; each win is
one of the amounts of past wins. Wins of a month are Poisson given the rates, because a Poisson number
thinned by chance is Poisson: no deal that is lost or comes too late has to be drawn.
"""

from dataclasses import dataclass

import numpy as np

from models.arrays import FloatArray
from models.forecast.arrivals import NewBusiness
from models.forecast.chance import factors, stream
from models.forecast.groups import Cells
from models.forecast.lots import CENTS, Shocked, Sums, add_cell
from models.forecast.months import Months
from models.forecast.shocks import Shocks

__all__ = ["Coming", "add_new_business", "change_new_business", "expected_new_business", "landing_days"]

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


@dataclass(frozen=True)
class Coming:
    """When deals come, and the shocks that they come under: those of the open deals, since a market that
    turns, turns for both."""

    months: Months
    shocks: Shocks
    shocked: Shocked


def add_new_business(new: NewBusiness, coming: Coming, cells: Cells, into: Sums) -> None:
    """Add whole hundredths by level, key, month and draw, before the common factor of amounts.

    cells: of the cells of `new`, by the levels that are kept.
    """
    wins = _wins(new, coming)
    for place in range(new.rate.size):
        add_cell(_booked(new, place, wins, coming), cells, int(cells.cell[place]), into)


def change_new_business(
    before: NewBusiness, after: NewBusiness, coming: Coming, cells: Cells, into: Sums
) -> None:
    """Bring sums that hold `before` to what they are with `after`, whose amounts are scaled otherwise."""
    wins = _wins(before, coming)
    for place in np.flatnonzero(before.amount_scale != after.amount_scale):
        booked = _booked(after, int(place), wins, coming) - _booked(before, int(place), wins, coming)
        add_cell(booked, cells, int(cells.cell[place]), into)


def _wins(new: NewBusiness, coming: Coming) -> FloatArray:
    """Wins by month and draw, were one deal created a day and all of them won in the end."""
    shocked = coming.shocked
    rate = _monthly_rates(
        coming.months.count, shocked.draws, new.overdispersion, coming.shocks.creation_sd, shocked.seed
    )
    landing = landing_days(coming.months, new.days, shocked.share.shares(new.won_by))
    wins = np.zeros_like(rate)
    for level in range(shocked.share.shifts.size):
        at = shocked.share.of_draw == level
        wins[:, at] = np.einsum("jt,jd->td", landing[:, :, level], rate[:, at])
    return wins


def _booked(new: NewBusiness, place: int, wins: FloatArray, coming: Coming) -> FloatArray:
    """Hundredths booked of one cell, shape (months, draws)."""
    chance = coming.shocked.chance
    name = "|".join(group.keys[group.codes[place]] for group in new.groups.values())
    won = chance.shares(new.share_won[place : place + 1])[0].take(chance.of_draw)
    worth = np.rint(new.amounts * (new.amount_scale[place] * CENTS))
    return _compound(wins * new.rate[place] * won, worth, stream(coming.shocked.seed, "coming", name))


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
