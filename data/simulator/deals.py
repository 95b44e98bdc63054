"""What a deal is on its first day: account, seller, group, motive, starting log-odds."""

from dataclasses import dataclass

import numpy as np

from data.simulator.rng import Bools, Floats, Ints, choose, stream
from data.simulator.strengths import BELIEFS, SLOTS, STATIC
from data.simulator.world import World

__all__ = [
    "DAY",
    "LEAD_SOURCES",
    "MOTIVES",
    "TYPES",
    "WEEK",
    "Deals",
    "make_deals",
    "starting_parts",
    "working_days",
]

DAY = 86_400
WEEK = 7 * DAY
TYPES = ("new", "expansion", "renewal")
LEAD_SOURCES = ("referral", "partner", "inbound", "event", "outbound")
MOTIVES = ("mission_critical", "fomo", "no_motive")


@dataclass(frozen=True)
class Deals:
    """Deals (n,) in order of creation. Times are epoch seconds; slip is per feature.

    week: the calendar week of creation, counted from the first; its instants are
    `origin_s + week * WEEK`. present: shape (n, seats), who belongs to the buying group.
    """

    account: Ints
    seller: Ints
    successor: Ints
    handover: Ints
    created_s: Ints
    week: Ints
    first_day: Ints
    kind: Ints
    source: Ints
    motive: Ints
    competitors: Ints
    partner: Bools
    distributed: Bools
    present: Bools
    capacity: Floats
    energy: Floats
    entry: Ints
    amount: Floats
    threading: Floats
    promising: Floats
    discipline: Floats
    politics: Floats
    slip: Floats
    origin_s: int

    def __len__(self) -> int:
        return len(self.account)

    def part(self, rows: slice) -> "Deals":
        """The deals of these rows."""
        cut = {k: v[rows] if np.shape(v)[:1] == (len(self),) else v for k, v in vars(self).items()}
        return Deals(**(cut | {"slip": self.slip}))


def make_deals(seed: int, world: World, *, deals: int, as_of_s: int, years: float) -> Deals:
    """All deals, created in the `years` before as_of, in working hours."""
    rng = stream(seed, "deals")
    weeks = max(1, round(years * 365.25 / 7))
    origin_s = as_of_s - weeks * WEEK
    working = working_days(as_of_s)
    # a growing business: a third more deals a week at the end than at the beginning
    share = (np.sqrt(0.7656 + 0.5 * rng.random(deals)) - 0.875) / 0.25
    week = np.sort(np.clip(np.floor(share * weeks), 0, weeks - 1).astype(np.int64))
    first_day = rng.integers(0, 5, deals)
    second = rng.integers(8 * 3600, 9 * 3600, deals)
    created_s = origin_s + week * WEEK + working[first_day] * DAY + second
    order = np.argsort(created_s, kind="stable")
    week, first_day, created_s = week[order], first_day[order], created_s[order]

    account = rng.integers(0, world.accounts, deals)
    seller = _sellers(rng, world, account)
    customer = world.customer[account]
    kind = np.where(customer, 1 + choose(rng, (0.6, 0.4), deals), 0)
    source = choose(rng, (1, 1.2, 2, 1, 2.2), deals)
    motive = choose(rng, (0.38, 0.27, 0.35), deals)
    distributed = world.distributed[account]
    return Deals(
        account=account,
        seller=seller,
        successor=rng.integers(0, world.sellers, deals),
        handover=np.where(rng.random(deals) < 0.07, rng.integers(3, 20, deals), 10_000),
        created_s=created_s,
        week=week,
        first_day=first_day,
        kind=kind,
        source=source,
        motive=motive,
        competitors=choose(rng, (0.35, 0.4, 0.25), deals),
        partner=rng.random(deals) < 0.22,
        distributed=distributed,
        present=_group(rng, world.pool[account], distributed),
        capacity=rng.uniform(0.35, 1.0, deals),
        energy=np.exp(rng.normal(0, 0.15, deals)),
        entry=choose(rng, (0.6, 0.2, 0.1, 0.1), deals),
        amount=_first_amounts(rng, kind),
        threading=world.threading[seller],
        promising=world.promising[seller],
        discipline=world.discipline[seller],
        politics=rng.normal(0, 1, deals),
        slip=world.slip,
        origin_s=origin_s,
    )


def working_days(as_of_s: int) -> Ints:
    """The five working days of a calendar week that starts at as_of's weekday, as day offsets."""
    start = (as_of_s // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return np.array([day for day in range(7) if (start + day) % 7 < 5], dtype=np.int64)


def starting_parts(world: World, deals: Deals) -> Floats:
    """Starting log-odds of each deal by belief, shape (n, beliefs)."""
    s = STATIC
    kind = np.array([s[name] for name in TYPES])[deals.kind]
    source = np.array([s[name] for name in LEAD_SOURCES])[deals.source]
    parts = dict.fromkeys(BELIEFS, np.zeros(len(deals)))
    parts["deal"] = (
        s["intercept"]
        + kind
        + source
        + s["partner_involved"] * deals.partner
        + s["competitor"] * deals.competitors
        + s["affinity"] * world.affinity[deals.account]
    )
    parts["structure"] = np.where(deals.distributed, s["distributed"], s["centralised"])
    parts["seller"] = (
        s["skill"] * world.skill[deals.seller]
        + s["multi_threading"] * (deals.threading - 0.5)
        + s["promising"] * (deals.promising - 0.35)
    )
    parts["motive"] = np.array([s[name] for name in MOTIVES])[deals.motive]
    parts["hidden"] = s["politics"] * deals.politics
    return np.column_stack([parts[name] for name in BELIEFS])


def _first_amounts(rng: np.random.Generator, kind: Ints) -> Floats:
    """What is first typed in as the deal's worth, in its currency."""
    worth = np.exp(rng.normal(10.6, 0.9, len(kind)) - 0.3 * (kind > 0))
    return np.asarray(np.round(worth, -2) + 500, dtype=np.float64)


def _sellers(rng: np.random.Generator, world: World, account: Ints) -> Ints:
    """A seller for each deal: usually the account's own, else anyone."""
    own = rng.integers(0, world.sellers, world.accounts)
    anyone = rng.integers(0, world.sellers, len(account))
    return np.where(rng.random(len(account)) < 0.8, own[account], anyone)


def _group(rng: np.random.Generator, pool: Bools, distributed: Bools) -> Bools:
    """Who of the account's people takes part: 4 to 14, more where responsibility is distributed."""
    share = np.where(distributed, 0.88, 0.68)[:, None]
    present = pool & (rng.random((len(pool), len(SLOTS))) < share)
    present[:, 0] |= ~present[:, 1]
    present[:, [2, 3, 5]] = True  # a budget, a decision, an evaluator: without them no group decides
    return present
