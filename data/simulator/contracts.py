"""What follows a win: contracts, weekly use, renewals that depend on how the deal was won."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.simulator.columns import floats, identifiers, integers, moments_of, pick
from data.simulator.deals import DAY, WEEK, Deals
from data.simulator.journey import Path
from data.simulator.rng import Bools, Floats, Ints, choose, sigmoid
from data.simulator.strengths import BELIEFS
from data.simulator.world import CURRENCIES, World

__all__ = ["RENEWAL", "Contracts", "contract_table", "contract_truth", "make_contracts", "usage_table"]

RENEWAL: dict[str, float] = {
    "intercept": 0.75,
    "mission_critical": 0.80,  # work that must be done renews (belief 3)
    "fomo": -1.10,  # fear of missing out bought shelfware
    "stakeholders": 0.30,  # per log-odds that the buying group brought to the win
    "qualification": 0.50,
    "promise_open": -0.90,  # sold on what never shipped
    "spiral": -0.25,
    "activation": 1.0,  # what happens after signature: seen in use, not in the deal
}
"""Log-odds of renewal, by how the deal was won."""

BILLINGS = ("prepaid", "commit", "postpay")
PRODUCTS = ("core", "analytics", "integration")
_TERMS = np.array([182, 365, 730])
_MONTH = 30.4375
_GROWTH_SPREAD = 0.15


@dataclass(frozen=True)
class Contracts:
    """Contracts (n,), renewals of a contract included. deal: row in `Deals`; times in epoch seconds."""

    deal: Ints
    generation: Ints
    start_s: Ints
    end_s: Ints
    known_s: Ints
    billing: Ints
    committed: Floats
    adoption: Floats
    p_renew: Floats
    renewed: Bools
    renewed_amount: Floats
    decided_s: Ints
    products: Ints


def make_contracts(
    rng: np.random.Generator, deals: Deals, path: Path, closed_s: Ints, amount: Floats, *, as_of_s: int
) -> Contracts:
    """Contracts of won deals and of their renewals that begin to be known before as_of."""
    row = np.flatnonzero(path.won)
    deal, n = path.deal[row], len(row)
    adoption = _adoption(rng, deals, path, row)
    billing = choose(rng, (0.3, 0.3, 0.4), n)
    term = _TERMS[choose(rng, (0.15, 0.65, 0.2), n)]
    committed = np.maximum(np.round(amount[row], -1), 100.0)
    products = 1 + rng.binomial(2, 0.3, n)
    start = (closed_s[row] // DAY + rng.integers(3, 25, n)) * DAY
    known = closed_s[row] + rng.integers(3600, 3 * DAY, n)
    generations = []
    for generation in range(8):
        alive = known < as_of_s
        if not alive.any():
            break
        deal, adoption, billing, term = deal[alive], adoption[alive], billing[alive], term[alive]
        committed, products, start, known = committed[alive], products[alive], start[alive], known[alive]
        n = len(deal)
        p = sigmoid(adoption)
        renewed = rng.random(n) < p
        growth = np.exp(rng.normal(_mean_log_growth(adoption), _GROWTH_SPREAD))
        end = start + term * DAY
        decided = end - rng.integers(-10, 50, n) * DAY + rng.integers(9, 17, n) * 3600
        then = np.round(committed * growth, -1)
        generations.append(Contracts(
            deal, np.full(n, generation), start, end, known, billing, committed, adoption, p, renewed,
            then, decided, products,
        ))  # fmt: skip
        deal, adoption, billing, term = (
            deal[renewed],
            adoption[renewed] + 0.3,
            billing[renewed],
            term[renewed],
        )
        committed, products, start = then[renewed], products[renewed], end[renewed]
        known = np.maximum(decided[renewed], known[renewed] + DAY) + 3600
    return _joined(generations)


def _mean_log_growth(adoption: Floats) -> Floats:
    """Mean of ln(renewed ÷ committed) of contracts that renew."""
    return 0.02 + 0.12 * np.clip(adoption, -2, 2)


def _joined(parts: list[Contracts]) -> Contracts:
    """All generations as one, sorted by deal and generation."""
    if not parts:
        none, real, no = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, dtype=bool)
        return Contracts(none, none, none, none, none, none, real, real, real, no, real, none, none)
    whole = {name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    order = np.lexsort((whole["generation"], whole["deal"]))
    return Contracts(**{name: value[order] for name, value in whole.items()})


def _adoption(rng: np.random.Generator, deals: Deals, path: Path, row: Ints) -> Floats:
    """Log-odds of renewal of each win; it also drives use, so that use tells of it."""
    s, deal = RENEWAL, path.deal[row]
    parts = path.parts[row]
    motive = np.select(
        [deals.motive[deal] == 0, deals.motive[deal] == 1], [s["mission_critical"], s["fomo"]], 0.0
    )
    promised = np.bincount(path.deal, weights=path.promise == 0, minlength=len(deals))[deal]
    unkept = np.maximum(promised - path.delivered[row], 0)
    return (
        s["intercept"]
        + motive
        + s["stakeholders"] * np.clip(parts[:, BELIEFS.index("stakeholders")], -2, 2)
        + s["qualification"] * np.clip(parts[:, BELIEFS.index("qualification")], -1.5, 1.5)
        + s["promise_open"] * np.minimum(unkept, 2)
        + s["spiral"] * path.spiral[row]
        + s["activation"] * rng.normal(0, 0.8, len(row))
    )


def contract_table(
    world: World, deals: Deals, contracts: Contracts, *, first_deal: int, first: int, as_of_s: int
) -> pa.Table:
    """`contracts` as known at as_of: outcomes decided later are null."""
    c, open_ = contracts, contracts.decided_s >= as_of_s
    account = deals.account[c.deal]
    return pa.table({
        "contract_id": identifiers("K", first + np.arange(len(c.deal))),
        "account_id": identifiers("A", account),
        "opportunity_id": identifiers("D", np.where(c.generation == 0, first_deal + c.deal, -1)),
        "start_at": moments_of(c.start_s),
        "end_at": moments_of(c.end_s),
        "billing": pick(BILLINGS, c.billing),
        "committed_amount": floats(c.committed),
        "currency": pick(CURRENCIES, world.region[account]),
        "outcome": pick(("churned", "renewed"), np.where(open_, -1, c.renewed.astype(int))),
        "renewed_amount": floats(c.renewed_amount, open_ | ~c.renewed),
        "decided_at": moments_of(c.decided_s, open_),
        "known_at": moments_of(c.known_s),
    })  # fmt: skip


@dataclass(frozen=True)
class _Weeks:
    """Weekly expected use: one row per contract, product and week. expected: amount."""

    contract: Ints
    product: Ints
    week: Ints
    start_s: Ints
    expected: Floats
    idle: Floats


def _weeks(contracts: Contracts) -> _Weeks:
    """The weeks of every contract's term with their expected amounts."""
    c = contracts
    weeks = (c.end_s - c.start_s) // WEEK
    rows = weeks * c.products
    contract = np.repeat(np.arange(len(c.deal)), rows)
    place = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    product, week = place // weeks[contract], place % weeks[contract]
    start = c.start_s[contract] + week * WEEK
    level = np.exp(0.45 * np.clip(c.adoption, -3, 3) - 0.2)[contract]
    share = np.where(product == 0, 1.0, 0.5) / (1 + 0.5 * (c.products[contract] - 1))
    speed = 4 + 8 * sigmoid(-c.adoption)[contract]
    ramp = np.where(c.generation[contract] == 0, 1 - np.exp(-(week + 1) / speed), 1.0)
    season = 1 + 0.15 * np.sin(2 * np.pi * (start % int(365.25 * DAY)) / (365.25 * DAY))
    per_week = (c.committed / ((c.end_s - c.start_s) / WEEK))[contract]
    idle = sigmoid(-1.6 - 0.9 * c.adoption)[contract]
    return _Weeks(contract, product, week, start, per_week * level * share * ramp * season * (1 - idle), idle)


def usage_table(
    rng: np.random.Generator, deals: Deals, contracts: Contracts, *, first: int, as_of_s: int
) -> pa.Table:
    """`usage`, weekly by contract and product, recorded after the week; idle weeks are zero or absent."""
    w = _weeks(contracts)
    known = w.start_s + WEEK + rng.integers(3600, 2 * DAY, len(w.week))
    noise = rng.gamma(5.0, 0.2, len(w.week))
    active = rng.random(len(w.week)) >= w.idle
    amount = np.round(np.where(active, w.expected / (1 - w.idle) * noise, 0.0), 2)
    kept = np.flatnonzero((known < as_of_s) & (active | (rng.random(len(w.week)) < 0.5)))
    unit = np.array([2.5, 4.0, 1.25])[w.product[kept]]
    users = np.ceil(np.sqrt(amount[kept] / 20.0)).astype(np.int64)
    return pa.table({
        "account_id": identifiers("A", deals.account[contracts.deal[w.contract[kept]]]),
        "contract_id": identifiers("K", first + w.contract[kept]),
        "product": pick(PRODUCTS, w.product[kept]),
        "usage_date": moments_of(w.start_s[kept]),
        "quantity": floats(np.round(amount[kept] / unit, 1)),
        "amount": floats(amount[kept]),
        "active_users": integers(users),
        "known_at": moments_of(known[kept]),
    })  # fmt: skip


def contract_truth(deals: Deals, path: Path, contracts: Contracts, *, first: int) -> pa.Table:
    """True renewal probability and expected consumption, total and by month of the term.

    expected_ratio_if_renewed: mean of renewed ÷ committed amount of such contracts, were they renewed;
    expected_renewed_ratio: the same with churn as 0. renewed_amount_eventually: null where churned.
    """
    c, w = contracts, _weeks(contracts)
    month = (w.week * 7 / _MONTH).astype(np.int64)
    months = np.ceil((c.end_s - c.start_s) / DAY / _MONTH - 1e-9).astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(months)])
    monthly = np.bincount(offset[w.contract] + month, weights=w.expected, minlength=int(offset[-1]))
    total = np.bincount(w.contract, weights=w.expected, minlength=len(c.deal))
    if_renewed = np.exp(_mean_log_growth(c.adoption) + _GROWTH_SPREAD**2 / 2)
    by_month = pa.ListArray.from_arrays(pa.array(offset, pa.int32()), floats(monthly))
    return pa.table({
        "contract_id": identifiers("K", first + np.arange(len(c.deal))),
        "p_renew": floats(c.p_renew),
        "renewed_eventually": pa.array(c.renewed),
        "renewed_amount_eventually": floats(c.renewed_amount, ~c.renewed),
        "expected_ratio_if_renewed": floats(if_renewed),
        "expected_renewed_ratio": floats(c.p_renew * if_renewed),
        "expected_consumption_total": floats(total),
        "expected_consumption_monthly": by_month,
        "latent_adoption": floats(c.adoption),
        "latent_mission_critical": floats(deals.motive[c.deal] == 0),
        "latent_fomo": floats(deals.motive[c.deal] == 1),
    })  # fmt: skip
