"""Books for the tests of the forecast: small ones by hand, and random ones."""

from datetime import UTC, datetime

import numpy as np

from models.forecast.arrivals import NewBusiness
from models.forecast.book import Book, Consumption, OpenDeals, Renewals, no_consumption, no_deals, no_renewals
from models.forecast.groups import grouped
from models.forecast.months import Months
from models.forecast.shocks import Shocks

AS_OF = datetime(2026, 11, 21, tzinfo=UTC)


def logit(p):
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-np.asarray(p, dtype=float))


def deals(rows, *, spread=0.0):
    """rows: id, p_win, cumulative share by month, amount, region, owner."""
    ids, p, share, amount, region, owner = zip(*rows, strict=True)
    return OpenDeals(
        ids, logit(np.array(p)), np.array(share, float), np.array(amount, float),
        {"region": grouped(region), "owner": grouped(owner)}, spread,
    )  # fmt: skip


def renewals(rows):
    """rows: id, p_renew, month due, committed, ratio, its sd, region."""
    ids, p, due, committed, ratio, sd, region = zip(*rows, strict=True)
    return Renewals(
        ids, logit(np.array(p)), np.array(due, np.int64), np.array(committed, float),
        np.array(ratio, float), np.array(sd, float), {"region": grouped(region)},
    )  # fmt: skip


def consumption(rows, months):
    """rows: mean a month, relative sd, contract, month from which it is after the term, region, product."""
    mean, sd, contract, ends, region, product = zip(*rows, strict=True)
    after = (np.arange(months) >= np.array(ends)[:, None]).astype(float)
    return Consumption(
        np.repeat(np.array(mean, float)[:, None], months, axis=1),
        np.repeat(np.array(sd, float)[:, None], months, axis=1),
        np.array(contract, np.int64), after, {"region": grouped(region), "product": grouped(product)},
    )  # fmt: skip


def new_deals(
    *, rate=(0.5,), share_won=(0.3,), scale=(1.0,), region=("north",), amounts=(100.0,), spread=0.0
):
    """Deals to come that are won evenly over their first hundred days."""
    return NewBusiness(
        {"region": grouped(region)}, np.array(rate), np.array(share_won), np.array(scale),
        np.arange(1.0, 101.0), np.arange(1.0, 101.0) / 100, np.array(amounts, float), spread, 100, 30,
    )  # fmt: skip


def book(count=3, *, deals=None, new=None, renewals=None, consumption=None, shocks=None, as_of=AS_OF, **more):
    months = Months(as_of, count)
    return Book(
        months, "EUR", deals or no_deals(months), new, renewals or no_renewals(),
        consumption or no_consumption(months), shocks or Shocks.none(), **more,
    )  # fmt: skip


def random_book(seed, count=4, n=12, *, as_of=AS_OF, shocks=None):
    """A book with rows of every kind; ids overlap between seeds."""
    rng = np.random.default_rng(seed)
    ids = sorted(f"d{i}" for i in rng.choice(2 * n, n, replace=False))
    share = np.sort(rng.random((n, count)), axis=1)
    amount = np.where(rng.random(n) < 0.1, np.nan, np.round(np.exp(rng.normal(8, 2, n)), 2))
    groups = {name: grouped([f"{name}{k}" for k in rng.integers(0, 3, n)]) for name in ("region", "owner")}
    log_odds = rng.normal(-0.5, 1.5, n)
    contracts = sorted(f"c{i}" for i in rng.choice(12, 6, replace=False))
    due = Renewals(
        tuple(contracts), rng.normal(1, 1, 6), rng.integers(0, count + 2, 6), np.exp(rng.normal(8, 1, 6)),
        rng.uniform(0.8, 1.3, 6), rng.uniform(0, 0.4, 6), {"region": grouped(["region0", "region1"] * 3)},
    )  # fmt: skip
    used = Consumption(
        np.exp(rng.normal(5, 1, (8, count))), rng.uniform(0, 1, (8, count)), rng.integers(-1, 6, 8),
        rng.choice([0.0, 0.5, 1.0], (8, count)),
        {"region": grouped(["region0", "region2"] * 4), "product": grouped(["core", "extra"] * 4)},
    )  # fmt: skip
    new = new_deals(
        rate=rng.random(2), share_won=rng.random(2), scale=rng.uniform(0.5, 2, 2),
        region=("region0", "region1"),
        amounts=np.exp(rng.normal(8, 1, 5)), spread=0.2,
    )  # fmt: skip
    some = OpenDeals(tuple(ids), log_odds, share, amount, groups, 0.3)
    return Book(Months(as_of, count), "EUR", some, new, due, used, shocks or Shocks())
