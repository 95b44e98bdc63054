"""The standing world: accounts, sellers, people at the accounts, the product roadmap."""

from dataclasses import dataclass

import numpy as np

from data.simulator.rng import Bools, Floats, Ints, choose, stream
from data.simulator.strengths import SLOTS

__all__ = [
    "CURRENCIES",
    "FEATURES",
    "INDUSTRIES",
    "REGIONS",
    "SEGMENTS",
    "World",
    "make_world",
]

INDUSTRIES = (
    "manufacturing", "banking", "insurance", "retail", "healthcare", "logistics", "software",
    "energy", "public sector", "telecoms",
)  # fmt: skip
REGIONS = ("DACH", "Nordics", "UK and Ireland", "Benelux", "France", "North America", "APAC")
CURRENCIES = ("EUR", "SEK", "GBP", "EUR", "EUR", "USD", "USD")
SEGMENTS = ("enterprise", "mid-market", "growth")
FEATURES = (
    "single sign-on", "audit trail", "offline mode", "forecast API", "row-level security", "multi-currency",
    "usage alerts", "data residency", "workflow designer", "anomaly detection", "partner portal",
    "SAP connector",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Accounts (n,), sellers (s,) and the roadmap; people are `pool[account, seat]`.

    Latent: distributed, affinity (accounts); skill, threading, promising, discipline (sellers);
    slip (features: chance of missing a promised date). The rest is what the CRM may show.
    """

    distributed: Bools
    affinity: Floats
    customer: Bools
    industry: Ints
    region: Ints
    employees: Ints
    segment: Ints
    structure_known: Bools
    pool: Bools
    account_age_days: Floats
    skill: Floats
    threading: Floats
    promising: Floats
    discipline: Floats
    manager: Ints
    active: Bools
    seller_region: Ints
    slip: Floats

    @property
    def accounts(self) -> int:
        """Number of accounts."""
        return len(self.affinity)

    @property
    def sellers(self) -> int:
        """Number of users who own deals."""
        return len(self.skill)


def make_world(seed: int, *, deals: int, years: float) -> World:
    """The world that so many deals over so many years need: 3 deals per 2 accounts, 40 per seller-year."""
    rng = stream(seed, "world")
    n = max(1, deals * 2 // 3)
    sellers = max(3, round(deals / (40 * max(years, 0.25))))
    distributed = rng.random(n) < 0.45
    # headcount is nearly unrelated to how an account decides
    employees = np.exp(rng.normal(6.4, 1.5, n) + 0.15 * distributed).astype(np.int64) + 5
    seats = np.array([1.0, 0.8, 1.0, 1.0, 0.65, 1.0, 1.0, 0.7, 0.6, 0.75, 0.6, 0.7, 0.7, 0.5])
    seats = np.where(distributed[:, None] | (seats == 1.0), seats, seats * 0.92)
    pool = rng.random((n, len(SLOTS))) < seats
    managers = max(1, sellers // 8)
    return World(
        distributed=distributed,
        affinity=rng.normal(0, 1, n),
        customer=rng.random(n) < 0.4,
        industry=choose(rng, (1.0,) * len(INDUSTRIES), n),
        region=choose(rng, (3, 1, 2, 1, 1.5, 3, 1), n),
        employees=employees,
        segment=np.clip((np.log(employees) < 7.6).astype(int) + (np.log(employees) < 5.8), 0, 2),
        structure_known=rng.random(n) < 0.92,
        pool=pool,
        account_age_days=rng.exponential(500, n),
        skill=rng.normal(0, 1, sellers),
        threading=rng.beta(1.6, 1.6, sellers),
        promising=rng.beta(1.2, 2.2, sellers),
        discipline=rng.beta(3, 1.5, sellers),
        manager=choose(rng, (1.0,) * managers, sellers),
        active=rng.random(sellers) < 0.9,
        seller_region=choose(rng, (3, 1, 2, 1, 1.5, 3, 1), sellers),
        slip=rng.uniform(0.3, 0.8, len(FEATURES)),
    )
