"""Deals not yet created: how many come a day, how many of them are won, when, and for how much.

Learnt from deals created before `as_of`. Young deals have not had the time to be won: the share won by age is
the Aalen-Johansen estimate (wins beside losses, deals still open censored), so that recent months, most of
whose deals are open, do not look poor. Shown apart from open deals, since nobody works on these yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from models.arrays import DAY_US, NEVER, BoolArray, FloatArray, IntArray, to_micros
from models.forecast.groups import OTHERS, Group, Groups, grouped

__all__ = ["NewBusiness", "new_business", "won_by_age"]

ENOUGH_DEALS = 30
"""With fewer created in the window, or fewer than `ENOUGH_WON` won, nothing is said about deals to come."""
ENOUGH_WON = 10
WINDOW_DAYS = 730
HALF_LIFE_DAYS = 180.0
"""The rate of creation: deals of the last two years, one of half a year ago counting half."""
_LEAN = 20.0
"""So many deals' weight has the whole against a cell's own share won and mean amount."""
_AMOUNTS = 200
_CELLS = 150
_MONTH = 30.4375


@dataclass(frozen=True)
class NewBusiness:
    """What is known about deals to come, by cell (a combination of the keys of `groups`).

    rate: shape (c,), deals a day. share_won: shape (c,), in the end. amount_scale: shape (c,), a cell's mean
    amount over the whole's. won_by: shape (k,), share of eventual wins won by the end of day `days` of age.
    amounts: shape (q,), equally likely amounts of a won deal. overdispersion: variance of a month's rate
    around its mean, relative to the mean's square. created, won: how many deals it was learnt from.
    """

    groups: Groups
    rate: FloatArray
    share_won: FloatArray
    amount_scale: FloatArray
    days: FloatArray
    won_by: FloatArray
    amounts: FloatArray
    overdispersion: float
    created: int
    won: int

    @property
    def mean_amount(self) -> float:
        """The mean amount of a won deal, before the cell's scale."""
        return float(self.amounts.mean()) if self.amounts.size else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "groups": {
                name: {"keys": list(group.keys), "codes": group.codes.tolist()}
                for name, group in self.groups.items()
            },
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
            "overdispersion": self.overdispersion, "created": self.created, "won": self.won,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "NewBusiness":
        """What was stored by `to_dict`."""
        groups = {
            name: Group(np.array(held["codes"], dtype=np.int64), tuple(held["keys"]))
            for name, held in stored["groups"].items()
        }
        held: dict[str, Any] = {name: np.array(stored[name], dtype=np.float64) for name in _ARRAYS}
        held |= {name: stored[name] for name in ("overdispersion", "created", "won")}
        return cls(groups=groups, **held)


_ARRAYS = ("rate", "share_won", "amount_scale", "days", "won_by", "amounts")


def new_business(
    created: IntArray,
    closed: IntArray,
    won: FloatArray,
    amount: FloatArray,
    groups: Mapping[str, Sequence[str | None]],
    as_of: datetime,
) -> NewBusiness | None:
    """What the deals created before `as_of` say about those to come; None where they are too few.

    created, closed: shape (n,), microseconds since 1970; closed is NEVER, or anything at or after `as_of`,
    for a deal still open. won: shape (n,), 1 or 0, read only where closed before. amount: shape (n,), in the
    reporting currency, of won deals when they were won; NaN where unknown: such wins are not counted as wins,
    since they add to no total. groups: the key of each deal by level (region, segment, ...).
    """
    now = to_micros(as_of)
    known = created < now
    ended = known & (closed < now) & (closed != NEVER)
    age_days = np.where(ended, closed - created, now - created) / DAY_US
    is_won = ended & (won == 1.0) & ~np.isnan(amount)
    recent = known & (created >= now - WINDOW_DAYS * DAY_US)
    if recent.sum() < ENOUGH_DEALS or (recent & is_won).sum() < ENOUGH_WON:
        return None
    days, by_age = won_by_age(age_days[recent], ended[recent], is_won[recent])
    reached = float(by_age[-1])
    back_days = (now - created[recent]) / DAY_US
    rows = np.flatnonzero(recent)
    names, cell = _cells({name: [keys[int(i)] for i in rows] for name, keys in groups.items()}, rows.size)
    rate, overdispersion = _rate(back_days)
    return NewBusiness(
        groups=names,
        rate=rate * _shares(cell, back_days),
        share_won=_cell_shares(cell, back_days, is_won[recent], days, by_age),
        amount_scale=_cell_scales(cell, is_won[recent], amount[recent]),
        days=days,
        won_by=by_age / reached,
        amounts=_equally_likely(np.sort(amount[recent & is_won])),
        overdispersion=overdispersion,
        created=int(recent.sum()),
        won=int((recent & is_won).sum()),
    )


def won_by_age(age_days: FloatArray, ended: BoolArray, won: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Ages in whole days (k,), and the share of all deals that is won by the end of each (k,).

    age_days: shape (n,), at the close where ended, else up to now. Aalen-Johansen by day: of the deals that
    reach a day, the share won on it, times the share that got so far without a close.
    Source: Aalen and Johansen (1978), for two ends that shut each other out.
    """
    day = np.floor(age_days).astype(np.int64)
    last = int(day.max())
    at_risk = np.bincount(day, minlength=last + 1)[::-1].cumsum()[::-1]
    closes = np.bincount(day[ended], minlength=last + 1) / np.maximum(at_risk, 1)
    wins = np.bincount(day[won], minlength=last + 1) / np.maximum(at_risk, 1)
    survived = np.concatenate([[1.0], np.cumprod(1.0 - closes)[:-1]])
    return np.arange(1.0, last + 2.0), np.cumsum(wins * survived, dtype=np.float64)


def _rate(back_days: FloatArray) -> tuple[float, float]:
    """Deals created a day, the newest counting most, and the overdispersion of a month's count."""
    span = float(back_days.max())
    n_months = max(int(span // _MONTH), 1)
    counts = np.bincount((back_days // _MONTH).astype(np.int64), minlength=n_months)[:n_months].astype(float)
    weight = 0.5 ** ((np.arange(n_months) + 0.5) * _MONTH / HALF_LIFE_DAYS)
    mean = float((weight * counts).sum() / weight.sum())
    if n_months < 3 or mean <= 0:
        return mean / _MONTH, 0.0
    spread = float((weight * (counts - mean) ** 2).sum() / (weight.sum() - (weight**2).sum() / weight.sum()))
    return mean / _MONTH, max(0.0, (spread - mean) / mean**2)


def _shares(cell: IntArray, back_days: FloatArray) -> FloatArray:
    """Each cell's share of what is created, the newest counting most."""
    weight = 0.5 ** (back_days / HALF_LIFE_DAYS)
    share = np.bincount(cell, weights=weight)
    return share / share.sum()


def _cells(groups: Mapping[str, Sequence[str | None]], n: int) -> tuple[Groups, IntArray]:
    """The cells' keys, and each deal's cell; cells beyond the commonest are one of others."""
    if not groups:
        return {}, np.zeros(n, dtype=np.int64)
    joined = grouped([repr(keys) for keys in zip(*groups.values(), strict=True)])
    common = np.argsort(-np.bincount(joined.codes), kind="stable")[:_CELLS]
    place = np.full(len(joined.keys), _CELLS)
    place[common] = np.arange(common.size)
    firsts = [int(np.flatnonzero(joined.codes == one)[0]) for one in common]
    cell = place[joined.codes]
    others = [OTHERS] if (cell == _CELLS).any() else []
    return {name: grouped([*(keys[i] for i in firsts), *others]) for name, keys in groups.items()}, cell


def _cell_shares(
    cell: IntArray, back_days: FloatArray, won: BoolArray, days: FloatArray, by_age: FloatArray
) -> FloatArray:
    """Share won in the end by cell: wins over those to be expected by now, leaning on the whole."""
    expected = np.interp(back_days, days, by_age, left=0.0)
    wins, due = np.bincount(cell, weights=won), np.bincount(cell, weights=expected)
    lean = _LEAN * by_age[-1]
    return np.minimum(by_age[-1] * (wins + lean) / (due + lean), 0.99)


def _cell_scales(cell: IntArray, won: BoolArray, amount: FloatArray) -> FloatArray:
    """Mean amount of a cell's won deals over that of all, leaning on 1."""
    mean = float(amount[won].mean())
    n = np.bincount(cell[won], minlength=int(cell.max()) + 1)
    total = np.bincount(cell[won], weights=amount[won], minlength=n.size)
    return (total + _LEAN * mean) / ((n + _LEAN) * mean) if mean > 0 else np.ones(n.size)


def _equally_likely(ranked: FloatArray) -> FloatArray:
    """At most 200 amounts that are equally likely: means of as many spans of the ranked ones."""
    if ranked.size <= _AMOUNTS:
        return ranked
    reached = np.concatenate([[0.0], np.cumsum(ranked)])
    edges = np.linspace(0, ranked.size, _AMOUNTS + 1)
    at = np.interp(edges, np.arange(ranked.size + 1), reached)
    return np.diff(at) / np.diff(edges)
